// A run read as doubles, block by block.
#pragma once

#include <algorithm>
#include <cstring>

#include "reading/codes.hpp"
#include "writing/runs.hpp"

namespace weightfill {

inline constexpr std::size_t kReadBlock = 1024;

template <class T>
T value_at(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

template <class Read, class F>
void each_block(const Run& run, Read read, F&& f) {
  double x[kReadBlock];
  for (std::uint64_t done = 0; done < run.count; done += kReadBlock) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(run.count - done, kReadBlock));
    const std::byte* from = run.data + static_cast<std::int64_t>(done) * run.byte_stride;
    for (std::size_t i = 0; i < n; ++i) x[i] = read(from + static_cast<std::int64_t>(i) * run.byte_stride);
    f(x, n);
  }
}

// Calls f(x, n) for the values x[0], ..., x[n - 1] of each block of the run; f may overwrite all kReadBlock of them.
template <class F>
void each_block(Dtype dtype, const Run& run, F&& f) {
  if (dtype == Dtype::float32)
    return each_block(run, [](const std::byte* p) { return static_cast<double>(value_at<float>(p)); }, f);
  if (dtype == Dtype::float64) return each_block(run, [](const std::byte* p) { return value_at<double>(p); }, f);
  const float* values = values_of_codes(dtype).data();
  if (item_size_of(dtype) == 2)
    return each_block(
        run, [values](const std::byte* p) { return static_cast<double>(values[value_at<std::uint16_t>(p)]); }, f);
  return each_block(
      run, [values](const std::byte* p) { return static_cast<double>(values[value_at<std::uint8_t>(p)]); }, f);
}

}  // namespace weightfill
