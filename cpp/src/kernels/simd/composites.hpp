// Operations made of others, for every instruction set. Each is a template, so that a plain function of the same name
// takes its place: a set that has better declares one in its own file, which is included first.
//
// The file of a set defines kLanes, kChains (independent generators in flight, to hide the latency of multiplies) and
//
//   u64v  kLanes unsigned 64-bit lanes; also taken as 2 * kLanes 32-bit lanes
//   f32v  2 * kLanes floats            f64v  kLanes doubles
//
// with their operations; avx512.hpp has the contract of each beside it. A vector of word pairs holds a block a lane,
// dealt so that `interleave` needs no lane-crossing step: even lanes hold blocks 0 .. kLanes/2 - 1, odd lanes the rest.
// `first` holds words 0 and 1 of its blocks, `second` words 2 and 3.

struct Pair {
  u64v first, second;
};

// From the values of word pairs to memory in natural order.
inline Pair interleave(u64v first, u64v second) {
  return {interleave_low(first, second), interleave_high(first, second)};
}

// Bits.
template <int = 0>
u64v xor3(u64v a, u64v b, u64v c) {
  return xor_(a, xor_(b, c));
}
template <int = 0>
u64v xor_and(u64v a, u64v b, u64v c) {  // a ^ (b & c)
  return xor_(a, and_(b, c));
}
template <int = 0>
u64v and_or(u64v a, u64v b, u64v c) {  // a & b | c
  return or_(and_(a, b), c);
}
template <int = 0>
u64v select(u64v mask, u64v a, u64v b) {  // mask ? a : b
  return xor_(b, and_(mask, xor_(a, b)));
}
template <int = 0>
f64v select(u64v mask, f64v a, f64v b) {
  return as_f64(select(mask, bits(a), bits(b)));
}

// The last round of Philox. Low half of each lane: high half of product ^ x ^ key. High half: low half of product.
template <int = 0>
u64v last_round(u64v product, u64v x, u64v key) {
  return xor_(swap_halves(product), and_(xor_(x, key), set64(0xffffffff)));
}

// Look-up of one coefficient, `row` being its values by octave or piece. Registers may hold the last octaves alone:
// those below kFirstOctaveOdd, kFirstOctaveSided (in a table with two sides) or kFirstPiece64 are left to the caller.
// `octave` and `piece` have further bits above their own.
template <int = 0>
u64v octave_index(u64v octave) {
  return and_(octave, set32(kOctaves32 - 1));
}
template <int = 0>
u64v piece_index(u64v piece) {
  return and_(piece, set64(kPieces64 - 1));
}
// With two sides, an index into memory reaches from a row of the lower side into that of the upper one: one look-up,
// not two. any_index is for look_up_any, which takes every octave.
constexpr std::uint32_t kUpperSide32 = (kDegree32 + 1) * kOctaves32, kUpperSide64 = (kDegree64 + 1) * kPieces64;
template <int = 0>
u64v any_index(u64v octave, u64v side) {
  return and_or(side, set32(kUpperSide32), and_(octave, set32(kOctaves32 - 1)));
}
template <int = 0>
u64v sided_index(u64v octave, u64v side) {
  return any_index(octave, side);
}
template <int = 0>
u64v sided_piece_index(u64v piece, u64v side) {
  return and_or(side, set64(kUpperSide64), piece_index(piece));
}
template <int = 0>
f32v look_up(const float* lower, const float* /*upper*/, u64v index, u64v /*side*/) {
  return look_up(lower, index);
}
template <int = 0>
f64v look_up(const double* lower, const double* /*upper*/, u64v index, u64v /*side*/) {
  return look_up(lower, index);
}
template <int = 0>
f32v look_up_any(const float* lower, const float* /*upper*/, u64v index, u64v /*side*/) {
  return look_up(lower, index);
}
template <int = 0>
f64v look_up_any(const double* lower, const double* /*upper*/, u64v index, u64v /*side*/) {
  return look_up(lower, index);
}

// Rounding to 16 bits: of two vectors of word pairs, in natural order.
inline u64v bf16_code(f32v x) {
  const u64v odd = and_(shift_right32<16>(bits(x)), set32(1));
  return shift_right32<16>(add32(add32(bits(x), set32(0x7fff)), odd));
}
template <int = 0>
u64v round_bf16(f32v a, f32v b) {
  return pack_low16(bf16_code(a), bf16_code(b));
}

// A float of kBits bits, kMantissa of them stored mantissa, whose smallest normal exponent is a float32's kTiny: its
// code in the low bits of every 32-bit lane, garbage above. |x| stays below the format's infinity.
// `unit` has the sign of x and 2^(23 - kMantissa) times the power of two at or below |x|. So x + unit is rounded to
// nearest even at the last bit to keep, and holds |x| in units of that bit in its low bits: exact for subnormals too,
// and rounded once. The code's exponent and sign are added to the low bits of `unit` beforehand.
template <int kMantissa, std::uint32_t kTiny, int kBits>
WEIGHTFILL_INLINE u64v small_float(f32v x) {
  constexpr std::uint32_t signs = 0x80000000 | std::uint32_t{1} << (kBits - 1);
  constexpr std::uint32_t mask = (std::uint32_t{1} << kBits) - 1;
  constexpr std::uint32_t offset = (std::uint32_t{23 - kMantissa} << 23) + ((0 - (kTiny << kMantissa)) & mask);
  const u64v exponent = max32(and_(bits(x), set32(0x7f800000)), set32(kTiny << 23));
  u64v unit = add32(add32(exponent, shift_right32<23 - kMantissa>(exponent)), set32(offset));
  unit = and_or(sign_mask32(bits(x)), set32(signs), unit);
  return bits(add(x, as_f32(unit)));
}

template <int = 0>
u64v round_f16(f32v a, f32v b) {
  return pack_low16(small_float<10, 113, 16>(a), small_float<10, 113, 16>(b));
}
