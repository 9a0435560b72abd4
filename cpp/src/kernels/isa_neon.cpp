// AArch64: NEON is part of it.
#include <arm_neon.h>

#include <cstring>
#include <limits>

#include "kernels/isa.hpp"
#include "kernels/kernels.hpp"

namespace weightfill::neon {
namespace {
#define WEIGHTFILL_ISA_NAME "neon"
#include "kernels/simd/neon.hpp"

#include "kernels/kernels.inl"
}  // namespace
const Kernels& kernels() { return kTable; }
}  // namespace weightfill::neon
