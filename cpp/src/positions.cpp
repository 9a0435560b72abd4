#include "positions.hpp"

#include <algorithm>
#include <bit>
#include <variant>

#include "dispatch.hpp"

namespace weightfill {
namespace {

constexpr std::uint64_t kFew = 16;    // positions that are compared with each other: no branch depends on them
constexpr std::uint64_t kShort = 64;  // positions that are kept sorted while they are drawn

std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(a) * b >> 64);
}

}  // namespace

Positions::Positions(const Mask& mask, std::uint64_t seed) : mask_(mask) {
  if (const auto* connections = std::get_if<Mask::Connections>(&mask.pattern)) {
    stream_ = {seed, connections->number};
    lists_kept_ = connections->kept <= mask.count / 2;
    listed_ = lists_kept_ ? connections->kept : mask.count - connections->kept;
  } else if (const auto* rest = std::get_if<Mask::AllBut>(&mask.pattern)) {
    positions_ = rest->positions;
    lists_kept_ = false;
    listed_ = positions_.size();
  }
}

std::uint64_t Positions::unit(std::uint64_t index) const {
  if (mask_.stride == 1) return mask_.count == 0 ? 0 : index / mask_.count;
  const std::uint64_t plane = mask_.stride * mask_.count;  // 0: the only one
  return (plane == 0 ? 0 : index / plane * mask_.stride) + index % mask_.stride;
}

std::uint64_t Positions::position(std::uint64_t index) const {
  return mask_.count == 0 ? index / mask_.stride : index / mask_.stride % mask_.count;
}

const std::vector<std::uint64_t>& Positions::of(std::uint64_t unit) {
  if (std::holds_alternative<Mask::AllBut>(mask_.pattern)) return positions_;
  if (any_ && unit_ == unit) return positions_;
  any_ = true, unit_ = unit;
  positions_.clear();
  if (const auto* diagonal = std::get_if<Mask::Diagonal>(&mask_.pattern)) {
    const auto& d = *diagonal;
    const std::uint64_t position = unit / d.output_stride % d.outputs % d.period;
    if (unit / d.tap_stride % d.taps == d.centre && position < mask_.count) positions_.push_back(position);
  } else {
    draw(unit);
  }
  return positions_;
}

// Floyd's algorithm (Bentley, Floyd: "A sample of brilliance", CACM 30, 1987): one draw from [0, last] for each `last`
// of the listed_ highest positions; if it was drawn before, `last` itself, which cannot have been.
void Positions::draw(std::uint64_t unit) {
  const std::uint64_t n = mask_.count, from = n - listed_;
  const bool bits = listed_ > kShort && n / 64 <= listed_;
  if (listed_ > kShort) table_.assign(bits ? (n + 63) / 64 : std::bit_ceil(2 * listed_), bits ? 0 : ~std::uint64_t{0});
  positions_.reserve(listed_);
  std::uint64_t few[kFew];
  for (std::uint64_t j = 0, index = unit * listed_; j < listed_; ++j, ++index) {
    if (2 * (index - first_) >= words_read_) read_words(index);
    const std::uint32_t* word = words_ + 2 * (index - first_);
    const std::uint64_t last = from + j, drawn = multiply_high(word[0] | std::uint64_t{word[1]} << 32, last + 1);
    if (listed_ <= kFew) {
      few[j] = std::find(few, few + j, drawn) == few + j ? drawn : last;
    } else if (listed_ <= kShort) {
      insert(drawn, last);
    } else if (bits) {
      const bool again = table_[drawn / 64] >> (drawn % 64) & 1;
      const std::uint64_t chosen = again ? last : drawn;
      table_[chosen / 64] |= std::uint64_t{1} << (chosen % 64);
    } else {
      add(drawn, last);
    }
  }
  if (listed_ <= kFew) sort_few(few);
  if (bits) {
    for (std::size_t i = 0; i < table_.size(); ++i)
      for (std::uint64_t rest = table_[i]; rest != 0; rest &= rest - 1)
        positions_.push_back(64 * i + static_cast<std::uint64_t>(std::countr_zero(rest)));
  } else if (listed_ > kShort) {
    std::sort(positions_.begin(), positions_.end());
  }
}

// Adds a position to the hash table and the list: `drawn`, or `otherwise`, which is not there, if `drawn` is.
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

// Takes the positions over in ascending order: each goes to the place that has as many below it.
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

// Adds a position to the sorted list: `drawn`, or `otherwise`, which is above all others, if `drawn` is there.
void Positions::insert(std::uint64_t drawn, std::uint64_t otherwise) {
  positions_.push_back(otherwise);
  std::uint64_t* const first = positions_.data();
  std::uint64_t* place = first + positions_.size() - 1;
  while (place > first && place[-1] > drawn) --place;
  if (place > first && place[-1] == drawn) return;
  std::copy_backward(place, first + positions_.size() - 1, first + positions_.size());
  *place = drawn;
}

// Brings the 64-bit word `index`, words 2 * index and 2 * index + 1 of the stream, and those after it.
void Positions::read_words(std::uint64_t index) {
  const Kernels& kernels = active_kernels();
  words_read_ = kAhead * kernels.unit_words;
  first_ = index - index % (words_read_ / 2);
  kernels.words(stream_, first_ / 2, kAhead, words_);
}

}  // namespace weightfill
