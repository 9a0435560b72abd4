// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11), one block at a
// time. This is the reference: every vector kernel must produce these words.
#pragma once

#include <array>
#include <cstdint>

namespace weightfill {

inline constexpr std::uint32_t kPhiloxM0 = 0xD2511F53;  // multipliers and Weyl constants: Salmon et al., table 2
inline constexpr std::uint32_t kPhiloxM1 = 0xCD9E8D57;
inline constexpr std::uint32_t kPhiloxW0 = 0x9E3779B9;  // golden ratio
inline constexpr std::uint32_t kPhiloxW1 = 0xBB67AE85;  // sqrt(3) - 1
inline constexpr int kPhiloxRounds = 10;

// A stream of random words. Word n is word n & 3 of block n >> 2, for n in [0, 2^66).
struct Stream {
  std::uint64_t seed = 0;    // the key
  std::uint64_t number = 0;  // the high half of the counter
};

using PhiloxBlock = std::array<std::uint32_t, 4>;

// The four words of a counter under a key.
constexpr PhiloxBlock philox4x32(PhiloxBlock counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const std::uint64_t p0 = std::uint64_t{kPhiloxM0} * counter[0];
    const std::uint64_t p1 = std::uint64_t{kPhiloxM1} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(p0)};
    key0 += kPhiloxW0;
    key1 += kPhiloxW1;
  }
  return counter;
}

// Words 4 * block to 4 * block + 3 of a stream.
constexpr PhiloxBlock philox_block(Stream stream, std::uint64_t block) {
  return philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                     static_cast<std::uint32_t>(stream.number), static_cast<std::uint32_t>(stream.number >> 32)},
                    static_cast<std::uint32_t>(stream.seed), static_cast<std::uint32_t>(stream.seed >> 32));
}

}  // namespace weightfill
