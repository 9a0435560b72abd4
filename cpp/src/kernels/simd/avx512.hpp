// Vectors of AVX-512 F, BW, DQ and VL: 64 bytes. composites.hpp says what a file of this folder has to offer.

constexpr int kLanes = 8;
constexpr int kChains = 4;  // independent generators in flight, to hide the latency of the multiplies
using u64v = __m512i;
using f32v = __m512;
using f64v = __m512d;

inline u64v load(const void* p) { return _mm512_load_si512(p); }
inline void store(void* p, u64v v) { _mm512_storeu_si512(p, v); }
inline void stream(void* p, u64v v) { _mm512_stream_si512(static_cast<u64v*>(p), v); }
inline u64v set32(std::uint32_t a) { return _mm512_set1_epi32(static_cast<int>(a)); }
inline u64v set64(std::uint64_t a) { return _mm512_set1_epi64(static_cast<long long>(a)); }
inline f32v set_f32(float a) { return _mm512_set1_ps(a); }
inline f64v set_f64(double a) { return _mm512_set1_pd(a); }
inline u64v bits(f32v a) { return _mm512_castps_si512(a); }
inline u64v bits(f64v a) { return _mm512_castpd_si512(a); }
inline f32v as_f32(u64v a) { return _mm512_castsi512_ps(a); }
inline f64v as_f64(u64v a) { return _mm512_castsi512_pd(a); }

// Philox.
inline u64v multiply_low(u64v a, u64v b) { return _mm512_mul_epu32(a, b); }  // of the low halves, 64-bit products
inline u64v high_half(u64v a) { return _mm512_srli_epi64(a, 32); }
inline u64v add64(u64v a, u64v b) { return _mm512_add_epi64(a, b); }
inline u64v xor_(u64v a, u64v b) { return _mm512_xor_si512(a, b); }
inline u64v xor3(u64v a, u64v b, u64v c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
inline u64v swap_halves(u64v a) { return _mm512_shuffle_epi32(a, _MM_PERM_CDAB); }
// Low half: high half of product ^ x ^ key. High half: low half of product.
inline u64v last_round(u64v product, u64v x, u64v key) {
  return _mm512_mask_ternarylogic_epi32(swap_halves(product), 0x5555, x, key, 0x96);
}

// 32-bit lanes.
inline u64v and_(u64v a, u64v b) { return _mm512_and_si512(a, b); }
inline u64v or_(u64v a, u64v b) { return _mm512_or_si512(a, b); }
inline u64v select(u64v mask, u64v a, u64v b) { return _mm512_ternarylogic_epi32(mask, a, b, 0xca); }  // mask ? a : b
inline u64v and_or(u64v a, u64v b, u64v c) { return _mm512_ternarylogic_epi32(a, b, c, 0xea); }        // a & b | c
inline u64v xor_and(u64v a, u64v b, u64v c) { return _mm512_ternarylogic_epi32(a, b, c, 0x78); }       // a ^ (b & c)
inline u64v add32(u64v a, u64v b) { return _mm512_add_epi32(a, b); }
inline u64v max32(u64v a, u64v b) { return _mm512_max_epu32(a, b); }  // both below 2^31
template <int n>
inline u64v shift_left32(u64v a) {
  return _mm512_slli_epi32(a, n);
}
template <int n>
inline u64v shift_right32(u64v a) {
  return _mm512_srli_epi32(a, n);
}
inline u64v sign_mask32(u64v a) { return _mm512_srai_epi32(a, 31); }
inline f32v to_f32(u64v a) { return _mm512_cvtepi32_ps(a); }  // signed
inline f32v fma(f32v a, f32v b, f32v c) { return _mm512_fmadd_ps(a, b, c); }
inline f32v add(f32v a, f32v b) { return _mm512_add_ps(a, b); }
// x unless it lies beyond the bound; zeros of either sign are equal, and x then stays.
inline f32v at_least(f32v x, f32v bound) { return _mm512_max_ps(bound, x); }
inline f32v at_most(f32v x, f32v bound) { return _mm512_min_ps(bound, x); }

// 64-bit lanes.
template <int n>
inline u64v shift_right64(u64v a) {
  return _mm512_srli_epi64(a, n);
}
inline u64v sign_mask64(u64v a) { return _mm512_srai_epi64(a, 63); }
inline f64v to_f64(u64v a) { return _mm512_cvtepi64_pd(a); }  // signed
inline f64v fma(f64v a, f64v b, f64v c) { return _mm512_fmadd_pd(a, b, c); }
inline f64v add(f64v a, f64v b) { return _mm512_add_pd(a, b); }
inline f64v multiply(f64v a, f64v b) { return _mm512_mul_pd(a, b); }
inline f64v at_least(f64v x, f64v bound) { return _mm512_max_pd(bound, x); }
inline f64v at_most(f64v x, f64v bound) { return _mm512_min_pd(bound, x); }

// Look-up of one coefficient in the octaves that registers can hold; those below kFirstOctave* are left to the caller.
// `octave` has further bits above its five.
constexpr unsigned kFirstOctaveOdd = 0, kFirstOctaveSided = 16;
inline u64v octave_index(u64v octave) { return octave; }
inline f32v look_up(const float* row, u64v index) {
  return _mm512_permutex2var_ps(_mm512_load_ps(row), index, _mm512_load_ps(row + 16));
}
inline u64v sided_index(u64v octave, u64v side) { return select(set32(16), side, octave); }
inline f32v look_up(const float* lower, const float* upper, u64v index, u64v /*side*/) {
  return _mm512_permutex2var_ps(_mm512_load_ps(lower + 16), index, _mm512_load_ps(upper + 16));
}

constexpr unsigned kFirstPiece64 = 112;  // the last 16 of 128 half octaves
inline u64v piece_index(u64v piece) { return piece; }
inline u64v sided_piece_index(u64v piece, u64v /*side*/) { return piece; }
inline f64v look_up(const double* row, u64v index) {
  return _mm512_permutex2var_pd(_mm512_load_pd(row + 112), index, _mm512_load_pd(row + 120));
}
inline f64v look_up(const double* lower, const double* upper, u64v index, u64v side) {
  return _mm512_mask_blend_pd(_mm512_movepi64_mask(side), look_up(lower, index), look_up(upper, index));
}
// In every octave or piece.
inline u64v any_index(u64v octave, u64v /*side*/) { return octave; }
inline f32v look_up_any(const float* lower, const float* upper, u64v index, u64v side) {
  return _mm512_mask_blend_ps(_mm512_movepi32_mask(side), look_up(lower, index), look_up(upper, index));
}
inline f64v look_up_any(const double* lower, const double* upper, u64v index, u64v side) {
  const u64v row = and_(side, set64(static_cast<std::uint64_t>(upper - lower)));
  return _mm512_i64gather_pd(add64(and_(index, set64(127)), row), lower, 8);
}
inline f64v where_at_least(f64v a, f64v b, f64v x, f64v y) {  // a >= b ? x : y
  return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_GE_OQ), y, x);
}
inline bool all_bits32(u64v a, std::uint32_t b) { return _mm512_cmpneq_epi32_mask(and_(a, set32(b)), set32(b)) == 0; }
inline bool all_bits64(u64v a, std::uint64_t b) { return _mm512_cmpneq_epi64_mask(and_(a, set64(b)), set64(b)) == 0; }

