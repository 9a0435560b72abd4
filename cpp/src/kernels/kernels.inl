// The kernels: words (philox.inl) -> law (laws.inl) -> rounding and store (stores.inl), written once. The file of an
// instruction set includes this after its file of simd/, inside its namespace and region.

#include "kernels/simd/composites.hpp"

#include "kernels/philox.inl"

#include "kernels/laws.inl"

#include "kernels/stores.inl"

// As UnitKernel of kernels.hpp says. `Draw` is a class of laws.inl, `Out` one of stores.inl.
template <class Draw, class Out>
void fill_units(const Sampler& sampler, Stream stream, std::uint64_t block, std::size_t units, void* out,
                bool streaming, const std::uint64_t* blocks) {
  Philox philox(stream, block);
  const Draw law(sampler);
  auto* to = static_cast<std::byte*>(out);
  for (; units > 0; --units) {
    Pair w[kChains];
    if (blocks == nullptr) {
      philox.next(w);
    } else {
      // Not into `w`: an array whose address is given away lives in memory, in the loop above all.
      Pair any[kChains];
      Philox::scattered(stream, blocks, any);
      for (int c = 0; c < kChains; ++c) w[c] = any[c];
    }
    typename Draw::Values x;
    law.draw(w, x);
    to = Out::write(to, x, streaming);
  }
}

void write_words(Stream stream, std::uint64_t block, std::size_t units, std::uint32_t* out) {
  Philox philox(stream, block);
  for (; units > 0; --units) {
    Pair w[kChains];
    philox.next(w);
    for (int c = 0; c < kChains; ++c, out += 8 * kLanes / 2) {
      const Pair p = interleave(w[c].first, w[c].second);
      store(out, p.first);
      store(out + 2 * kLanes, p.second);
    }
  }
}

#include "kernels/sets.inl"

void stream_copy(void* out, const void* in, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kBytes)
    stream(static_cast<std::byte*>(out) + i, load(static_cast<const std::byte*>(in) + i));
}

void stream_pattern(void* out, std::uint64_t pattern, std::size_t n) {
  const u64v v = set64(pattern);
  for (std::size_t i = 0; i < n; i += kBytes) stream(static_cast<std::byte*>(out) + i, v);
}

// A form's kernels, in the order of dtypes.
#define WEIGHTFILL_FORM(draw, form)                                                    \
  {fill_units<draw<float, form>, Whole>,      fill_units<draw<double, form>, Whole>,   \
   fill_units<draw<float, form>, Float16>,    fill_units<draw<float, form>, Bfloat16>, \
   fill_units<draw<float, form>, Float8E4M3>, fill_units<draw<float, form>, Float8E5M2>}

template <std::size_t n>
constexpr std::size_t count(const UnitKernel (&)[n]) {
  return n;
}
static_assert(count(WEIGHTFILL_FORM(Uniform, false)) == kDtypes);

constexpr Kernels kTable = {
    WEIGHTFILL_ISA_NAME,
    kUnitWords,
    {WEIGHTFILL_FORM(Uniform, false), WEIGHTFILL_FORM(Uniform, true), WEIGHTFILL_FORM(Quantile, Form::odd),
     WEIGHTFILL_FORM(Quantile, Form::odd_clamped), WEIGHTFILL_FORM(Quantile, Form::sided),
     WEIGHTFILL_FORM(Quantile, Form::equal)},
    write_words,
    bound_words,
    pack_bytes,
    keep_elements,
    stream_copy,
    stream_pattern,
};
