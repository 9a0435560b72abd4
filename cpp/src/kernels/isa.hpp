// A region compiled for a wider instruction set than the rest of the file. Standard headers come before it, so that no
// inline function of theirs is ever compiled for a CPU that may not be there.
#pragma once

#define WEIGHTFILL_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define WEIGHTFILL_ISA_BEGIN(set) \
  WEIGHTFILL_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define WEIGHTFILL_ISA_END WEIGHTFILL_PRAGMA(clang attribute pop)
#define WEIGHTFILL_UNROLL WEIGHTFILL_PRAGMA(clang loop unroll(full))
#else
#define WEIGHTFILL_ISA_BEGIN(set) WEIGHTFILL_PRAGMA(GCC push_options) WEIGHTFILL_PRAGMA(GCC target(set))
#define WEIGHTFILL_ISA_END WEIGHTFILL_PRAGMA(GCC pop_options)
#define WEIGHTFILL_UNROLL WEIGHTFILL_PRAGMA(GCC unroll 16)
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)  // or compiling takes minutes
#undef WEIGHTFILL_UNROLL
#define WEIGHTFILL_UNROLL
#endif

#define WEIGHTFILL_INLINE inline __attribute__((always_inline))
#define WEIGHTFILL_NOINLINE __attribute__((noinline))
