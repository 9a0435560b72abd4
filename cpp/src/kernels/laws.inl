// How the words of a unit become values, a class a form of law. Included by kernels.inl.

// What differs between values of 32 and of 64 bits. A piece is an octave of the table, or half of one.
template <class Real>
struct Lane;

template <>
struct Lane<float> {
  using V = f32v;
  using Word = std::uint32_t;
  using Table = Table32;
  static constexpr int kDegree = kDegree32, kPieceShift = 23, kPiecesOfOctave = 1;
  static constexpr int kUniformShift = 8, kEqualShift = kEqualShift32;
  static constexpr unsigned kFirstOdd = kFirstOctaveOdd, kFirstSided = kFirstOctaveSided;
  static constexpr float kWordScale = kWordScale32;
  static constexpr Word kMantissa = 0x007fffff, kOne = 0x3f800000;
  static constexpr bool kCentred = false;  // whether the last octave of an odd table is a polynomial in p^2

  static const Table& table(const Sampler& s) { return *s.table32; }
  static V low(const Sampler& s) { return set_f32(s.low32); }
  static V scale(const Sampler& s) { return set_f32(s.scale32); }
  static V set(float a) { return set_f32(a); }
  static u64v set_word(Word a) { return set32(a); }
  static V as_real(u64v a) { return as_f32(a); }
  static V to_real(u64v a) { return to_f32(a); }
  static u64v sign_mask(u64v a) { return sign_mask32(a); }
  static bool all_bits(u64v a, Word b) { return all_bits32(a, b); }
  template <int n>
  static u64v shift_right(u64v a) {
    return shift_right32<n>(a);
  }
  template <Form kForm>
  static u64v index(u64v piece, [[maybe_unused]] u64v side) {
    if constexpr (kForm == Form::equal) return any_index(piece, side);
    else if constexpr (kForm == Form::sided) return sided_index(piece, side);
    else return octave_index(piece);
  }
};

template <>
struct Lane<double> {
  using V = f64v;
  using Word = std::uint64_t;
  using Table = Table64;
  static constexpr int kDegree = kDegree64, kPieceShift = 51, kPiecesOfOctave = 2;
  static constexpr int kUniformShift = 11, kEqualShift = kEqualShift64;
  static constexpr unsigned kFirstOdd = kFirstPiece64, kFirstSided = kFirstPiece64;
  static constexpr double kWordScale = kWordScale64;
  static constexpr Word kMantissa = 0x000fffffffffffff, kOne = 0x3ff0000000000000;
  static constexpr bool kCentred = true;

  static const Table& table(const Sampler& s) { return *s.table64; }
  static V low(const Sampler& s) { return set_f64(s.low64); }
  static V scale(const Sampler& s) { return set_f64(s.scale64); }
  static V set(double a) { return set_f64(a); }
  static u64v set_word(Word a) { return set64(a); }
  static V as_real(u64v a) { return as_f64(a); }
  static V to_real(u64v a) { return to_f64(a); }
  static u64v sign_mask(u64v a) { return sign_mask64(a); }
  static bool all_bits(u64v a, Word b) { return all_bits64(a, b); }
  template <int n>
  static u64v shift_right(u64v a) {
    return shift_right64<n>(a);
  }
  template <Form kForm>
  static u64v index(u64v piece, [[maybe_unused]] u64v side) {
    if constexpr (kForm == Form::equal || kForm == Form::sided) return sided_piece_index(piece, side);
    else return piece_index(piece);
  }
};

// Values of one unit: first[c], second[c] from the words w[c].first, w[c].second.
template <class Real>
struct UnitValues {
  typename Lane<Real>::V first[kChains], second[kChains];
};

template <class Real, bool kClamp>
class Uniform {
  using L = Lane<Real>;
  using V = typename L::V;

 public:
  using Values = UnitValues<Real>;
  explicit Uniform(const Sampler& s)
      : low_(L::low(s)),
        scale_(L::scale(s)),
        min_(L::set(static_cast<Real>(s.min))),
        max_(L::set(static_cast<Real>(s.max))) {}

  WEIGHTFILL_INLINE void draw(const Pair (&w)[kChains], Values& x) const {
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      x.first[c] = value(w[c].first);
      x.second[c] = value(w[c].second);
    }
  }

 private:
  WEIGHTFILL_INLINE V value(u64v word) const {
    V x = fma(L::to_real(L::template shift_right<L::kUniformShift>(word)), scale_, low_);
    if constexpr (kClamp) x = at_most(at_least(x, min_), max_);
    return x;
  }
  V low_, scale_, min_, max_;
};

