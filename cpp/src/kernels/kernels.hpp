// What an instruction set offers: one function per form of law and dtype, behind a table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "laws/quantile.hpp"
#include "weightfill/fill.hpp"

namespace weightfill {

// The form in which a kernel draws a law. Clamped forms hold a result to [min, max]; `odd` flips the sign of the lower
// half of its table; `sided` looks up both halves, clamped; `equal` does so with pieces of one width.
enum class Form : std::uint8_t { uniform, uniform_clamped, odd, odd_clamped, sided, equal };
inline constexpr int kForms = 6;

// A law made ready for one dtype.
struct Sampler {
  Form form = Form::uniform;
  Dtype dtype = Dtype::float32;
  float low32 = 0, scale32 = 0;   // uniform: low + k * scale for k in [0, 2^24)
  double low64 = 0, scale64 = 0;  // the same for k in [0, 2^53)
  double min = 0, max = 0;        // clamped forms; both are values of the dtype
  const Table32* table32 = nullptr;
  const Table64* table64 = nullptr;
};

// Writes `units` units, each the elements of Kernels::unit_words words, from word 4 * block on. The blocks share their
// upper 32 bits. `streaming`: past the cache; `out` is then aligned to 64 bytes. `blocks`, if set, names the blocks of
// one unit, any ones, and `block` is not used.
using UnitKernel = void (*)(const Sampler& sampler, Stream stream, std::uint64_t block, std::size_t units, void* out,
                            bool streaming, const std::uint64_t* blocks);

struct Kernels {
  const char* name;
  std::size_t unit_words;  // a power of two, at most kMaxUnitWords
  UnitKernel units[kForms][kDtypes];
  void (*words)(Stream stream, std::uint64_t block, std::size_t units, std::uint32_t* out);
  // drawn[i] = floor(w * (bound + i) / 2^64) for 64-bit word w number i of `words`; bound + n <= 2^32. Both aligned to
  // 64 bytes, with room for whole vectors; what belongs to no i below n is any number.
  void (*bound)(const std::uint32_t* words, std::uint64_t bound, std::size_t n, std::uint64_t* drawn);
  // Bit i of `bits` is the top bit of byte i, for 64 * words bytes.
  void (*pack_bytes)(const unsigned char* bytes, std::size_t words, std::uint64_t* bits);
  // Makes zeros of the elements whose bit of `bits`, which has one for each of n elements, is 0.
  void (*keep)(const std::uint64_t* bits, std::size_t n, std::size_t item_size, void* elements);
  void (*stream_copy)(void* out, const void* in, std::size_t n);            // all three multiples of 64
  void (*stream_pattern)(void* out, std::uint64_t pattern, std::size_t n);  // likewise
};
inline constexpr std::size_t kMaxUnitWords = 128;
inline constexpr std::size_t kMaxLanes = 8;  // of 64 bits

}  // namespace weightfill
