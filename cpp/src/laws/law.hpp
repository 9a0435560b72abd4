// From a law to what the kernels take.
#pragma once

#include "kernels/kernels.hpp"

namespace weightfill {

// Uniform and quantile laws. The sampler points into the law's tables.
Sampler make_sampler(const Law& law, Dtype dtype);

// The bits of a constant in the dtype: the float32 value rounded once, or the double itself.
std::uint64_t constant_code(double value, Dtype dtype);

}  // namespace weightfill
