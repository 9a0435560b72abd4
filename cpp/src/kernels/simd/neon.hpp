// Vectors of NEON on AArch64: 16 bytes. composites.hpp says what a file of this folder has to offer.

constexpr int kLanes = 2;
constexpr int kChains = 4;
using u64v = uint64x2_t;
using f32v = float32x4_t;
using f64v = float64x2_t;

inline u64v load(const void* p) { return vld1q_u64(static_cast<const std::uint64_t*>(p)); }
inline void store(void* p, u64v v) { vst1q_u8(static_cast<std::uint8_t*>(p), vreinterpretq_u8_u64(v)); }
inline void stream(void* p, u64v v) { store(p, v); }  // has no intrinsic; whole lines are detected by the hardware
inline u64v set32(std::uint32_t a) { return vreinterpretq_u64_u32(vdupq_n_u32(a)); }
inline u64v set64(std::uint64_t a) { return vdupq_n_u64(a); }
inline f32v set_f32(float a) { return vdupq_n_f32(a); }
inline f64v set_f64(double a) { return vdupq_n_f64(a); }
inline u64v bits(f32v a) { return vreinterpretq_u64_f32(a); }
inline u64v bits(f64v a) { return vreinterpretq_u64_f64(a); }
inline f32v as_f32(u64v a) { return vreinterpretq_f32_u64(a); }
inline f64v as_f64(u64v a) { return vreinterpretq_f64_u64(a); }
inline uint32x4_t as_u32(u64v a) { return vreinterpretq_u32_u64(a); }
inline u64v from_u32(uint32x4_t a) { return vreinterpretq_u64_u32(a); }

inline u64v multiply_low(u64v a, u64v b) { return vmull_u32(vmovn_u64(a), vmovn_u64(b)); }
inline u64v high_half(u64v a) { return vshrq_n_u64(a, 32); }
inline u64v add64(u64v a, u64v b) { return vaddq_u64(a, b); }
inline u64v and_(u64v a, u64v b) { return vandq_u64(a, b); }
inline u64v or_(u64v a, u64v b) { return vorrq_u64(a, b); }
inline u64v xor_(u64v a, u64v b) { return veorq_u64(a, b); }
inline u64v swap_halves(u64v a) { return from_u32(vrev64q_u32(as_u32(a))); }

inline u64v select(u64v mask, u64v a, u64v b) { return vbslq_u64(mask, a, b); }
inline u64v add32(u64v a, u64v b) { return from_u32(vaddq_u32(as_u32(a), as_u32(b))); }
inline u64v max32(u64v a, u64v b) { return from_u32(vmaxq_u32(as_u32(a), as_u32(b))); }
template <int n>
inline u64v shift_left32(u64v a) {
  return from_u32(vshlq_n_u32(as_u32(a), n));
}
template <int n>
inline u64v shift_right32(u64v a) {
  return from_u32(vshrq_n_u32(as_u32(a), n));
}
inline u64v sign_mask32(u64v a) { return vreinterpretq_u64_s32(vshrq_n_s32(vreinterpretq_s32_u64(a), 31)); }
inline f32v to_f32(u64v a) { return vcvtq_f32_s32(vreinterpretq_s32_u64(a)); }
inline f32v fma(f32v a, f32v b, f32v c) { return vfmaq_f32(c, a, b); }
inline f32v add(f32v a, f32v b) { return vaddq_f32(a, b); }
inline f32v at_least(f32v x, f32v bound) { return vbslq_f32(vcgtq_f32(bound, x), bound, x); }
inline f32v at_most(f32v x, f32v bound) { return vbslq_f32(vcltq_f32(bound, x), bound, x); }

template <int n>
inline u64v shift_right64(u64v a) {
  return vshrq_n_u64(a, n);
}
inline u64v sign_mask64(u64v a) { return vreinterpretq_u64_s64(vshrq_n_s64(vreinterpretq_s64_u64(a), 63)); }
inline f64v to_f64(u64v a) { return vcvtq_f64_s64(vreinterpretq_s64_u64(a)); }
inline f64v fma(f64v a, f64v b, f64v c) { return vfmaq_f64(c, a, b); }
inline f64v add(f64v a, f64v b) { return vaddq_f64(a, b); }
inline f64v multiply(f64v a, f64v b) { return vmulq_f64(a, b); }
inline f64v at_least(f64v x, f64v bound) { return vbslq_f64(vcgtq_f64(bound, x), bound, x); }
inline f64v at_most(f64v x, f64v bound) { return vbslq_f64(vcltq_f64(bound, x), bound, x); }
inline f64v select(u64v mask, f64v a, f64v b) { return vbslq_f64(mask, a, b); }
inline f64v where_at_least(f64v a, f64v b, f64v x, f64v y) { return vbslq_f64(vcgeq_f64(a, b), x, y); }

