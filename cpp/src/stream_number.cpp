// Names of streams as numbers: BLAKE2b (RFC 7693), unkeyed, of 8 bytes.
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

#include "kernels/isa.hpp"
#include "weightfill/fill.hpp"

namespace weightfill {
namespace {

constexpr std::size_t kBlock = 128, kDigest = 8;

constexpr std::array<std::uint64_t, 8> kIv = {// RFC 7693, section 2.6: square roots of the first eight primes
                                              0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B,
                                              0xA54FF53A5F1D36F1, 0x510E527FADE682D1, 0x9B05688C2B3E6C1F,
                                              0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179};

constexpr std::uint8_t kSigma[10][16] = {
    // RFC 7693, section 2.7
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

using State = std::array<std::uint64_t, 8>;

std::uint64_t little_endian(const char* bytes) {
  std::uint64_t word = 0;
  for (int i = 0; i < 8; ++i) word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return word;
}

using Words = std::uint64_t[16];

inline void mix(std::uint64_t& a, std::uint64_t& b, std::uint64_t& c, std::uint64_t& d, std::uint64_t x,
                std::uint64_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 32);
  c += d;
  b = std::rotr(b ^ c, 24);
  a += b + y;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 63);
}

// A template, so that the order of the words is known when it is compiled: that halves the time.
template <int kRound>
WEIGHTFILL_INLINE void mix_round(Words& v, const Words& m) {
  constexpr auto& s = kSigma[kRound % 10];
  mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
  mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
  mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
  mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
  mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
  mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
  mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
  mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
}

// Mixes a block into the state; `end` is the number of bytes hashed up to its end.
void compress(State& h, const char (&block)[kBlock], std::uint64_t end, bool last) {
  Words m, v;
  for (int i = 0; i < 16; ++i) m[i] = little_endian(block + 8 * i);
  std::copy(h.begin(), h.end(), v);
  std::copy(kIv.begin(), kIv.end(), v + 8);
  v[12] ^= end;
  if (last) v[14] = ~v[14];
  [&]<int... kRound>(std::integer_sequence<int, kRound...>) {
    (mix_round<kRound>(v, m), ...);
  }(std::make_integer_sequence<int, 12>());
  for (std::size_t i = 0; i < 8; ++i) h[i] ^= v[i] ^ v[i + 8];
}

}  // namespace

std::uint64_t stream_number(std::string_view name, std::string_view person) {
  if (name.empty() && person.empty()) return 0;
  assert(person.size() <= 16);
  char personal[16] = {};
  std::copy(person.begin(), person.end(), personal);
  State h = kIv;
  h[0] ^= 0x01010000 | kDigest;  // fanout and depth 1
  h[6] ^= little_endian(personal);
  h[7] ^= little_endian(personal + 8);
  std::size_t hashed = 0;
  do {
    char block[kBlock] = {};
    const std::size_t some = std::min(name.size() - hashed, kBlock);
    std::copy_n(name.begin() + static_cast<std::ptrdiff_t>(hashed), some, block);
    hashed += some;
    compress(h, block, hashed, hashed == name.size());
  } while (hashed < name.size());
  return h[0];
}

}  // namespace weightfill
