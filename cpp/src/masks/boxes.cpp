#include "masks/boxes.hpp"

#include <algorithm>
#include <cstdlib>
#include <variant>

#include "masks/grid.hpp"
#include "masks/slices.hpp"

namespace weightfill {
namespace {

constexpr std::uint64_t kSideBySide = 256;  // slices of a box, where slices are the neighbours in memory
constexpr std::uint64_t kRedrawn = 16;      // a box has at least this many elements for each position drawn for it

// Takes an axis into the one outside it, if the two go on as one.
bool merge(WalkedAxis& outer, const WalkedAxis& inner) {
  if (outer.named || inner.named) return false;
  if (outer.byte_stride != static_cast<std::int64_t>(inner.count) * inner.byte_stride ||
      outer.index_stride != inner.count * inner.index_stride ||
      outer.position_stride != inner.count * inner.position_stride)
    return false;
  outer = {outer.count * inner.count, inner.byte_stride, inner.index_stride, inner.position_stride};
  return true;
}

}  // namespace

Boxes::Boxes(const Mask& mask, const Memory& memory, std::uint64_t most, bool spread)
    : mask_(mask), data_(static_cast<std::byte*>(memory.data)), first_(memory.first), rows_(memory.rows) {
  std::uint64_t position_stride = 1;
  std::vector<WalkedAxis> axes(memory.axes.size());
  for (std::size_t a = axes.size(); a-- > 0;) {
    const Axis& axis = memory.axes[a];
    axes[a] = {static_cast<std::uint64_t>(axis.count), axis.byte_stride, axis.index_stride, position_stride,
               a == 0 && rows_ != nullptr};
    position_stride *= axes[a].count;
  }
  size_ = position_stride;
  along_ = axes[mask_.axis];
  axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(mask_.axis));
  for (const WalkedAxis& axis : axes) {
    if (!outer_.empty() && merge(outer_.back(), axis)) continue;
    if (axis.count != 1 || axis.named) outer_.push_back(axis);
  }
  if (!outer_.empty()) across_ = outer_.back(), outer_.pop_back();
  choose(most, spread);
}

void Boxes::choose(std::uint64_t most, bool spread) {
  const bool neighbours = std::abs(across_.byte_stride) < std::abs(along_.byte_stride);
  const Slices* const drawn = slices_of(mask_);
  dense_ = drawn ? drawn->dense : is_dense(mask_, neighbours);
  if (dense_) {
    slices_ = dense_slices(mask_, along_, across_);
    length_ = std::max<std::uint64_t>(along_.count, 1);
    return;
  }
  std::uint64_t redrawn = 0;
  if (const auto* connections = std::get_if<Mask::Connections>(&mask_.pattern))
    redrawn = kRedrawn * std::min(connections->kept, mask_.count - connections->kept);
  if (neighbours && redrawn == 0) {
    slices_ = std::clamp<std::uint64_t>(most, 1, std::max<std::uint64_t>(across_.count, 1));
  } else {
    slices_ = std::max<std::uint64_t>(most / std::max<std::uint64_t>(along_.count, 1), 1);
    if (neighbours && spread) slices_ = std::max(slices_, kSideBySide);
    slices_ = std::clamp<std::uint64_t>(slices_, 1, std::max<std::uint64_t>(across_.count, 1));
  }
  length_ = std::max<std::uint64_t>({most / slices_, redrawn, slices_ == kSideBySide ? 8 * kSideBySide : 1});
  length_ = std::clamp<std::uint64_t>(length_, 1, std::max<std::uint64_t>(along_.count, 1));
}

std::uint64_t Boxes::offset(std::uint64_t box) const {
  const std::uint64_t along = parts(along_, length_), per_plane = parts(across_, slices_) * along;
  const std::uint64_t rest = box % per_plane, first_slice = rest / along * slices_;
  const std::uint64_t slices = std::min(slices_, across_.count - first_slice);
  return box / per_plane * plane() + first_slice * along_.count + rest % along * length_ * slices;
}

std::uint64_t Boxes::find(std::uint64_t place) const {
  if (place >= size_) return boxes();
  const std::uint64_t along = parts(along_, length_), per_plane = parts(across_, slices_) * along;
  const std::uint64_t rest = place % plane(), first_slice = rest / (slices_ * along_.count) * slices_;
  const std::uint64_t slices = std::min(slices_, across_.count - first_slice);
  const std::uint64_t part = (rest - first_slice * along_.count) / (slices * length_);
  return place / plane() * per_plane + first_slice / slices_ * along + part;
}

Box Boxes::box(std::uint64_t number) const {
  const std::uint64_t along = parts(along_, length_), per_plane = parts(across_, slices_) * along;
  const std::uint64_t rest = number % per_plane;
  Box box{data_, first_, 0, 0, 0, rows_};
  const auto go = [&](const WalkedAxis& axis, std::uint64_t steps) {
    box.data += static_cast<std::int64_t>(steps) * axis.byte_stride;
    box.position += steps * axis.position_stride;
    if (axis.named) box.rows += steps;
    else box.index += steps * axis.index_stride;
  };
  std::uint64_t plane = number / per_plane;
  for (std::size_t a = outer_.size(); a-- > 0; plane /= outer_[a].count) {
    const std::uint64_t step = plane % outer_[a].count;
    go(outer_[a], step);
    if (outer_[a].named) box.index += rows_[step] * outer_[a].index_stride;
  }
  const std::uint64_t first_slice = rest / along * slices_, first_position = rest % along * length_;
  go(across_, first_slice);
  go(along_, first_position);
  box.slices = std::min(slices_, across_.count - first_slice);
  box.length = std::min(length_, along_.count - first_position);
  return box;
}

}  // namespace weightfill