// Recomputes, one by one, the elements whose m lies below 2^bit.
template <class Real>
WEIGHTFILL_NOINLINE u64v mend_tail(u64v values, u64v words, const typename Lane<Real>::Table& table, unsigned bit,
                                   Real min, Real max) {
  using Word = typename Lane<Real>::Word;
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

// quantile() of quantile.hpp, operation by operation. A polynomial is a chain of dependent steps, so kChains of them
// advance side by side.
template <class Real, Form kForm>
class Quantile {
  using L = Lane<Real>;
  using V = typename L::V;
  using Word = typename L::Word;

 public:
  using Values = UnitValues<Real>;
  explicit Quantile(const Sampler& s)
      : table_(L::table(s)), min_(static_cast<Real>(s.min)), max_(static_cast<Real>(s.max)) {}

  WEIGHTFILL_INLINE void draw(const Pair (&w)[kChains], Values& x) const {
    u64v first[kChains], second[kChains], seen = L::set_word(static_cast<Word>(-1));
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) first[c] = w[c].first, second[c] = w[c].second;
    evaluate(first, x.first, seen);
    evaluate(second, x.second, seen);
    if constexpr (kFirstPiece > 0) {
      if (!L::all_bits(seen, kFastBits)) [[unlikely]] {
        for (int c = 0; c < kChains; ++c) {
          mend(first[c], x.first[c]);
          mend(second[c], x.second[c]);
        }
      }
    }
  }

 private:
  static constexpr bool kEqual = kForm == Form::equal, kSided = kForm == Form::sided || kEqual;
  static constexpr bool kCentred = L::kCentred && !kSided;
  static constexpr Real kCentre = 0x1p64;  // g of the last octave in 64 bits
  static constexpr unsigned kFirstPiece = kEqual ? 0 : kSided ? L::kFirstSided : L::kFirstOdd;
  static constexpr Word kFastBits = Word{kFirstPiece} << L::kPieceShift;  // set in g exactly from that piece up

  static WEIGHTFILL_INLINE u64v fold(u64v word, u64v side) {
    if constexpr (kEqual) return L::template shift_right<L::kEqualShift>(xor_(word, side));
    else return bits(fma(L::to_real(xor_(word, side)), L::set(L::kWordScale), L::set(2)));
  }

  WEIGHTFILL_INLINE V coefficient(int k, u64v index, u64v side) const {
    if constexpr (kEqual) return look_up_any(table_.c[0][k], table_.c[1][k], index, side);
    else if constexpr (kSided) return look_up(table_.c[0][k], table_.c[1][k], index, side);
    else return look_up(table_.c[0][k], index);
  }

  WEIGHTFILL_INLINE void evaluate(const u64v (&word)[kChains], V (&x)[kChains], u64v& seen) const {
    u64v side[kChains], index[kChains];
    V d[kChains];
    [[maybe_unused]] V factor[kChains];
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      side[c] = L::sign_mask(word[c]);
      const u64v g = fold(word[c], side[c]);
      if constexpr (kFirstPiece > 0) seen = and_(seen, g);
      index[c] = L::template index<kForm>(L::template shift_right<L::kPieceShift>(g), side[c]);
      d[c] = add(L::as_real(and_or(g, L::set_word(L::kMantissa), L::set_word(L::kOne))), L::set(Real{-1.5}));
      if constexpr (kCentred) {
        const u64v rest = xor_(xor_(word[c], side[c]), L::set_word(INT64_MAX));
        const V p = fma(L::to_real(rest), L::set(0x1p-64), L::set(0x1p-65));
        factor[c] = where_at_least(L::as_real(g), L::set(kCentre), p, L::set(1.0));
        d[c] = where_at_least(L::as_real(g), L::set(kCentre), multiply(p, p), d[c]);
      }
      x[c] = coefficient(L::kDegree, index[c], side[c]);
    }
    WEIGHTFILL_UNROLL
    for (int k = L::kDegree - 1; k >= 0; --k) {
      WEIGHTFILL_UNROLL
      for (int c = 0; c < kChains; ++c) x[c] = fma(x[c], d[c], coefficient(k, index[c], side[c]));
    }
    WEIGHTFILL_UNROLL
    for (int c = 0; c < kChains; ++c) {
      if constexpr (kCentred) x[c] = multiply(x[c], factor[c]);
      if constexpr (kSided) {
        x[c] = at_most(at_least(x[c], L::set(min_)), L::set(max_));
      } else {
        if constexpr (kForm == Form::odd_clamped)
          x[c] = at_least(x[c], L::set(min_));  // the lower half is never positive
        x[c] = L::as_real(xor_and(bits(x[c]), word[c], L::set_word(Word{1} << (8 * sizeof(Word) - 1))));
      }
    }
  }

  WEIGHTFILL_INLINE void mend(u64v word, V& x) const {
    if (L::all_bits(fold(word, L::sign_mask(word)), kFastBits)) return;
    const Real bound = std::numeric_limits<Real>::max();
    x = L::as_real(mend_tail<Real>(bits(x), word, table_, kFirstPiece / L::kPiecesOfOctave,
                                   kForm == Form::odd ? -bound : min_, kForm == Form::odd ? bound : max_));
  }

  const typename L::Table& table_;
  Real min_, max_;
};
