// The kernels: words -> law -> rounding -> store, written once. The file of an instruction set includes this after
// simd.hpp, inside its namespace and region.

constexpr int kBlocks = kLanes * kChains;  // of a unit
constexpr std::size_t kUnitWords = 4 * kBlocks;

// Which of a unit's blocks lane i of chain c holds.
constexpr int dealt(int c, int i) { return c * kLanes + (i & 1) * (kLanes / 2) + i / 2; }

// kPhiloxM0 * that number, for each lane.
struct DealtProducts {
  alignas(64) std::uint64_t of[kChains][kLanes] = {};
  constexpr DealtProducts() {
    for (int c = 0; c < kChains; ++c)
      for (int i = 0; i < kLanes; ++i) of[c][i] = std::uint64_t{kPhiloxM0} * static_cast<unsigned>(dealt(c, i));
  }
};
constexpr DealtProducts kDealtProducts;

// Philox4x32-10 over kBlocks consecutive blocks at a time. A counter word lives in the low half of a 64-bit lane; what
// a product leaves in the high half is never read, since a multiply takes low halves only.
// The blocks share every counter word but the first, so half of rounds 1 and 2 is the same for all: it is done once,
// in scalar. The first round's product of the block number is carried from unit to unit by addition.
class Philox {
 public:
  Philox(Stream stream, std::uint64_t block) {
    const auto s0 = static_cast<std::uint32_t>(stream.number), s1 = static_cast<std::uint32_t>(stream.number >> 32);
    std::uint32_t k0[kPhiloxRounds], k1[kPhiloxRounds];
    for (std::uint32_t r = 0; r < kPhiloxRounds; ++r) {
      k0[r] = static_cast<std::uint32_t>(stream.seed) + r * kPhiloxW0;
      k1[r] = static_cast<std::uint32_t>(stream.seed >> 32) + r * kPhiloxW1;
      key0_[r] = set32(k0[r]);
      key1_[r] = set32(k1[r]);
    }
    const std::uint64_t p1 = std::uint64_t{kPhiloxM1} * s0;
    const std::uint32_t x0 = static_cast<std::uint32_t>(p1 >> 32) ^ static_cast<std::uint32_t>(block >> 32) ^ k0[0];
    const std::uint64_t p0 = std::uint64_t{kPhiloxM0} * x0;
    first_ = set32(s1 ^ k1[0]);
    key0_[1] = set32(static_cast<std::uint32_t>(p1) ^ k0[1]);
    key1_[1] = set32(static_cast<std::uint32_t>(p0 >> 32) ^ k1[1]);
    key1_[2] = set32(static_cast<std::uint32_t>(p0) ^ k1[2]);
    // The sum stays below 2^64, as the blocks share their upper 32 bits.
    const u64v first_product = set64(std::uint64_t{kPhiloxM0} * static_cast<std::uint32_t>(block));
    for (int c = 0; c < kChains; ++c) product_[c] = add64(first_product, load(kDealtProducts.of[c]));
  }

  // The words of any kBlocks blocks, with nothing shared between them.
  static WEIGHTFILL_NOINLINE void scattered(Stream stream, const std::uint64_t* blocks, Pair (&w)[kChains]) {
    u64v x0[kChains], x1[kChains], x2[kChains], x3[kChains];
    for (int c = 0; c < kChains; ++c) {
      alignas(64) std::uint64_t lane[kLanes];
      for (int i = 0; i < kLanes; ++i) lane[i] = blocks[dealt(c, i)];
      x0[c] = load(lane);
      x1[c] = high_half(x0[c]);
      x2[c] = set64(stream.number);
      x3[c] = high_half(x2[c]);
    }
    for (std::uint32_t r = 0;; ++r) {
      const u64v key0 = set32(static_cast<std::uint32_t>(stream.seed) + r * kPhiloxW0);
      const u64v key1 = set32(static_cast<std::uint32_t>(stream.seed >> 32) + r * kPhiloxW1);
      const bool last = r == kPhiloxRounds - 1;
      WEIGHTFILL_UNROLL
      for (int c = 0; c < kChains; ++c) {
        const u64v p0 = multiply_low(x0[c], set64(kPhiloxM0)), p1 = multiply_low(x2[c], set64(kPhiloxM1));
        if (last) w[c] = {last_round(p1, x1[c], key0), last_round(p0, x3[c], key1)};
        x0[c] = xor3(high_half(p1), x1[c], key0);
        x2[c] = xor3(high_half(p0), x3[c], key1);
        x1[c] = p1;
        x3[c] = p0;
      }
      if (last) return;
    }
  }