// Stores. From the values of word pairs A and B to memory in natural order.
inline u64v interleave_low(u64v a, u64v b) { return _mm512_unpacklo_epi64(a, b); }
inline u64v interleave_high(u64v a, u64v b) { return _mm512_unpackhi_epi64(a, b); }

// 16-bit results in the upper or lower halves of 32-bit lanes -> natural order.
alignas(64) constexpr std::uint16_t kPack16[32] = {0, 2, 32, 34, 8,  10, 40, 42, 16, 18, 48, 50, 24, 26, 56, 58,
                                                   4, 6, 36, 38, 12, 14, 44, 46, 20, 22, 52, 54, 28, 30, 60, 62};
inline u64v pack_low16(u64v a, u64v b) { return _mm512_permutex2var_epi16(a, load(kPack16), b); }
inline u64v pack_high16(u64v a, u64v b) {
  return _mm512_permutex2var_epi16(a, _mm512_add_epi16(load(kPack16), _mm512_set1_epi16(1)), b);
}

inline u64v round_bf16(f32v a, f32v b) {
  const u64v high = pack_high16(bits(a), bits(b)), low = pack_low16(bits(a), bits(b));
  const u64v sticky = _mm512_adds_epu16(low, and_(high, _mm512_set1_epi16(1)));
  const __mmask32 up = _mm512_cmpgt_epu16_mask(sticky, _mm512_set1_epi16(static_cast<short>(0x8000)));
  return _mm512_mask_sub_epi16(high, up, high, _mm512_set1_epi16(-1));
}
alignas(64) constexpr std::uint32_t kPackHalves[16] = {0, 8, 2, 10, 4, 12, 6, 14, 1, 9, 3, 11, 5, 13, 7, 15};
inline u64v round_f16(f32v a, f32v b) {
  const __m256i x = _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT), y = _mm512_cvtps_ph(b, _MM_FROUND_TO_NEAREST_INT);
  return _mm512_permutexvar_epi32(load(kPackHalves), _mm512_inserti64x4(_mm512_castsi256_si512(x), y, 1));
}
// The low dwords of a (blocks of one chain) and of b (of the next) in natural order.
alignas(64) constexpr std::uint32_t kPack32[16] = {0, 4, 8, 12, 2, 6, 10, 14, 16, 20, 24, 28, 18, 22, 26, 30};
inline u64v pack_low32(u64v a, u64v b) { return _mm512_permutex2var_epi32(a, load(kPack32), b); }

// Sets of positions. All ones in the lanes whose bit is set; the top bits of 64 bytes.
inline u64v spread32(std::uint64_t bits) { return _mm512_movm_epi32(static_cast<__mmask16>(bits)); }
inline u64v spread64(std::uint64_t bits) { return _mm512_movm_epi64(static_cast<__mmask8>(bits)); }
inline std::uint64_t top_bits(const unsigned char* p) { return _mm512_movepi8_mask(_mm512_loadu_si512(p)); }
