// Vector types and operations, a section per instruction set; the only file that knows one. Included by the file of one
// inside its own namespace and ISA region, with WEIGHTFILL_SIMD_<set> defined.
//
//   u64v  kLanes unsigned 64-bit lanes; also taken as 2 * kLanes 32-bit lanes
//   f32v  2 * kLanes floats            f64v  kLanes doubles
//
// A vector of word pairs holds a block a lane, dealt so that `interleave` needs no lane-crossing step: even lanes hold
// blocks 0 .. kLanes/2 - 1, odd lanes the rest. `A` holds words 0 and 1 of its blocks, `B` words 2 and 3.

#if defined(WEIGHTFILL_SIMD_AVX512)

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
// Low half: high half of product ^ x ^ key. High half: low half of product.
inline u64v last_round(u64v product, u64v x, u64v key) {
  const u64v swapped = _mm512_shuffle_epi32(product, _MM_PERM_CDAB);
  return _mm512_mask_ternarylogic_epi32(swapped, 0x5555, x, key, 0x96);
}

// 32-bit lanes.
inline u64v and_(u64v a, u64v b) { return _mm512_and_si512(a, b); }
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
inline u64v shift_left64(u64v a) {
  return _mm512_slli_epi64(a, n);
}
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
inline f64v look_up(const double* row, u64v index) {
  return _mm512_permutex2var_pd(_mm512_load_pd(row + 112), index, _mm512_load_pd(row + 120));
}
inline f64v look_up(const double* lower, const double* upper, u64v index, u64v side) {
  return _mm512_mask_blend_pd(_mm512_movepi64_mask(side), look_up(lower, index), look_up(upper, index));
}
// In every octave or piece.
inline f32v look_up_any(const float* lower, const float* upper, u64v index, u64v side) {
  return _mm512_mask_blend_ps(_mm512_movepi32_mask(side), look_up(lower, index), look_up(upper, index));
}
inline f64v look_up_any(const double* lower, const double* upper, u64v index, u64v side) {
  const u64v from = and_(index, set64(127));
  const __mmask8 high = _mm512_movepi64_mask(side);
  const f64v x = _mm512_mask_i64gather_pd(_mm512_setzero_pd(), static_cast<__mmask8>(~high), from, lower, 8);
  return _mm512_mask_i64gather_pd(x, high, from, upper, 8);
}
inline f64v where_at_least(f64v a, f64v b, f64v x, f64v y) {  // a >= b ? x : y
  return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_GE_OQ), y, x);
}
inline bool all_bits32(u64v a, std::uint32_t b) { return _mm512_cmpneq_epi32_mask(and_(a, set32(b)), set32(b)) == 0; }
inline bool all_bits64(u64v a, std::uint64_t b) { return _mm512_cmpneq_epi64_mask(and_(a, set64(b)), set64(b)) == 0; }

// Stores. From the values of word pairs A and B to memory in natural order.
struct Pair {
  u64v first, second;
};
inline Pair interleave(u64v a, u64v b) { return {_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)}; }

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

#elif defined(WEIGHTFILL_SIMD_AVX2)

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
inline u64v xor_(u64v a, u64v b) { return _mm256_xor_si256(a, b); }
inline u64v xor3(u64v a, u64v b, u64v c) { return xor_(a, xor_(b, c)); }
inline u64v last_round(u64v product, u64v x, u64v key) {
  const u64v swapped = _mm256_shuffle_epi32(product, 0xb1);
  return xor_(swapped, and_(xor_(x, key), set64(0xffffffff)));
}

inline u64v select(u64v mask, u64v a, u64v b) { return xor_(b, and_(mask, xor_(a, b))); }
inline u64v and_or(u64v a, u64v b, u64v c) { return _mm256_or_si256(and_(a, b), c); }
inline u64v xor_and(u64v a, u64v b, u64v c) { return xor_(a, and_(b, c)); }
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
inline u64v piece_index(u64v piece) { return and_(piece, set64(127)); }
inline f64v look_up(const double* row, u64v index) { return _mm256_i64gather_pd(row, index, 8); }
inline f64v look_up(const double* lower, const double* upper, u64v index, u64v side) {
  return select(side, look_up(upper, index), look_up(lower, index));
}
inline f32v look_up_any(const float* lower, const float* upper, u64v index, u64v side) {
  return _mm256_blendv_ps(_mm256_i32gather_ps(lower, index, 4), _mm256_i32gather_ps(upper, index, 4), as_f32(side));
}
inline f64v look_up_any(const double* lower, const double* upper, u64v index, u64v side) {
  return look_up(lower, upper, index, side);
}
inline bool all_bits32(u64v a, std::uint32_t b) { return _mm256_testc_si256(a, set32(b)); }
inline bool all_bits64(u64v a, std::uint64_t b) { return _mm256_testc_si256(a, set64(b)); }

