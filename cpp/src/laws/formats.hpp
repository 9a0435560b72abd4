// Rounding to the small float types, one value at a time: for constants, bounds and tests.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "weightfill/fill.hpp"

namespace weightfill {

// The value of a code of 32 bits or fewer; NaN and infinity included.
inline double decode(Dtype dtype, std::uint32_t code) {
  const DtypeRow f = row_of(dtype);
  const std::uint32_t magnitude = code & ((std::uint32_t{1} << (f.mantissa + f.exponent)) - 1);
  const bool negative = code >> (f.mantissa + f.exponent) & 1;
  const int exponent = static_cast<int>(magnitude >> f.mantissa);
  const std::uint32_t fraction = magnitude & ((std::uint32_t{1} << f.mantissa) - 1);
  const int bias = (1 << (f.exponent - 1)) - 1;
  double x;
  if (magnitude > f.largest_code()) {
    x = fraction == 0 && f.infinite ? std::numeric_limits<double>::infinity()
                                    : std::numeric_limits<double>::quiet_NaN();
  } else {
    x = std::ldexp(exponent == 0 ? fraction : fraction + (std::uint32_t{1} << f.mantissa),
                   (exponent == 0 ? 1 : exponent) - bias - f.mantissa);
  }
  return negative ? -x : x;
}

// The code nearest to a finite float, ties to even; |x| rounds to at most the largest finite value.
inline std::uint32_t encode(Dtype dtype, float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  if (dtype == Dtype::float32) return bits;
  const DtypeRow f = row_of(dtype);
  const int drop = 23 - f.mantissa;
  const std::uint32_t tiny = static_cast<std::uint32_t>(129 - (1 << (f.exponent - 1)));  // smallest normal exponent
  const std::uint32_t sign = bits >> 31 << (f.mantissa + f.exponent);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  // A whole number of last bits to keep, by 64-bit integers: significand times 2^32 over 2^shift, rounded half to even.
  const std::uint32_t exponent = magnitude >> 23 == 0 ? 1 : magnitude >> 23;
  const std::uint64_t significand = (magnitude & 0x7fffff) | (magnitude >> 23 == 0 ? 0u : 0x800000u);
  const std::uint32_t kept = exponent < tiny ? tiny : exponent;
  const int shift = drop + static_cast<int>(kept - exponent);
  if (shift > 40) return sign;
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  const std::uint64_t even = significand >> shift & 1;
  const auto q = static_cast<std::uint32_t>((significand + half - 1 + even) >> shift);
  return sign | (q + ((kept - tiny) << f.mantissa));
}

// The neighbours of a value of the dtype, no further than the largest finite value.
inline double next_above(Dtype dtype, double x);
inline double next_below(Dtype dtype, double x) { return -next_above(dtype, -x); }
inline double next_above(Dtype dtype, double x) {
  if (dtype == Dtype::float64) return std::nextafter(x, std::numeric_limits<double>::max());
  const std::uint32_t code = encode(dtype, static_cast<float>(x));
  const DtypeRow f = row_of(dtype);
  const std::uint32_t sign = std::uint32_t{1} << (f.mantissa + f.exponent);
  if ((code & ~sign) == 0) return decode(dtype, 1);
  if (code & sign) return decode(dtype, code - 1);
  return code == f.largest_code() ? x : decode(dtype, code + 1);
}

// The value of the dtype nearest to a float's value; for float64, x itself.
inline double nearest(Dtype dtype, double x) {
  if (dtype == Dtype::float64) return x;
  const double most = largest_of(dtype);
  if (x >= most) return most;
  if (x <= -most) return -most;
  return decode(dtype, encode(dtype, static_cast<float>(x)));
}

// The smallest value of the dtype at or above x, and the largest at or below it, within the finite range.
inline double round_up(Dtype dtype, double x) {
  const double r = nearest(dtype, x);
  return r < x ? next_above(dtype, r) : r;
}
inline double round_down(Dtype dtype, double x) { return -round_up(dtype, -x); }

}  // namespace weightfill
