#include "writing/runs.hpp"

#include <algorithm>
#include <cstdlib>

namespace weightfill {
namespace {

// Elements of a run written across the grain of memory before its neighbour is.
constexpr std::int64_t kTile = 128;

}  // namespace

Runs::Runs(const Memory& memory, bool any_order)
    : data_(static_cast<std::byte*>(memory.data)),
      item_size_(static_cast<std::int64_t>(item_size_of(memory.dtype))),
      first_(memory.first),
      rows_(memory.rows) {
  for (std::size_t a = 0; a < memory.axes.size(); ++a) {
    const Axis& axis = memory.axes[a];
    size_ *= static_cast<std::uint64_t>(axis.count);
    const bool named = a == 0 && rows_;
    if (axis.count == 1 && !named) continue;
    if (!axes_.empty() && !(axes_.size() == 1 && rows_)) {
      Axis& outer = axes_.back();
      if (outer.byte_stride == axis.count * axis.byte_stride &&
          outer.index_stride == static_cast<std::uint64_t>(axis.count) * axis.index_stride) {
        outer = {outer.count * axis.count, axis.byte_stride, axis.index_stride};
        continue;
      }
    }
    axes_.push_back(axis);
  }
  if (axes_.empty() || (axes_.size() == 1 && rows_)) axes_.push_back({1, item_size_, 1});
  if (any_order && size_ > 0) exchange();
}

// Transposed memory: runs stride through memory while an outer axis steps from element to element. Runs are cut into
// tiles, and that outer axis moved inside the tiles, so that a cache line is filled while it is at hand.
void Runs::exchange() {
  const Axis inner = axes_.back();
  const auto width = [](const Axis& axis) { return std::llabs(axis.byte_stride); };
  std::size_t fine = axes_.size() - 1;
  for (std::size_t a = rows_ ? 1 : 0; a + 1 < axes_.size(); ++a)
    if (width(axes_[a]) < width(axes_[fine])) fine = a;
  if (fine == axes_.size() - 1 || inner.count % kTile != 0 || inner.count == kTile) return;
  const Axis moved = axes_[fine];
  axes_.erase(axes_.begin() + static_cast<std::ptrdiff_t>(fine));
  axes_.back() = {inner.count / kTile, inner.byte_stride * kTile, inner.index_stride * kTile};
  axes_.push_back(moved);
  axes_.push_back({kTile, inner.byte_stride, inner.index_stride});
}

bool Runs::contiguous() const {
  const Axis& inner = axes_.back();
  return axes_.size() == 1 && !rows_ && inner.byte_stride == item_size_ && inner.index_stride == 1;
}

Run Runs::whole() const { return {first_, size_, data_, item_size_}; }

Run Runs::start(const std::vector<std::uint64_t>& at) const {
  std::uint64_t index = first_;
  std::byte* data = data_;
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    const std::uint64_t named = a == 0 && rows_ ? rows_[at[0]] : at[a];
    index += named * axes_[a].index_stride;
    data += static_cast<std::int64_t>(at[a]) * axes_[a].byte_stride;
  }
  return {index, 0, data, axes_.back().byte_stride};
}

}  // namespace weightfill
