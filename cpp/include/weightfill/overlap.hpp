// Which of several arrays share memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weightfill {

struct StridedMemory {
  struct Axis {
    std::int64_t byte_stride, count;
    bool operator==(const Axis&) const = default;
  };
  const std::byte* data;
  std::int64_t item_size;
  std::vector<Axis> axes;
};

// Pairs of arrays, by their numbers, whose ranges of memory meet, except those whose elements plainly lie in the gaps
// of each other, as blocks of columns of one matrix do. So arrays that share an element are always found; a pair that
// is found may share none.
std::vector<std::pair<std::size_t, std::size_t>> meeting(const std::vector<StridedMemory>& arrays);

}  // namespace weightfill