  // The words of the next kBlocks blocks: w[c] those of chain c.
  WEIGHTFILL_INLINE void next(Pair (&w)[kChains]) {
    const u64v m0 = set64(kPhiloxM0), m1 = set64(kPhiloxM1), step = set64(std::uint64_t{kPhiloxM0} * kBlocks);
    u64v x0[kChains], x1[kChains], x2[kChains], x3[kChains];
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      const u64v p0 = product_[c];
      product_[c] = add64(p0, step);
      x2[c] = xor_(high_half(p0), first_);
      x1[c] = multiply_low(x2[c], m1);
      x0[c] = xor_(high_half(x1[c]), key0_[1]);
      x2[c] = xor_(p0, key1_[1]);
    }
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      const u64v p0 = multiply_low(x0[c], m0), p1 = multiply_low(x2[c], m1);
      x0[c] = xor3(high_half(p1), x1[c], key0_[2]);
      x2[c] = xor_(high_half(p0), key1_[2]);
      x1[c] = p1;
      x3[c] = p0;
    }
    WEIGHTFILL_UNROLL
    for (int r = 3; r < kPhiloxRounds - 1; ++r) {
      WEIGHTFILL_UNROLL
      for (int c = 0; c < kChains; ++c) {
        const u64v p0 = multiply_low(x0[c], m0), p1 = multiply_low(x2[c], m1);
        x0[c] = xor3(high_half(p1), x1[c], key0_[r]);
        x2[c] = xor3(high_half(p0), x3[c], key1_[r]);
        x1[c] = p1;
        x3[c] = p0;
      }
    }
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      const u64v p0 = multiply_low(x0[c], m0), p1 = multiply_low(x2[c], m1);
      w[c] = {last_round(p1, x1[c], key0_[kPhiloxRounds - 1]), last_round(p0, x3[c], key1_[kPhiloxRounds - 1])};
    }
  }

 private:
  u64v product_[kChains];  // kPhiloxM0 * block number
  u64v first_;
  u64v key0_[kPhiloxRounds], key1_[kPhiloxRounds];
};

// Values of one unit: first[c], second[c] from the words w[c].first, w[c].second.
struct Values32 {
  f32v first[kChains], second[kChains];
};
struct Values64 {
  f64v first[kChains], second[kChains];
};

template <bool kClamp>
class Uniform32 {
 public:
  using V = f32v;
  using Values = Values32;
  explicit Uniform32(const Sampler& s)
      : low_(set_f32(s.low32)),
        scale_(set_f32(s.scale32)),
        min_(set_f32(static_cast<float>(s.min))),
        max_(set_f32(static_cast<float>(s.max))) {}

  WEIGHTFILL_INLINE void draw(const Pair (&w)[kChains], Values& x) const {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      x.first[c] = value(w[c].first);
      x.second[c] = value(w[c].second);
    }
  }

 private:
  WEIGHTFILL_INLINE V value(u64v word) const {
    V x = fma(to_f32(shift_right32<8>(word)), scale_, low_);
    if constexpr (kClamp) x = at_most(at_least(x, min_), max_);
    return x;
  }
  V low_, scale_, min_, max_;
};

template <bool kClamp>
class Uniform64 {
 public:
  using V = f64v;
  using Values = Values64;
  explicit Uniform64(const Sampler& s)
      : low_(set_f64(s.low64)), scale_(set_f64(s.scale64)), min_(set_f64(s.min)), max_(set_f64(s.max)) {}

