// Vectors of AVX2, FMA and F16C: 32 bytes. composites.hpp says what a file of this folder has to offer.

constexpr int kLanes = 4;
constexpr int kChains = 4;
using u64v = __m256i;
using f32v = __m256;
using f64v = __m256d;

inline u64v load(const void* p) { return _mm256_load_si256(static_cast<const u64v*>(p)); }
inline void store(void* p, u64v v) { _mm256_storeu_si256(static_cast<u64v*>(p), v); }
inline void stream(void* p, u64v v) { _mm256_stream_si256(static_cast<u64v*>(p), v); }
inline u64v set32(std::uint32_t a) { return _mm256_set1_epi32(static_cast<int>(a)); }
inline u64v set64(std::uint64_t a) { return _mm256_set1_epi64x(static_cast<long long>(a)); }
inline f32v set_f32(float a) { return _mm256_set1_ps(a); }
inline f64v set_f64(double a) { return _mm256_set1_pd(a); }
inline u64v bits(f32v a) { return _mm256_castps_si256(a); }
inline u64v bits(f64v a) { return _mm256_castpd_si256(a); }
inline f32v as_f32(u64v a) { return _mm256_castsi256_ps(a); }
inline f64v as_f64(u64v a) { return _mm256_castsi256_pd(a); }

inline u64v multiply_low(u64v a, u64v b) { return _mm256_mul_epu32(a, b); }
inline u64v high_half(u64v a) { return _mm256_srli_epi64(a, 32); }
inline u64v add64(u64v a, u64v b) { return _mm256_add_epi64(a, b); }
inline u64v and_(u64v a, u64v b) { return _mm256_and_si256(a, b); }
inline u64v or_(u64v a, u64v b) { return _mm256_or_si256(a, b); }
inline u64v xor_(u64v a, u64v b) { return _mm256_xor_si256(a, b); }
inline u64v swap_halves(u64v a) { return _mm256_shuffle_epi32(a, 0xb1); }

inline u64v add32(u64v a, u64v b) { return _mm256_add_epi32(a, b); }
inline u64v max32(u64v a, u64v b) { return _mm256_max_epu32(a, b); }
template <int n>
inline u64v shift_left32(u64v a) {
  return _mm256_slli_epi32(a, n);
}
template <int n>
inline u64v shift_right32(u64v a) {
  return _mm256_srli_epi32(a, n);
}
inline u64v sign_mask32(u64v a) { return _mm256_srai_epi32(a, 31); }
inline f32v to_f32(u64v a) { return _mm256_cvtepi32_ps(a); }
inline f32v fma(f32v a, f32v b, f32v c) { return _mm256_fmadd_ps(a, b, c); }
inline f32v add(f32v a, f32v b) { return _mm256_add_ps(a, b); }
inline f32v at_least(f32v x, f32v bound) { return _mm256_max_ps(bound, x); }
inline f32v at_most(f32v x, f32v bound) { return _mm256_min_ps(bound, x); }

template <int n>
inline u64v shift_right64(u64v a) {
  return _mm256_srli_epi64(a, n);
}
inline u64v sign_mask64(u64v a) { return _mm256_cmpgt_epi64(_mm256_setzero_si256(), a); }
inline f64v add(f64v a, f64v b) { return _mm256_add_pd(a, b); }
// Both halves become doubles exactly, offset by 2^84 and 2^52; the last sum rounds once.
inline f64v to_f64(u64v a) {
  const f64v high = as_f64(_mm256_or_si256(high_half(a), set64(0x4530000000000000)));
  const f64v low = as_f64(_mm256_blend_epi32(a, set64(0x4330000000000000), 0xaa));
  return add(_mm256_sub_pd(high, set_f64(0x1p84 + 0x1p52)), low);
}
inline f64v fma(f64v a, f64v b, f64v c) { return _mm256_fmadd_pd(a, b, c); }
inline f64v multiply(f64v a, f64v b) { return _mm256_mul_pd(a, b); }
inline f64v at_least(f64v x, f64v bound) { return _mm256_max_pd(bound, x); }
inline f64v at_most(f64v x, f64v bound) { return _mm256_min_pd(bound, x); }
inline f64v select(u64v mask, f64v a, f64v b) { return _mm256_blendv_pd(b, a, as_f64(mask)); }
inline f64v where_at_least(f64v a, f64v b, f64v x, f64v y) {
  return _mm256_blendv_pd(y, x, _mm256_cmp_pd(a, b, _CMP_GE_OQ));
}

constexpr unsigned kFirstOctaveOdd = 24, kFirstOctaveSided = 24;
inline u64v octave_index(u64v octave) { return octave; }
inline f32v look_up(const float* row, u64v index) { return _mm256_permutevar8x32_ps(_mm256_load_ps(row + 24), index); }
inline u64v sided_index(u64v octave, u64v /*side*/) { return octave; }
inline f32v look_up(const float* lower, const float* upper, u64v index, u64v side) {
  return _mm256_blendv_ps(look_up(lower, index), look_up(upper, index), as_f32(side));
}
constexpr unsigned kFirstPiece64 = 0;
inline f64v look_up(const double* row, u64v index) { return _mm256_i64gather_pd(row, index, 8); }
inline f32v look_up_any(const float* lower, const float* /*upper*/, u64v index, u64v /*side*/) {
  return _mm256_i32gather_ps(lower, index, 4);
}
inline bool all_bits32(u64v a, std::uint32_t b) { return _mm256_testc_si256(a, set32(b)); }
inline bool all_bits64(u64v a, std::uint64_t b) { return _mm256_testc_si256(a, set64(b)); }

inline u64v interleave_low(u64v a, u64v b) { return _mm256_unpacklo_epi64(a, b); }
inline u64v interleave_high(u64v a, u64v b) { return _mm256_unpackhi_epi64(a, b); }
inline u64v pack_low16(u64v a, u64v b) {
  return _mm256_permute4x64_epi64(_mm256_shuffle_epi32(_mm256_packus_epi32(a, b), 0xd8), 0xd8);
}
inline u64v round_f16(f32v a, f32v b) {
  const __m128i x = _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT), y = _mm256_cvtps_ph(b, _MM_FROUND_TO_NEAREST_INT);
  return _mm256_permute4x64_epi64(_mm256_set_m128i(_mm_unpackhi_epi32(x, y), _mm_unpacklo_epi32(x, y)), 0xd8);
}
inline u64v pack_low32(u64v a, u64v b) {
  const u64v low = bits(_mm256_shuffle_ps(as_f32(a), as_f32(b), 0x88));
  return _mm256_permutevar8x32_epi32(low, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

inline u64v spread32(std::uint64_t bits) {
  const u64v lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(and_(set32(static_cast<std::uint32_t>(bits)), lane), lane);
}
inline u64v spread64(std::uint64_t bits) {
  const u64v lane = _mm256_setr_epi64x(1, 2, 4, 8);
  return _mm256_cmpeq_epi64(and_(set64(bits), lane), lane);
}
inline std::uint64_t top_bits(const unsigned char* p) {
  const auto bits = [](const unsigned char* q) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_loadu_si256(reinterpret_cast<const u64v*>(q))));
  };
  return bits(p) | std::uint64_t{bits(p + 32)} << 32;
}
