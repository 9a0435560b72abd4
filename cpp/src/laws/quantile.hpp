// Quantile functions as tables: x = F(word), a piecewise polynomial with mean and std folded into its coefficients.
//
// The word is folded about its middle into m, its distance from the nearer end of the range, and a side (0: the lower
// half, 1: the upper). g = (4 - 2^-22) * m + 2 is a float in [2, 2^33); its exponent picks one of 32 octaves, its
// mantissa gives d in [-0.5, 0.5). The factor just below 4 keeps the largest m inside the last octave. Octave 31 of
// either side meets the median, octave 0 holds the outermost word alone.
//
// The 64-bit form is the same over 64 octaves, each cut in half: 128 pieces a side.
//
// A table is odd if its upper side is the exact negation of its lower one (mean 0, symmetric bounds). A kernel may then
// use the lower side and flip the sign. In an odd 64-bit table the last octave, a quarter of the mass, is a polynomial
// R in the square of p = |u - 1/2| with x = p * R(p^2), so that the relative error is small up to x = 0.
//
// A table is equal if its pieces have one width: for laws that are smooth up to their bounds, of any spread, where
// octaves would leave a quarter of all words to one polynomial. The piece is the top bits of m, d the bits below them.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "weightfill/fill.hpp"

namespace weightfill {

inline constexpr int kDegree32 = 6, kOctaves32 = 32;
inline constexpr int kDegree64 = 14, kPieces64 = 128;

struct alignas(64) Table32 {
  float c[2][kDegree32 + 1][kOctaves32];  // [side][power of d][octave, or piece]
  bool odd;
  bool equal = false;  // never both
};

struct alignas(64) Table64 {
  double c[2][kDegree64 + 1][kPieces64];  // [side][power of d, or of p^2][half octave, or half piece]
  bool odd;
  bool equal = false;
};

inline constexpr float kWordScale32 = 0x1.fffffep+1f;         // 4 - 2^-22
inline constexpr double kWordScale64 = 0x1.fffffffffffffp+1;  // 4 - 2^-51
inline constexpr int kEqualShift32 = 3, kEqualShift64 = 5;    // of m, to where g has octave and mantissa

// F(word) for u = (word + 1/2) / 2^32. The reference of the vector kernels, operation by operation.
inline float quantile(const Table32& table, std::uint32_t word) {
  const bool upper = word >> 31;
  const auto m = static_cast<std::int32_t>(upper ? ~word : word);
  const float g = std::fma(static_cast<float>(m), kWordScale32, 2.0f);
  const auto bits = table.equal ? static_cast<std::uint32_t>(m) >> kEqualShift32 : std::bit_cast<std::uint32_t>(g);
  const std::uint32_t octave = (bits >> 23) & 31;
  const float d = std::bit_cast<float>((bits & 0x007fffff) | 0x3f800000) - 1.5f;
  const auto& c = table.c[upper];
  float x = c[kDegree32][octave];
  for (int k = kDegree32 - 1; k >= 0; --k) x = std::fma(x, d, c[k][octave]);
  return x;
}

// F(word) for u = (word + 1/2) / 2^64.
inline double quantile(const Table64& table, std::uint64_t word) {
  const bool upper = word >> 63;
  const auto m = static_cast<std::int64_t>(upper ? ~word : word);
  const double g = std::fma(static_cast<double>(m), kWordScale64, 2.0);
  const auto bits = table.equal ? static_cast<std::uint64_t>(m) >> kEqualShift64 : std::bit_cast<std::uint64_t>(g);
  const std::uint64_t piece = (bits >> 51) & 127;
  double d = std::bit_cast<double>((bits & 0x000fffffffffffff) | 0x3ff0000000000000) - 1.5;
  double factor = 1.0;
  if (table.odd && piece >= kPieces64 - 2) {
    const auto h = static_cast<std::int64_t>(INT64_MAX - m);
    factor = std::fma(static_cast<double>(h), 0x1p-64, 0x1p-65);
    d = factor * factor;
  }
  const auto& c = table.c[upper];
  double x = c[kDegree64][piece];
  for (int k = kDegree64 - 1; k >= 0; --k) x = std::fma(x, d, c[k][piece]);
  return x * factor;
}

// The tables of one law. A maker of laws builds the 32-bit one; the 64-bit one is built when first asked for.
class LawTables {
 public:
  virtual ~LawTables() = default;
  const Table32& table32() const { return table32_; }
  const Table64& table64() const {
    std::call_once(once_, [this] {
      auto table = std::make_unique<Table64>();
      build64(*table);
      table64_ = std::move(table);
    });
    return *table64_;
  }

 protected:
  Table32 table32_;

 private:
  virtual void build64(Table64& table) const = 0;

  mutable std::once_flag once_;
  mutable std::unique_ptr<const Table64> table64_;
};

std::shared_ptr<const LawTables> normal_tables(double mean, double std);
std::shared_ptr<const LawTables> truncated_normal_tables(double mean, double std, double low, double high);

}  // namespace weightfill