// Look-up of bytes: two registers hold the 32 bytes of 8 floats, an index the numbers of the four bytes of its float.
// `tbl` takes one pipe for two registers and three for four, so 16 octaves would cost more than mending costs.
constexpr unsigned kFirstOctaveOdd = 24, kFirstOctaveSided = 24;
inline u64v octave_index(u64v octave) {
  return from_u32(vmlaq_n_u32(vdupq_n_u32(0x03020100), as_u32(and_(octave, set32(7))), 0x04040404));
}
inline f32v look_up(const float* row, u64v index) {
  const uint8x16x2_t table = vld1q_u8_x2(reinterpret_cast<const std::uint8_t*>(row + 24));
  return vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u64(index)));
}
inline u64v sided_index(u64v octave, u64v /*side*/) { return octave_index(octave); }
inline f32v look_up(const float* lower, const float* upper, u64v index, u64v side) {
  return as_f32(select(side, bits(look_up(upper, index)), bits(look_up(lower, index))));
}
// Not by bytes: 16 pieces of doubles fill eight registers, two `tbl` of four; two loads and a move are less work.
constexpr unsigned kFirstPiece64 = 0;
inline f64v look_up(const double* row, u64v index) {
  const f64v x = {row[vgetq_lane_u64(index, 0)], row[vgetq_lane_u64(index, 1)]};
  return x;
}
inline f32v look_up_any(const float* lower, const float* /*upper*/, u64v index, u64v /*side*/) {
  const uint32x4_t i = as_u32(index);
  const f32v x = {lower[vgetq_lane_u32(i, 0)], lower[vgetq_lane_u32(i, 1)], lower[vgetq_lane_u32(i, 2)],
                  lower[vgetq_lane_u32(i, 3)]};
  return x;
}

inline bool all_bits32(u64v a, std::uint32_t b) {
  return vminvq_u32(vceqq_u32(as_u32(and_(a, set32(b))), vdupq_n_u32(b))) != 0;
}
inline bool all_bits64(u64v a, std::uint64_t b) {
  return vminvq_u32(as_u32(vceqq_u64(and_(a, set64(b)), set64(b)))) != 0;
}

inline u64v interleave_low(u64v a, u64v b) { return vzip1q_u64(a, b); }
inline u64v interleave_high(u64v a, u64v b) { return vzip2q_u64(a, b); }
inline u64v pack16(uint16x4_t a, uint16x4_t b) {
  const uint32x2x2_t zipped = vzip_u32(vreinterpret_u32_u16(a), vreinterpret_u32_u16(b));
  return from_u32(vcombine_u32(zipped.val[0], zipped.val[1]));
}
inline u64v pack_low16(u64v a, u64v b) { return pack16(vmovn_u32(as_u32(a)), vmovn_u32(as_u32(b))); }
inline u64v round_f16(f32v a, f32v b) {
  return pack16(vreinterpret_u16_f16(vcvt_f16_f32(a)), vreinterpret_u16_f16(vcvt_f16_f32(b)));
}
inline u64v pack_low32(u64v a, u64v b) { return from_u32(vcombine_u32(vmovn_u64(a), vmovn_u64(b))); }

inline u64v spread32(std::uint64_t bits) {
  const uint32x4_t lane = {1, 2, 4, 8};
  return from_u32(vtstq_u32(vdupq_n_u32(static_cast<std::uint32_t>(bits)), lane));
}
inline u64v spread64(std::uint64_t bits) {
  const u64v lane = {1, 2};
  return vtstq_u64(vdupq_n_u64(bits), lane);
}
inline std::uint64_t top_bits(const unsigned char* p) {
  std::uint64_t bits = 0;
  for (int i = 0; i < 64; i += 8) {
    std::uint64_t bytes;
    std::memcpy(&bytes, p + i, 8);
    bits |= ((bytes >> 7 & 0x0101010101010101) * 0x0102040810204080 >> 56) << i;
  }
  return bits;
}
