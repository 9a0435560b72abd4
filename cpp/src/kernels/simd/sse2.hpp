// Vectors of SSE2: 16 bytes, no fused multiply-add. composites.hpp says what a file of this folder has to offer.

constexpr int kLanes = 2;
constexpr int kChains = 4;
using u64v = __m128i;
using f32v = __m128;
using f64v = __m128d;

inline u64v load(const void* p) { return _mm_load_si128(static_cast<const u64v*>(p)); }
inline void store(void* p, u64v v) { _mm_storeu_si128(static_cast<u64v*>(p), v); }
inline void stream(void* p, u64v v) { _mm_stream_si128(static_cast<u64v*>(p), v); }
inline u64v set32(std::uint32_t a) { return _mm_set1_epi32(static_cast<int>(a)); }
inline u64v set64(std::uint64_t a) { return _mm_set1_epi64x(static_cast<long long>(a)); }
inline f32v set_f32(float a) { return _mm_set1_ps(a); }
inline f64v set_f64(double a) { return _mm_set1_pd(a); }
inline u64v bits(f32v a) { return _mm_castps_si128(a); }
inline u64v bits(f64v a) { return _mm_castpd_si128(a); }
inline f32v as_f32(u64v a) { return _mm_castsi128_ps(a); }
inline f64v as_f64(u64v a) { return _mm_castsi128_pd(a); }

inline u64v multiply_low(u64v a, u64v b) { return _mm_mul_epu32(a, b); }
inline u64v high_half(u64v a) { return _mm_srli_epi64(a, 32); }
inline u64v add64(u64v a, u64v b) { return _mm_add_epi64(a, b); }
inline u64v and_(u64v a, u64v b) { return _mm_and_si128(a, b); }
inline u64v or_(u64v a, u64v b) { return _mm_or_si128(a, b); }
inline u64v xor_(u64v a, u64v b) { return _mm_xor_si128(a, b); }
inline u64v swap_halves(u64v a) { return _mm_shuffle_epi32(a, 0xb1); }

inline u64v add32(u64v a, u64v b) { return _mm_add_epi32(a, b); }
inline u64v max32(u64v a, u64v b) { return bits(_mm_max_ps(as_f32(a), as_f32(b))); }
template <int n>
inline u64v shift_left32(u64v a) {
  return _mm_slli_epi32(a, n);
}
template <int n>
inline u64v shift_right32(u64v a) {
  return _mm_srli_epi32(a, n);
}
inline u64v sign_mask32(u64v a) { return _mm_srai_epi32(a, 31); }
inline f32v to_f32(u64v a) { return _mm_cvtepi32_ps(a); }
inline f32v add(f32v a, f32v b) { return _mm_add_ps(a, b); }
inline f32v at_least(f32v x, f32v bound) { return _mm_max_ps(bound, x); }
inline f32v at_most(f32v x, f32v bound) { return _mm_min_ps(bound, x); }