  WEIGHTFILL_INLINE void draw(const Pair (&w)[kChains], Values& x) const {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      x.first[c] = value(w[c].first);
      x.second[c] = value(w[c].second);
    }
  }

 private:
  WEIGHTFILL_INLINE V value(u64v word) const {
    V x = fma(to_f64(shift_right64<11>(word)), scale_, low_);
    if constexpr (kClamp) x = at_most(at_least(x, min_), max_);
    return x;
  }
  V low_, scale_, min_, max_;
};

// Recomputes, one by one, the elements whose m lies below 2^bit.
template <class Word, class Real, class Table>
WEIGHTFILL_NOINLINE u64v mend_tail(u64v values, u64v words, const Table& table, unsigned bit, Real min, Real max) {
  constexpr int n = kLanes * 8 / static_cast<int>(sizeof(Word));
  alignas(64) Word word[n];
  alignas(64) Real x[n];
  store(word, words);
  store(x, values);
  for (int i = 0; i < n; ++i) {
    const auto m = static_cast<Word>(word[i] >> (8 * sizeof(Word) - 1) ? ~word[i] : word[i]);
    if (m >> bit) continue;
    const Real value = quantile(table, word[i]);
    x[i] = value < min ? min : value > max ? max : value;
  }
  return load(x);
}

// Quantile laws in 32 bits: quantile() of quantile.hpp, operation by operation. A polynomial is a chain of dependent
// steps, so kChains of them advance side by side.
template <Form kForm>
class Quantile32 {
 public:
  using Values = Values32;
  explicit Quantile32(const Sampler& s)
      : table_(*s.table32), min_(static_cast<float>(s.min)), max_(static_cast<float>(s.max)) {}

  WEIGHTFILL_INLINE void draw(const Pair (&w)[kChains], Values& x) const {
    u64v first[kChains], second[kChains], seen = set32(~0u);
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) first[c] = w[c].first, second[c] = w[c].second;
    evaluate(first, x.first, seen);
    evaluate(second, x.second, seen);
    if constexpr (kFirstOctave > 0) {
      if (!all_bits32(seen, kFastBits)) [[unlikely]] {
        for (int c = 0; c < kChains; ++c) {
          mend(first[c], x.first[c]);
          mend(second[c], x.second[c]);
        }
      }
    }
  }

 private:
  static constexpr bool kSided = kForm == Form::sided || kForm == Form::equal;
  static constexpr unsigned kFirstOctave = kForm == Form::equal ? 0 : kSided ? kFirstOctaveSided : kFirstOctaveOdd;
  static constexpr std::uint32_t kFastBits = kFirstOctave << 23;  // set in g exactly from that octave up

  static WEIGHTFILL_INLINE f32v fold(u64v word, u64v side) {
    return fma(to_f32(xor_(word, side)), set_f32(kWordScale32), set_f32(2.0f));
  }

  WEIGHTFILL_INLINE f32v coefficient(int k, u64v index, u64v side) const {
    if constexpr (kForm == Form::equal) return look_up_any(table_.c[0][k], table_.c[1][k], index, side);
    else if constexpr (kSided) return look_up(table_.c[0][k], table_.c[1][k], index, side);
    else return look_up(table_.c[0][k], index);
  }

  WEIGHTFILL_INLINE void evaluate(const u64v (&word)[kChains], f32v (&x)[kChains], u64v& seen) const {
    u64v side[kChains], index[kChains];
    f32v d[kChains];
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      side[c] = sign_mask32(word[c]);
      const u64v g =
          kForm == Form::equal ? shift_right32<kEqualShift32>(xor_(word[c], side[c])) : bits(fold(word[c], side[c]));
      if constexpr (kFirstOctave > 0) seen = and_(seen, g);
      const u64v octave = shift_right32<23>(g);
      index[c] = kForm == Form::equal ? and_(octave, set32(31))
                 : kSided             ? sided_index(octave, side[c])
                                      : octave_index(octave);
      d[c] = add(as_f32(and_or(g, set32(0x007fffff), set32(0x3f800000))), set_f32(-1.5f));
      x[c] = coefficient(kDegree32, index[c], side[c]);
    }
    WEIGHTFILL_UNROLL
    for (int k = kDegree32 - 1; k >= 0; --k) {
      WEIGHTFILL_UNROLL
      for (int c = 0; c < kChains; ++c) x[c] = fma(x[c], d[c], coefficient(k, index[c], side[c]));
    }
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      if constexpr (kSided) x[c] = at_most(at_least(x[c], set_f32(min_)), set_f32(max_));
      if constexpr (kForm == Form::odd_clamped)
        x[c] = at_least(x[c], set_f32(min_));  // the lower half is never positive
      if constexpr (!kSided) x[c] = as_f32(xor_and(bits(x[c]), word[c], set32(0x80000000)));
    }
  }

  WEIGHTFILL_INLINE void mend(u64v word, f32v& x) const {
    if (all_bits32(bits(fold(word, sign_mask32(word))), kFastBits)) return;
    const float bound = std::numeric_limits<float>::max();
    x = as_f32(mend_tail<std::uint32_t>(bits(x), word, table_, kFirstOctave, kForm == Form::odd ? -bound : min_,
                                        kForm == Form::odd ? bound : max_));
  }

  const Table32& table_;
  float min_, max_;
};

