// The quantile tables of a truncated normal law, built by solving for the quantile at the nodes of each piece.
#include <algorithm>
#include <cassert>

#include "laws/exact_math.hpp"
#include "laws/interpolation.hpp"
#include "laws/law.hpp"
#include "laws/quantile.hpp"
#include "laws/quantile_tables.hpp"

namespace weightfill {
namespace {

constexpr double kFar = 1e150;  // stands in for infinite standardized bounds: its square is finite

// The lower side of a law: x = base + std * offset(t), t the probability of less than x, up to 1/2.
class LowerSide {
 public:
  LowerSide(double mean, double std, double low, double high) {
    const double alpha = std::clamp((low - mean) / std, -kFar, kFar);
    const double beta = std::clamp((high - mean) / std, -kFar, kFar);
    const double width = alpha < 0 && beta > 0 ? beta - alpha : (high - low) / std;
    if (width * (std::fabs(alpha) + width) < 0.25) {
      form_ = Form::narrow;
      base_ = low;
      anchor_ = alpha;
      mass_ = exact::integral(alpha, width).value;
    } else if (alpha >= 0 || beta <= 0) {
      form_ = alpha >= 0 ? Form::upper_tail : Form::lower_tail;
      base_ = alpha >= 0 ? low : high;
      anchor_ = alpha >= 0 ? alpha : -beta;
      mills_ = exact::mills(anchor_);
      const double far_mills = exact::mills(alpha >= 0 ? beta : -alpha);
      rest_ = exact::exp(-width * (anchor_ + 0.5 * width)) * (far_mills / mills_);
      mass_ = 1.0 - rest_;
    } else {
      form_ = Form::straddling;
      base_ = mean;
      mills_ = exact::mills(0.0);
      below_ = exact::tail(-alpha);
      rest_ = exact::tail(beta);
      centre_ = tables::kInverseSqrt2Pi * exact::central_integral(-alpha);
      mass_ = centre_ + tables::kInverseSqrt2Pi * exact::central_integral(beta);
    }
  }

  double base() const { return base_; }

  // Cheapest in ascending order of t.
  double offset(double t) {
    switch (form_) {
      case Form::narrow:
        return exact::integral_inverse(anchor_, t * mass_);
      case Form::upper_tail:
        return distance(t * mass_, 1.0 - t * mass_);
      case Form::lower_tail:
        return -distance((1.0 - t) * mass_, rest_ + t * mass_);
      case Form::straddling:
        break;
    }
    const double to_centre = centre_ - t * mass_;
    if (to_centre >= 0) return -distance(2.0 * to_centre, 2.0 * (below_ + t * mass_));
    return distance(-2.0 * to_centre, 2.0 * (rest_ + (1.0 - t) * mass_));
  }

 private:
  enum class Form { narrow, upper_tail, lower_tail, straddling };

  double distance(double loss, double ratio) {
    distance_ = exact::tail_distance(anchor_, mills_, loss, ratio, distance_);
    return distance_;
  }

  Form form_;
  double base_;
  double anchor_ = 0;    // the point from which distances are measured, in standard deviations
  double mills_ = 0;     // at the anchor
  double mass_ = 0;      // between the bounds; over the density (narrow), the tail probability (tails) at the anchor
  double rest_ = 0;      // beyond the bound on the far (straddling: upper) side, in the same unit
  double below_ = 0;     // straddling: below the lower bound
  double centre_ = 0;    // straddling: between the lower bound and the mean
  double distance_ = 0;  // the last one found
};

// The symmetric law's x / std as -p * ratio(p^2), p = 1/2 - t.
class Centre {
 public:
  explicit Centre(double beta) : half_(exact::central_integral(std::min(beta, kFar))) {}

  double ratio(double square) {
    if (square == 0) return 2.0 * half_;
    const double p = std::sqrt(square), loss = 2.0 * p * half_ / mills_;
    distance_ = exact::tail_distance(0.0, mills_, loss, 1.0 - loss, distance_);
    return distance_ / p;
  }

