#include "weightfill/overlap.hpp"

#include <algorithm>
#include <cstdlib>

namespace weightfill {
namespace {

// Whether two arrays of one shape and one set of strides lie in the gaps of each other: along some axis their parts do
// not touch, and all wider strides are multiples of that axis's.
bool in_gaps(const StridedMemory& a, const StridedMemory& b) {
  if (a.item_size != b.item_size || a.axes != b.axes) return false;
  std::vector<StridedMemory::Axis> axes;
  for (const auto& axis : a.axes) {
    if (axis.byte_stride <= 0) return false;
    if (axis.count > 1) axes.push_back(axis);
  }
  std::sort(axes.begin(), axes.end(), [](const auto& x, const auto& y) { return x.byte_stride < y.byte_stride; });
  const std::int64_t apart = std::abs(a.data - b.data);
  std::int64_t extent = a.item_size;  // of a part: what the narrower axes span
  for (auto axis = axes.begin(); axis != axes.end(); ++axis) {
    const std::int64_t stride = axis->byte_stride, rest = apart % stride;
    const bool multiples =
        std::all_of(axis, axes.end(), [&](const auto& wider) { return wider.byte_stride % stride == 0; });
    if (extent <= rest && rest + extent <= stride && multiples) return true;
    extent += stride * (axis->count - 1);
  }
  return false;
}

struct Range {
  const std::byte *begin, *end;
  std::size_t number;
};

Range range_of(const StridedMemory& array, std::size_t number) {
  Range range{array.data, array.data + array.item_size, number};
  for (const auto& axis : array.axes) {
    const std::int64_t reach = (axis.count - 1) * axis.byte_stride;
    (reach < 0 ? range.begin : range.end) += reach;
  }
  return range;
}

}  // namespace

std::vector<std::pair<std::size_t, std::size_t>> meeting(const std::vector<StridedMemory>& arrays) {
  std::vector<Range> ranges;
  ranges.reserve(arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const auto& axes = arrays[i].axes;
    if (std::all_of(axes.begin(), axes.end(), [](const auto& axis) { return axis.count > 0; }))
      ranges.push_back(range_of(arrays[i], i));
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (auto a = ranges.begin(); a != ranges.end(); ++a)
    for (auto b = a + 1; b != ranges.end() && b->begin < a->end; ++b)
      if (!in_gaps(arrays[a->number], arrays[b->number])) pairs.emplace_back(a->number, b->number);
  return pairs;
}

}  // namespace weightfill
