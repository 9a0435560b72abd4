// The dtypes: what each is, in one row. Bindings, tests and Python read the rows, in their order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace weightfill {

enum class Dtype : std::uint8_t { float32, float64, float16, bfloat16, float8_e4m3fn, float8_e5m2 };

// A binary float of IEEE's kind: a sign, an exponent, a mantissa without its first bit, subnormals.
struct DtypeRow {
  Dtype dtype;
  std::string_view name;   // that NumPy or ml_dtypes has for it
  int exponent, mantissa;  // stored bits
  bool infinite;           // whether the largest exponent is that of infinity and NaN; otherwise only the code of all
                           // ones is NaN, and the others are finite

  constexpr std::size_t item_size() const { return static_cast<std::size_t>(1 + exponent + mantissa) / 8; }
  constexpr int word_bits() const { return item_size() == 8 ? 64 : 32; }  // of the random word of an element

  // The code of the largest finite value, and the value, which largest_of has at hand.
  constexpr std::uint64_t largest_code() const {
    const std::uint64_t ones = (std::uint64_t{1} << (exponent + mantissa)) - 1;
    return infinite ? ones - (std::uint64_t{1} << mantissa) : ones - 1;
  }
  constexpr double largest() const {
    const std::uint64_t first_bit = std::uint64_t{1} << mantissa;
    double x = static_cast<double>(first_bit | (largest_code() & (first_bit - 1)));  // in units of its last bit
    const int bias = (1 << (exponent - 1)) - 1;
    for (int e = bias + mantissa; e < static_cast<int>(largest_code() >> mantissa); ++e) x *= 2;
    return x;
  }
};

inline constexpr DtypeRow kDtypeRows[] = {
    {Dtype::float32, "float32", 8, 23, true},
    {Dtype::float64, "float64", 11, 52, true},
    {Dtype::float16, "float16", 5, 10, true},
    {Dtype::bfloat16, "bfloat16", 8, 7, true},
    {Dtype::float8_e4m3fn, "float8_e4m3fn", 4, 3, false},
    {Dtype::float8_e5m2, "float8_e5m2", 5, 2, true},
};
inline constexpr int kDtypes = static_cast<int>(std::size(kDtypeRows));
static_assert([] {  // row_of looks them up by number
  for (int d = 0; d < kDtypes; ++d)
    if (kDtypeRows[d].dtype != static_cast<Dtype>(d)) return false;
  return true;
}());

constexpr const DtypeRow& row_of(Dtype dtype) { return kDtypeRows[static_cast<int>(dtype)]; }
inline constexpr auto kLargest = [] {
  std::array<double, kDtypes> values{};
  for (const DtypeRow& row : kDtypeRows) values[static_cast<std::size_t>(row.dtype)] = row.largest();
  return values;
}();
constexpr double largest_of(Dtype dtype) { return kLargest[static_cast<std::size_t>(dtype)]; }
constexpr std::size_t item_size_of(Dtype dtype) { return row_of(dtype).item_size(); }

}  // namespace weightfill