 private:
  double half_, mills_ = exact::mills(0.0), distance_ = 0;
};

class TruncatedNormalTables final : public LawTables {
 public:
  TruncatedNormalTables(double mean, double std, double low, double high)
      : mean_(mean), std_(std), low_(low), high_(high), odd_(mean == 0 && low == -high) {
    const Interpolation fit(tables::kNodes32, tables::kChebyshev32, 2.0, 0.0);
    double c[kDegree32 + 1];
    table32_.odd = odd_;
    for (int side = 0; side < 2; ++side) {
      if (side == 1 && odd_) {
        for (int k = 0; k <= kDegree32; ++k) {
          for (int octave = 0; octave < kOctaves32; ++octave) table32_.c[1][k][octave] = -table32_.c[0][k][octave];
        }
        continue;
      }
      LowerSide law = side_of_law(side);
      for (int octave = 0; octave < kOctaves32; ++octave) {
        const double unit = power_of_two(octave + 1 - 34);
        fit([&](double d) { return law.offset((1.5 + d) * unit); }, c);
        store(c, law.base(), side, table32_.c[side], octave);
      }
    }
  }

 private:
  void build64(Table64& table) const override {
    const Interpolation lower_half(tables::kNodes64, tables::kChebyshev64, 4.0, 1.0);
    const Interpolation upper_half(tables::kNodes64, tables::kChebyshev64, 4.0, -1.0);
    double c[kDegree64 + 1];
    table.odd = odd_;
    for (int side = 0; side < 2; ++side) {
      LowerSide law = side_of_law(side);
      for (int piece = 0; piece < (odd_ ? kPieces64 - 2 : kPieces64); ++piece) {
        const double unit = power_of_two((piece >> 1) + 1 - 66);
        const auto& fit = piece & 1 ? upper_half : lower_half;
        fit([&](double d) { return law.offset((1.5 + d) * unit); }, c);
        store(c, law.base(), side, table.c[side], piece);
      }
      if (!odd_) continue;
      Centre centre(high_ / std_);
      const Interpolation fit(tables::kNodes64, tables::kChebyshev64, 32.0, -1.0);
      fit([&](double square) { return -centre.ratio(square); }, c);
      for (int piece = kPieces64 - 2; piece < kPieces64; ++piece) store(c, 0.0, side, table.c[side], piece);
    }
  }

  // The upper side is the lower one of the mirrored law, with the opposite sign.
  LowerSide side_of_law(int side) const {
    return side == 0 ? LowerSide(mean_, std_, low_, high_) : LowerSide(-mean_, std_, -high_, -low_);
  }

  template <class T, int N, int Pieces>
  void store(const double (&c)[N], double base, int side, T (&out)[N][Pieces], int piece) const {
    const double sign = side == 0 ? 1.0 : -1.0;
    for (int k = 0; k < N; ++k) out[k][piece] = static_cast<T>(sign * ((k == 0 ? base : 0.0) + std_ * c[k]));
  }

  static double power_of_two(int exponent) {
    return std::bit_cast<double>(static_cast<std::uint64_t>(1023 + exponent) << 52);
  }

  double mean_, std_, low_, high_;
  bool odd_;
};

}  // namespace

std::shared_ptr<const LawTables> truncated_normal_tables(double mean, double std, double low, double high) {
  assert(std::isfinite(mean) && std::isfinite(std) && std > 0 && low < high);
  if (std::isinf(low) && std::isinf(high)) return normal_tables(mean, std);
  return std::make_shared<const TruncatedNormalTables>(mean, std, low, high);
}

Law truncated_normal(const double* parameters) {
  const double mean = parameters[0], std = parameters[1], low = parameters[2], high = parameters[3];
  return Law::quantile(low, high, truncated_normal_tables(mean, std, low, high));
}

}  // namespace weightfill
