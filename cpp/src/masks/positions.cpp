#include "masks/positions.hpp"

#include <algorithm>
#include <bit>
#include <variant>

#include "kernels/dispatch.hpp"
#include "masks/slices.hpp"

namespace weightfill {
namespace {

constexpr std::uint64_t kFew = 16;        // positions that are compared with each other: no branch depends on them
constexpr std::uint64_t kShort = 24;      // positions that are kept sorted while they are drawn
constexpr std::uint64_t kBits = 1 << 16;  // positions of a slice that are looked through at once rather than sorted

}  // namespace

std::uint64_t slice_of(const Mask& mask, std::uint64_t index) {
  if (mask.stride == 1) return mask.count == 0 ? 0 : index / mask.count;
  const std::uint64_t plane = mask.stride * mask.count;  // 0: the only one
  return (plane == 0 ? 0 : index / plane * mask.stride) + index % mask.stride;
}

std::uint64_t position_of(const Mask& mask, std::uint64_t index) {
  return mask.count == 0 ? index / mask.stride : index / mask.stride % mask.count;
}

bool lists_kept(const Mask& mask) {
  if (const auto* connections = std::get_if<Mask::Connections>(&mask.pattern))
    return connections->kept <= mask.count / 2;
  return std::holds_alternative<Mask::Diagonal>(mask.pattern);
}

Draws draws_of(const Mask& mask, std::uint64_t seed) {
  const auto* connections = std::get_if<Mask::Connections>(&mask.pattern);
  if (connections == nullptr) return {{seed, 0}, 0, 0};
  return {{seed, connections->number}, mask.count, std::min(connections->kept, mask.count - connections->kept)};
}

Positions::Positions(const Mask& mask, std::uint64_t seed)
    : mask_(mask), lists_kept_(weightfill::lists_kept(mask)), draws_(draws_of(mask, seed)), listed_(draws_.listed()) {
  if (std::holds_alternative<Mask::Diagonal>(mask.pattern)) listed_ = 1;
  if (const auto* rest = std::get_if<Mask::AllBut>(&mask.pattern)) {
    positions_ = rest->positions;
    listed_ = positions_.size();
  }
}

const std::vector<std::uint64_t>& Positions::of(std::uint64_t slice) {
  if (std::holds_alternative<Mask::AllBut>(mask_.pattern)) return positions_;
  if (const Slices* const drawn = slices_of(mask_)) return drawn->lists[slice];
  if (known_ && slice_ == slice) return positions_;
  known_ = true, slice_ = slice;
  positions_.clear();
  if (const auto* diagonal = std::get_if<Mask::Diagonal>(&mask_.pattern)) {
    const auto& d = *diagonal;
    const std::uint64_t position = slice / d.output_stride % d.outputs % d.period;
    if (slice / d.tap_stride % d.taps == d.centre && position < mask_.count) positions_.push_back(position);
  } else {
    draw(slice);
  }
  return positions_;
}

void Positions::draw(std::uint64_t slice) {
  if (listed_ > kShort && (mask_.count / 64 <= listed_ || mask_.count <= kBits)) return draw_bits(slice);
  if (listed_ > kShort) table_.assign(std::bit_ceil(2 * listed_), ~std::uint64_t{0});
  positions_.reserve(listed_);
  std::uint64_t few[kFew];
  std::uint64_t j = 0;
  draws_.each(slice, [&](const std::uint64_t* drawn, std::uint64_t last, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i, ++last, ++j) {
      if (listed_ <= kFew) few[j] = std::find(few, few + j, drawn[i]) == few + j ? drawn[i] : last;
      else if (listed_ <= kShort) insert(drawn[i], last);
      else add(drawn[i], last);
    }
  });
  if (listed_ <= kFew) sort_few(few);
  if (listed_ > kShort) std::sort(positions_.begin(), positions_.end());
}

void Positions::draw_bits(std::uint64_t slice) {
  table_.resize(draws_.words());
  draws_.list(slice, table_.data());
  positions_.resize(listed_);
  std::uint64_t* next = positions_.data();
  for (std::size_t i = 0; i < table_.size(); ++i)
    for (std::uint64_t rest = table_[i]; rest != 0; rest &= rest - 1)
      *next++ = 64 * i + static_cast<std::uint64_t>(std::countr_zero(rest));
}

// Adds `drawn` to the hash table and the list; if it is there already, `otherwise`, which cannot be.
void Positions::add(std::uint64_t drawn, std::uint64_t otherwise) {
  constexpr std::uint64_t kFree = ~std::uint64_t{0}, kGolden = 0x9E3779B97F4A7C15;
  const int shift = 64 - std::countr_zero(table_.size());
  const auto slot = [&](std::uint64_t position) {
    std::size_t i = position * kGolden >> shift;
    while (table_[i] != kFree && table_[i] != position) i = (i + 1) & (table_.size() - 1);
    return i;
  };
  std::size_t place = slot(drawn);
  if (table_[place] == drawn) place = slot(drawn = otherwise);
  table_[place] = drawn;
  positions_.push_back(drawn);
}

// Makes `positions_` the few in ascending order: each goes to the place whose number is how many of them are below it.
void Positions::sort_few(const std::uint64_t* few) {
  std::uint32_t below[kFew] = {};
  for (std::uint32_t i = 1; i < listed_; ++i) {
    std::uint32_t below_i = 0;
    for (std::uint32_t j = 0; j < i; ++j) {
      const bool less = few[j] < few[i];
      below_i += less;
      below[j] += !less;
    }
    below[i] = below_i;
  }
  positions_.resize(listed_);
  for (std::uint32_t i = 0; i < listed_; ++i) positions_[below[i]] = few[i];
}

// Adds `drawn` to the sorted list; if it is there already, `otherwise`, which is above all others.
void Positions::insert(std::uint64_t drawn, std::uint64_t otherwise) {
  positions_.push_back(otherwise);
  std::uint64_t* const first = positions_.data();
  std::uint64_t* place = first + positions_.size() - 1;
  while (place > first && place[-1] > drawn) --place;
  if (place > first && place[-1] == drawn) return;
  std::copy_backward(place, first + positions_.size() - 1, first + positions_.size());
  *place = drawn;
}

}  // namespace weightfill
