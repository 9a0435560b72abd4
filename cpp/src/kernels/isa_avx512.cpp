// AVX-512 F, BW, DQ, VL.
// GCC 12 sees uninitialized values in its own intrinsics (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <cstring>
#include <limits>

#include "kernels/isa.hpp"
#include "kernels/kernels.hpp"

WEIGHTFILL_ISA_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi2")
namespace weightfill::avx512 {
namespace {
#define WEIGHTFILL_ISA_NAME "avx512"
#include "kernels/simd/avx512.hpp"

#include "kernels/kernels.inl"
}  // namespace
const Kernels& kernels() { return kTable; }
}  // namespace weightfill::avx512
WEIGHTFILL_ISA_END
