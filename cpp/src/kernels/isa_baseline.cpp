// x86-64 as every such CPU has it: SSE2, no fused multiply-add.
#include <emmintrin.h>

#include <cstring>
#include <limits>

#include "kernels/isa.hpp"
#include "kernels/kernels.hpp"

namespace weightfill::baseline {
namespace {
#define WEIGHTFILL_ISA_NAME "baseline"
#include "kernels/simd/sse2.hpp"

#include "kernels/kernels.inl"
}  // namespace
const Kernels& kernels() { return kTable; }
}  // namespace weightfill::baseline