struct Pair {
  u64v first, second;
};
inline Pair interleave(u64v a, u64v b) { return {_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)}; }
inline u64v round_bf16(f32v a) {
  const u64v odd = and_(shift_right32<16>(bits(a)), set32(1));
  return shift_right32<16>(add32(add32(bits(a), set32(0x7fff)), odd));
}
inline u64v round_bf16(f32v a, f32v b) {
  const u64v packed = _mm256_shuffle_epi32(_mm256_packus_epi32(round_bf16(a), round_bf16(b)), 0xd8);
  return _mm256_permute4x64_epi64(packed, 0xd8);
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

#elif defined(WEIGHTFILL_SIMD_SSE2)

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
inline u64v xor_(u64v a, u64v b) { return _mm_xor_si128(a, b); }
inline u64v xor3(u64v a, u64v b, u64v c) { return xor_(a, xor_(b, c)); }
inline u64v last_round(u64v product, u64v x, u64v key) {
  return xor_(_mm_shuffle_epi32(product, 0xb1), and_(xor_(x, key), set64(0xffffffff)));
}

inline u64v select(u64v mask, u64v a, u64v b) { return xor_(b, and_(mask, xor_(a, b))); }
inline u64v and_or(u64v a, u64v b, u64v c) { return _mm_or_si128(and_(a, b), c); }
inline u64v xor_and(u64v a, u64v b, u64v c) { return xor_(a, and_(b, c)); }
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
inline f64v select(u64v mask, f64v a, f64v b) { return as_f64(select(mask, bits(a), bits(b))); }
inline f64v where_at_least(f64v a, f64v b, f64v x, f64v y) { return select(bits(_mm_cmpge_pd(a, b)), x, y); }
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
inline u64v octave_index(u64v octave) { return and_(octave, set32(31)); }
inline u64v sided_index(u64v octave, u64v /*side*/) { return and_(octave, set32(31)); }
inline f32v look_up(const float* row, u64v index) {
  alignas(16) std::uint32_t i[4];
  store(i, index);
  return _mm_setr_ps(row[i[0]], row[i[1]], row[i[2]], row[i[3]]);
}
inline f32v look_up(const float* lower, const float* upper, u64v index, u64v side) {
  return as_f32(select(side, bits(look_up(upper, index)), bits(look_up(lower, index))));
}
constexpr unsigned kFirstPiece64 = 0;
inline u64v piece_index(u64v piece) { return and_(piece, set64(127)); }
inline f64v look_up(const double* row, u64v index) {
  alignas(16) std::uint64_t i[2];
  store(i, index);
  return _mm_setr_pd(row[i[0]], row[i[1]]);
}
inline f64v look_up(const double* lower, const double* upper, u64v index, u64v side) {
  return select(side, look_up(upper, index), look_up(lower, index));
}
template <class Real>
auto look_up_any(const Real* lower, const Real* upper, u64v index, u64v side) {
  return look_up(lower, upper, index, side);
}

inline bool all_bits32(u64v a, std::uint32_t b) {
  return _mm_movemask_epi8(_mm_cmpeq_epi32(and_(a, set32(b)), set32(b))) == 0xffff;
}
inline bool all_bits64(u64v a, std::uint64_t b) {
  return _mm_movemask_epi8(_mm_cmpeq_epi32(and_(a, set64(b)), set64(b))) == 0xffff;
}

struct Pair {
  u64v first, second;
};
inline Pair interleave(u64v a, u64v b) { return {_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b)}; }
// Low 16 bits of the 32-bit lanes of two vectors of word pairs, in natural order.
inline u64v pack_low16(u64v a, u64v b) {
  const auto halves = [](u64v v) { return _mm_srai_epi32(_mm_slli_epi32(v, 16), 16); };
  return _mm_shuffle_epi32(_mm_packs_epi32(halves(a), halves(b)), 0xd8);
}
inline u64v round_bf16(f32v a) {
  const u64v odd = and_(shift_right32<16>(bits(a)), set32(1));
  return shift_right32<16>(add32(add32(bits(a), set32(0x7fff)), odd));
}
inline u64v round_bf16(f32v a, f32v b) { return pack_low16(round_bf16(a), round_bf16(b)); }
template <int kMantissa, std::uint32_t kTiny, int kBits>
u64v small_float(f32v x);  // kernels.inl
inline u64v round_f16(f32v a, f32v b) { return pack_low16(small_float<10, 113, 16>(a), small_float<10, 113, 16>(b)); }
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

