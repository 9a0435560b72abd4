// AVX2, FMA, F16C.
#include <immintrin.h>

#include <cstring>
#include <limits>

#include "kernels/isa.hpp"
#include "kernels/kernels.hpp"

WEIGHTFILL_ISA_BEGIN("avx2,fma,f16c,bmi2")
namespace weightfill::avx2 {
namespace {
#define WEIGHTFILL_ISA_NAME "avx2"
#include "kernels/simd/avx2.hpp"

#include "kernels/kernels.inl"
}  // namespace
const Kernels& kernels() { return kTable; }
}  // namespace weightfill::avx2
WEIGHTFILL_ISA_END
