// The laws by name, and from a law to what the kernels take.
#pragma once

#include <cstddef>
#include <string_view>

#include "kernels/kernels.hpp"

namespace weightfill {

// A new law is a maker in a file of its own, and a row of kNamedLaws. Makers take the parameters in order, checked by
// the caller, and run in the floating-point environment in which values are computed.

// mean, std: the normal law. Both finite; std >= 0.
Law normal(const double* parameters);

// mean, std, low, high: the normal law given low <= x <= high. std > 0; low < high; either bound may be infinite.
Law truncated_normal(const double* parameters);

// mean, scale: mean + scale * log(2 u) below the mean, mirrored above it. Both finite; scale > 0.
Law laplace(const double* parameters);

// low, high, transform: a value x whose logarithm is uniform between theirs, transformed. 0: x itself; 1: its inverse
// softplus, log(exp(x) - 1). 2^-1022 <= low < high <= 1e30 * low.
Law log_uniform(const double* parameters);

struct NamedLaw {
  std::string_view name;
  std::size_t parameters;  // how many
  Law (*make)(const double* parameters);
};
inline constexpr NamedLaw kNamedLaws[] = {
    {"constant", 1, [](const double* value) { return Law::constant(*value); }},
    {"uniform", 2, [](const double* bounds) { return Law::uniform(bounds[0], bounds[1]); }},
    {"normal", 2, normal},
    {"truncated_normal", 4, truncated_normal},
    {"laplace", 2, laplace},
    {"log_uniform", 3, log_uniform},
};

// Uniform and quantile laws. The sampler points into the law's tables.
Sampler make_sampler(const Law& law, Dtype dtype);

// The bits of a constant in the dtype: the float32 value rounded once, or the double itself.
std::uint64_t constant_code(double value, Dtype dtype);

}  // namespace weightfill