#elif defined(WEIGHTFILL_SIMD_NEON)

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
inline u64v xor_(u64v a, u64v b) { return veorq_u64(a, b); }
inline u64v xor3(u64v a, u64v b, u64v c) { return xor_(a, xor_(b, c)); }
inline u64v last_round(u64v product, u64v x, u64v key) {
  return xor_(from_u32(vrev64q_u32(as_u32(product))), and_(xor_(x, key), set64(0xffffffff)));
}

inline u64v select(u64v mask, u64v a, u64v b) { return vbslq_u64(mask, a, b); }
inline u64v and_or(u64v a, u64v b, u64v c) { return vorrq_u64(and_(a, b), c); }
inline u64v xor_and(u64v a, u64v b, u64v c) { return xor_(a, and_(b, c)); }
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
inline u64v sided_index(u64v octave, u64v /*side*/) { return octave_index(octave); }
inline f32v look_up(const float* row, u64v index) {
  const uint8x16x2_t table = vld1q_u8_x2(reinterpret_cast<const std::uint8_t*>(row + 24));
  return vreinterpretq_f32_u8(vqtbl2q_u8(table, vreinterpretq_u8_u64(index)));
}
inline f32v look_up(const float* lower, const float* upper, u64v index, u64v side) {
  return as_f32(select(side, bits(look_up(upper, index)), bits(look_up(lower, index))));
}
// Not by bytes: 16 pieces of doubles fill eight registers, two `tbl` of four; two loads and a move are less work.
constexpr unsigned kFirstPiece64 = 0;
inline u64v piece_index(u64v piece) { return and_(piece, set64(127)); }
inline f64v look_up(const double* row, u64v index) {
  const f64v x = {row[vgetq_lane_u64(index, 0)], row[vgetq_lane_u64(index, 1)]};
  return x;
}
inline f64v look_up(const double* lower, const double* upper, u64v index, u64v side) {
  return select(side, look_up(upper, index), look_up(lower, index));
}
inline f32v look_up_any(const float* lower, const float* upper, u64v index, u64v side) {
  const auto lanes = [](const float* row, u64v i) {
    const uint32x4_t n = as_u32(i);
    const f32v x = {row[vgetq_lane_u32(n, 0)], row[vgetq_lane_u32(n, 1)], row[vgetq_lane_u32(n, 2)],
                    row[vgetq_lane_u32(n, 3)]};
    return bits(x);
  };
  return as_f32(select(side, lanes(upper, index), lanes(lower, index)));
}
inline f64v look_up_any(const double* lower, const double* upper, u64v index, u64v side) {
  return look_up(lower, upper, index, side);
}

inline bool all_bits32(u64v a, std::uint32_t b) {
  return vminvq_u32(vceqq_u32(as_u32(and_(a, set32(b))), vdupq_n_u32(b))) != 0;
}
inline bool all_bits64(u64v a, std::uint64_t b) {
  return vminvq_u32(as_u32(vceqq_u64(and_(a, set64(b)), set64(b)))) != 0;
}

struct Pair {
  u64v first, second;
};
inline Pair interleave(u64v a, u64v b) { return {vzip1q_u64(a, b), vzip2q_u64(a, b)}; }
inline u64v pack16(uint16x4_t a, uint16x4_t b) {
  const uint32x2x2_t zipped = vzip_u32(vreinterpret_u32_u16(a), vreinterpret_u32_u16(b));
  return from_u32(vcombine_u32(zipped.val[0], zipped.val[1]));
}
inline uint16x4_t round_bf16(f32v a) {
  const u64v odd = and_(shift_right32<16>(bits(a)), set32(1));
  return vmovn_u32(as_u32(shift_right32<16>(add32(add32(bits(a), set32(0x7fff)), odd))));
}
inline u64v round_bf16(f32v a, f32v b) { return pack16(round_bf16(a), round_bf16(b)); }
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

#endif
