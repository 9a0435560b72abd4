// What this x86-64 CPU has and its system saves, asked of the CPU itself: __builtin_cpu_supports reads a table of the
// compiler's runtime library, which clang-cl does not link and zig leaves empty.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>

namespace weightfill {

struct Cpu {
  bool avx2 = false;    // AVX2, FMA, BMI2 and conversions to float16
  bool avx512 = false;  // AVX-512 F, BW, DQ, VL, and all of the above
};

// Intel SDM, volume 1, 14.3 and 15.2 to 15.4: the system must save the wide registers, too, as bits of XCR0 say.
inline Cpu this_cpu() {
  constexpr unsigned kFirst = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C, kAvx2 = bit_AVX2 | bit_BMI2;
  constexpr unsigned kAvx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
  constexpr std::uint32_t kSavesAvx = 0x6, kSavesAvx512 = 0xe6;
  Cpu cpu;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kFirst) != kFirst) return cpu;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return cpu;
  std::uint32_t saved = 0, upper = 0;
  asm volatile("xgetbv" : "=a"(saved), "=d"(upper) : "c"(0));
  cpu.avx2 = (b & kAvx2) == kAvx2 && (saved & kSavesAvx) == kSavesAvx;
  cpu.avx512 = cpu.avx2 && (b & kAvx512) == kAvx512 && (saved & kSavesAvx512) == kSavesAvx512;
  return cpu;
}

}  // namespace weightfill
#endif