// Quantile laws in 64 bits.
template <Form kForm>
class Quantile64 {
 public:
  using Values = Values64;
  explicit Quantile64(const Sampler& s) : table_(*s.table64), min_(s.min), max_(s.max) {}

  WEIGHTFILL_INLINE void draw(const Pair (&w)[kChains], Values& x) const {
    u64v first[kChains], second[kChains], seen = set64(~std::uint64_t{0});
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) first[c] = w[c].first, second[c] = w[c].second;
    evaluate(first, x.first, seen);
    evaluate(second, x.second, seen);
    if constexpr (kFirstPiece > 0) {
      if (!all_bits64(seen, kFastBits)) [[unlikely]] {
        for (int c = 0; c < kChains; ++c) {
          mend(first[c], x.first[c]);
          mend(second[c], x.second[c]);
        }
      }
    }
  }

 private:
  static constexpr bool kSided = kForm == Form::sided || kForm == Form::equal;
  static constexpr unsigned kFirstPiece = kForm == Form::equal ? 0 : kFirstPiece64;
  static constexpr std::uint64_t kFastBits = std::uint64_t{kFirstPiece} << 51;
  static constexpr double kCentre = 0x1p64;  // g of the last octave

  static WEIGHTFILL_INLINE f64v fold(u64v word, u64v side) {
    return fma(to_f64(xor_(word, side)), set_f64(kWordScale64), set_f64(2.0));
  }

  WEIGHTFILL_INLINE f64v coefficient(int k, u64v index, u64v side) const {
    if constexpr (kForm == Form::equal) return look_up_any(table_.c[0][k], table_.c[1][k], index, side);
    else if constexpr (kSided) return look_up(table_.c[0][k], table_.c[1][k], index, side);
    else return look_up(table_.c[0][k], index);
  }

  WEIGHTFILL_INLINE void evaluate(const u64v (&word)[kChains], f64v (&x)[kChains], u64v& seen) const {
    u64v side[kChains], index[kChains];
    f64v d[kChains], factor[kChains];
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      side[c] = sign_mask64(word[c]);
      const f64v g =
          kForm == Form::equal ? as_f64(shift_right64<kEqualShift64>(xor_(word[c], side[c]))) : fold(word[c], side[c]);
      if constexpr (kFirstPiece > 0) seen = and_(seen, bits(g));
      index[c] = piece_index(shift_right64<51>(bits(g)));
      d[c] = add(as_f64(and_or(bits(g), set64(0x000fffffffffffff), set64(0x3ff0000000000000))), set_f64(-1.5));
      if constexpr (!kSided) {
        const u64v rest = xor_(xor_(word[c], side[c]), set64(INT64_MAX));
        const f64v p = fma(to_f64(rest), set_f64(0x1p-64), set_f64(0x1p-65));
        factor[c] = where_at_least(g, set_f64(kCentre), p, set_f64(1.0));
        d[c] = where_at_least(g, set_f64(kCentre), multiply(p, p), d[c]);
      }
      x[c] = coefficient(kDegree64, index[c], side[c]);
    }
    WEIGHTFILL_UNROLL
    for (int k = kDegree64 - 1; k >= 0; --k) {
      WEIGHTFILL_UNROLL
      for (int c = 0; c < kChains; ++c) x[c] = fma(x[c], d[c], coefficient(k, index[c], side[c]));
    }
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      if constexpr (kSided) {
        x[c] = at_most(at_least(x[c], set_f64(min_)), set_f64(max_));
      } else {
        x[c] = multiply(x[c], factor[c]);
        if constexpr (kForm == Form::odd_clamped) x[c] = at_least(x[c], set_f64(min_));
        x[c] = as_f64(xor_and(bits(x[c]), word[c], set64(std::uint64_t{1} << 63)));
      }
    }
  }

  WEIGHTFILL_INLINE void mend(u64v word, f64v& x) const {
    if (all_bits64(bits(fold(word, sign_mask64(word))), kFastBits)) return;
    const double bound = std::numeric_limits<double>::max();
    x = as_f64(mend_tail<std::uint64_t>(bits(x), word, table_, kFirstPiece / 2, kForm == Form::odd ? -bound : min_,
                                        kForm == Form::odd ? bound : max_));
  }

  const Table64& table_;
  double min_, max_;
};