template <int n>
inline u64v shift_right64(u64v a) {
  return _mm_srli_epi64(a, n);
}
inline u64v sign_mask64(u64v a) { return _mm_shuffle_epi32(sign_mask32(a), 0xf5); }
inline f64v add(f64v a, f64v b) { return _mm_add_pd(a, b); }
inline f64v to_f64(u64v a) {
  const f64v high = as_f64(_mm_or_si128(high_half(a), set64(0x4530000000000000)));
  const f64v low = as_f64(_mm_or_si128(and_(a, set64(0xffffffff)), set64(0x4330000000000000)));
  return add(_mm_sub_pd(high, set_f64(0x1p84 + 0x1p52)), low);
}
inline f64v multiply(f64v a, f64v b) { return _mm_mul_pd(a, b); }
inline f64v at_least(f64v x, f64v bound) { return _mm_max_pd(bound, x); }
inline f64v at_most(f64v x, f64v bound) { return _mm_min_pd(bound, x); }
inline f64v where_at_least(f64v a, f64v b, f64v x, f64v y) {
  const f64v mask = _mm_cmpge_pd(a, b);
  return _mm_or_pd(_mm_and_pd(mask, x), _mm_andnot_pd(mask, y));
}
inline f64v fma(f64v a, f64v b, f64v c) {
  alignas(16) double x[2], y[2], z[2];
  _mm_store_pd(x, a), _mm_store_pd(y, b), _mm_store_pd(z, c);
  return _mm_set_pd(std::fma(x[1], y[1], z[1]), std::fma(x[0], y[0], z[0]));
}
// The product is exact in double; the sum is rounded to odd, so that rounding it to float is the only rounding
// (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
inline f64v odd_sum(f64v p, f64v c) {
  const f64v sum = add(p, c), back = _mm_sub_pd(sum, p);
  const f64v error = add(_mm_sub_pd(p, _mm_sub_pd(sum, back)), _mm_sub_pd(c, back));
  const u64v inexact = bits(_mm_cmpneq_pd(error, _mm_setzero_pd()));
  const u64v even = _mm_sub_epi64(and_(bits(sum), set64(1)), set64(1));  // all ones if the last bit is 0
  const u64v shrink = sign_mask64(xor_(bits(error), bits(sum)));         // the sum lies beyond the exact value
  const u64v step = _mm_or_si128(shrink, set64(1));                      // -1 or 1 in the last place
  return as_f64(add64(bits(sum), and_(step, and_(inexact, even))));
}
inline f32v fma(f32v a, f32v b, f32v c) {
  const auto high = [](f32v v) { return _mm_cvtps_pd(_mm_movehl_ps(v, v)); };
  const f64v x = odd_sum(_mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b)), _mm_cvtps_pd(c));
  const f64v y = odd_sum(_mm_mul_pd(high(a), high(b)), high(c));
  return _mm_movelh_ps(_mm_cvtpd_ps(x), _mm_cvtpd_ps(y));
}

constexpr unsigned kFirstOctaveOdd = 0, kFirstOctaveSided = 0;
inline f32v look_up(const float* row, u64v index) {
  alignas(16) std::uint32_t i[4];
  store(i, index);
  return _mm_setr_ps(row[i[0]], row[i[1]], row[i[2]], row[i[3]]);
}
constexpr unsigned kFirstPiece64 = 0;
inline f64v look_up(const double* row, u64v index) {
  alignas(16) std::uint64_t i[2];
  store(i, index);
  return _mm_setr_pd(row[i[0]], row[i[1]]);
}

inline bool all_bits32(u64v a, std::uint32_t b) {
  return _mm_movemask_epi8(_mm_cmpeq_epi32(and_(a, set32(b)), set32(b))) == 0xffff;
}
inline bool all_bits64(u64v a, std::uint64_t b) {
  return _mm_movemask_epi8(_mm_cmpeq_epi32(and_(a, set64(b)), set64(b))) == 0xffff;
}

inline u64v interleave_low(u64v a, u64v b) { return _mm_unpacklo_epi64(a, b); }
inline u64v interleave_high(u64v a, u64v b) { return _mm_unpackhi_epi64(a, b); }
// Takes anything above the low halves.
inline u64v pack_low16(u64v a, u64v b) {
  const auto halves = [](u64v v) { return _mm_srai_epi32(_mm_slli_epi32(v, 16), 16); };
  return _mm_shuffle_epi32(_mm_packs_epi32(halves(a), halves(b)), 0xd8);
}
inline u64v pack_low32(u64v a, u64v b) { return bits(_mm_shuffle_ps(as_f32(a), as_f32(b), 0x88)); }

inline u64v spread32(std::uint64_t bits) {
  const u64v lane = _mm_setr_epi32(1, 2, 4, 8);
  return _mm_cmpeq_epi32(and_(set32(static_cast<std::uint32_t>(bits)), lane), lane);
}
inline u64v spread64(std::uint64_t bits) {
  return _mm_set_epi64x(-static_cast<long long>(bits >> 1 & 1), -static_cast<long long>(bits & 1));
}
inline std::uint64_t top_bits(const unsigned char* p) {
  std::uint64_t bits = 0;
  for (int i = 0; i < 64; i += 16) {
    const u64v bytes = _mm_loadu_si128(reinterpret_cast<const u64v*>(p + i));
    bits |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(bytes))} << i;
  }
  return bits;
}
