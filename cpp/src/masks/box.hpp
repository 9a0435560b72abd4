// A piece of memory that is filled under a mask, along and across the axis of the mask.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weightfill {

struct WalkedAxis {
  std::uint64_t count;
  std::int64_t byte_stride;
  std::uint64_t index_stride;     // a step along the axis, in elements of the full tensor
  std::uint64_t position_stride;  // the same in elements of the memory
  bool named = false;             // whether the memory's rows stand in for its indices
};

// Slices [0, slices) of the axis `across` and positions [0, length) of the axis `along`.
struct Box {
  std::byte* data;
  std::uint64_t index, position;  // of its first element; without what its named axis adds
  std::uint64_t slices, length;
  const std::uint64_t* rows;  // of its named axis
};

}  // namespace weightfill
