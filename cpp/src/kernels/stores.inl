// How the values of a unit are rounded and stored, a class a dtype. Included by kernels.inl.

WEIGHTFILL_INLINE void put(void* out, u64v v, bool streaming) {
  if (streaming) stream(out, v);
  else store(out, v);
}

constexpr std::size_t kBytes = kLanes * 8;  // of a vector

// 32- and 64-bit values as they are.
struct Whole {
  template <class Real>
  static WEIGHTFILL_INLINE std::byte* write(std::byte* out, const UnitValues<Real>& x, bool streaming) {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c, out += 2 * kBytes) {
      const Pair p = interleave(bits(x.first[c]), bits(x.second[c]));
      put(out, p.first, streaming);
      put(out + kBytes, p.second, streaming);
    }
    return out;
  }
};

struct Float16 {
  static WEIGHTFILL_INLINE std::byte* write(std::byte* out, const UnitValues<float>& x, bool streaming) {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c, out += kBytes) put(out, round_f16(x.first[c], x.second[c]), streaming);
    return out;
  }
};

struct Bfloat16 {
  static WEIGHTFILL_INLINE std::byte* write(std::byte* out, const UnitValues<float>& x, bool streaming) {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c, out += kBytes) put(out, round_bf16(x.first[c], x.second[c]), streaming);
    return out;
  }
};

template <int kMantissa, std::uint32_t kTiny>
struct Float8 {
  static WEIGHTFILL_INLINE std::byte* write(std::byte* out, const UnitValues<float>& x, bool streaming) {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; c += 2, out += kBytes)
      put(out, pack_low32(block(x.first[c], x.second[c]), block(x.first[c + 1], x.second[c + 1])), streaming);
    return out;
  }

 private:
  // The four bytes of a block in the low half of its lane.
  static WEIGHTFILL_INLINE u64v block(f32v a, f32v b) {
    const u64v even = select(set32(0x00ff0000), shift_left32<16>(code(b)), code(a));
    return select(set32(0x00ff00ff), even, shift_right64<24>(even));
  }
  static WEIGHTFILL_INLINE u64v code(f32v x) { return small_float<kMantissa, kTiny, 8>(x); }
};
using Float8E4M3 = Float8<3, 121>;
using Float8E5M2 = Float8<2, 113>;
