// Functions for building tables, with the same bits on every machine: IEEE + - * / in the order written, no libm, no
// fma (a library call where the instruction is not built in). Errors are a few units in the last place.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "laws/quantile_tables.hpp"

namespace weightfill::exact {

// c[0] + c[1] x + ..., as two chains in x^2 that run side by side.
template <int N>
double polynomial(const double (&c)[N], double x) {
  static_assert(N >= 4);
  constexpr int even_top = (N - 1) & ~1, odd_top = ((N - 2) & ~1) + 1;
  const double square = x * x;
  double even = c[even_top], odd = c[odd_top];
  for (int k = even_top - 2; k >= 0; k -= 2) even = even * square + c[k];
  for (int k = odd_top - 2; k >= 1; k -= 2) odd = odd * square + c[k];
  return even + odd * x;
}

// e^x for x <= 0; 0 below e^-700.
inline double exp(double x) {
  if (!(x > -700.0)) return 0.0;
  const int k = static_cast<int>(x * tables::kInverseLn2 - 0.5);
  const double r = (x - k * tables::kLn2High) - k * tables::kLn2Low;
  return polynomial(tables::kExp, r) * std::bit_cast<double>(static_cast<std::uint64_t>(1023 + k) << 52);
}

// Natural logarithm of a positive normal number.
inline double log(double x) {
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const auto exponent = static_cast<std::int64_t>(bits - kSqrtHalf) >> 52;
  const double m = std::bit_cast<double>(bits - (static_cast<std::uint64_t>(exponent) << 52));
  const double s = (m - 1.0) / (m + 1.0);
  const auto e = static_cast<double>(exponent);
  return e * tables::kLn2High + (e * tables::kLn2Low + s * polynomial(tables::kLog, s * s));
}

// Mills ratio: upper tail probability of the standard normal law over its density, z >= 0.
inline double mills(double z) {
  const double y = (z - tables::kMillsScale) / (z + tables::kMillsScale);
  return polynomial(tables::kMills, y) / (z + 1.0);
}

// Upper tail probability of the standard normal law, z >= 0.
inline double tail(double z) { return tables::kInverseSqrt2Pi * exp(-0.5 * z * z) * mills(z); }

struct Integral {
  double value, integrand;
};

// The integral of exp(-a s - s^2 / 2) from 0 to delta, and the integrand at delta, by Taylor series: relative error
// 1e-16 while |a delta| and delta^2 are below 0.35.
inline Integral integral(double a, double delta) {
  constexpr int kTerms = 16;
  const double c = a * delta, v = delta * delta;
  double before = 1.0, term = -c;
  double mean = 1.0 + term * 0.5, integrand = 1.0 + term;
  for (int n = 2; n < kTerms; ++n) {
    const double next = -(c * term + v * before) * (1.0 / n);
    before = term;
    term = next;
    mean = mean + term * (1.0 / (n + 1));
    integrand = integrand + term;
  }
  return {delta * mean, integrand};
}

// The delta at which integral(a, delta).value == wanted. Halley's method; two steps from a relative error of 0.02.
inline double integral_inverse(double a, double wanted) {
  double delta = wanted * (1.0 + 0.5 * a * wanted);
  for (int i = 0; i < 2; ++i) {
    const Integral at = integral(a, delta);
    const double step = (at.value - wanted) / at.integrand;
    delta = delta - step / (1.0 + 0.5 * (a + delta) * step);
  }
  return delta;
}

// The integral of exp(-s^2 / 2) from 0 to z, z >= 0.
inline double central_integral(double z) {
  return z < 0.5 ? integral(0.0, z).value : tables::kSqrt2Pi * (0.5 - tail(z));
}

// The delta at which tail(a + delta) == ratio * tail(a), a >= 0; loss = 1 - ratio, given apart because either may be
// small. mills_a = mills(a). Starts from `delta`, the answer to a nearby question or 0: Halley's method on log tail.
inline double tail_distance(double a, double mills_a, double loss, double ratio, double delta) {
  if (loss < 0.25) return integral_inverse(a, loss * mills_a);
  const double goal = log(ratio);
  for (int i = 0; i < 30; ++i) {
    const double z = a + delta, m = mills(z);
    const double excess = log(m / mills_a) - delta * (a + 0.5 * delta) - goal;
    const double step = excess * m;
    const double change = step / (1.0 + 0.5 * excess * (1.0 - z * m));
    delta = delta + change;
    if (std::fabs(change) <= 1e-5 * delta) break;
  }
  return delta;
}

}  // namespace weightfill::exact
