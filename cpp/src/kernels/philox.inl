// Philox4x32-10 for the blocks of a unit, written once. Included by kernels.inl.

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
    // What rounds 1 and 2 do to the words that all blocks share. The shared halves are xored into the keys that they
    // meet: key0_[1], key1_[1] and key1_[2] hold both, key0_[0] and key1_[0] are used up here.
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