WEIGHTFILL_INLINE void put(void* out, u64v v, bool streaming) {
  if (streaming) stream(out, v);
  else store(out, v);
}

constexpr std::size_t kBytes = kLanes * 8;  // of a vector

// 32- and 64-bit values as they are.
struct Whole {
  template <class Values>
  static WEIGHTFILL_INLINE std::byte* write(std::byte* out, const Values& x, bool streaming) {
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
  static WEIGHTFILL_INLINE std::byte* write(std::byte* out, const Values32& x, bool streaming) {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c, out += kBytes) put(out, round_f16(x.first[c], x.second[c]), streaming);
    return out;
  }
};

struct Bfloat16 {
  static WEIGHTFILL_INLINE std::byte* write(std::byte* out, const Values32& x, bool streaming) {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c, out += kBytes) put(out, round_bf16(x.first[c], x.second[c]), streaming);
    return out;
  }
};

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

template <int kMantissa, std::uint32_t kTiny>
struct Float8 {
  static WEIGHTFILL_INLINE std::byte* write(std::byte* out, const Values32& x, bool streaming) {
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

#define WEIGHTFILL_FORM(law32, law64)                                                      \
  {fill_units<law32, Whole>,    fill_units<law64, Whole>,      fill_units<law32, Float16>, \
   fill_units<law32, Bfloat16>, fill_units<law32, Float8E4M3>, fill_units<law32, Float8E5M2>}

constexpr Kernels kTable = {
    WEIGHTFILL_ISA_NAME,
    kUnitWords,
    {WEIGHTFILL_FORM(Uniform32<false>, Uniform64<false>), WEIGHTFILL_FORM(Uniform32<true>, Uniform64<true>),
     WEIGHTFILL_FORM(Quantile32<Form::odd>, Quantile64<Form::odd>),
     WEIGHTFILL_FORM(Quantile32<Form::odd_clamped>, Quantile64<Form::odd_clamped>),
     WEIGHTFILL_FORM(Quantile32<Form::sided>, Quantile64<Form::sided>),
     WEIGHTFILL_FORM(Quantile32<Form::equal>, Quantile64<Form::equal>)},
    write_words,
    bound_words,
    pack_bytes,
    keep_elements,
    stream_copy,
    stream_pattern,
};
// A row of it for each dtype, in their order.
static_assert([] {
  for (const auto& form : kTable.units)
    for (const UnitKernel kernel : form)
      if (kernel == nullptr) return false;
  return true;
}());
