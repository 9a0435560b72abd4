// The quantile tables of a log-uniform law: x = centre * exp(spread * (u - 1/2)), or a function of it.
#include <cassert>
#include <limits>

#include "laws/exact_math.hpp"
#include "laws/interpolation.hpp"
#include "laws/law.hpp"

namespace weightfill {
namespace {

// Of x and log(x).
using Transform = double (*)(double x, double log_x);

double unchanged(double x, double /*log_x*/) { return x; }

// log(exp(x) - 1).
double inverse_softplus(double x, double log_x) {
  if (x >= 1.0) return x + exact::log(1.0 - exact::exp(-x));
  double series = 1.0;  // (exp(x) - 1) / x
  for (int n = 18; n > 1; --n) series = 1.0 + series * x / n;
  return log_x + exact::log(series);
}

class LogUniformTables final : public LawTables {
 public:
  LogUniformTables(double low, double high, Transform transform)
      : transform_(transform),
        spread_(exact::log(high / low)),
        centre_(std::sqrt(low) * std::sqrt(high)),
        log_centre_(exact::log(centre_)) {
    assert(low >= std::numeric_limits<double>::min() && low < high && high / low <= 1.0001e30);
    const Interpolation fit(tables::kNodes32, tables::kChebyshev32, 2.0, 0.0);
    table32_.odd = false;
    table32_.equal = true;
    for (int piece = 0; piece < kOctaves32; ++piece) store(fit, piece, 0x1p-6, 0x1p-30, table32_.c, piece);
  }

 private:
  void build64(Table64& table) const override {
    const Interpolation lower_half(tables::kNodes64, tables::kChebyshev64, 4.0, 1.0);
    const Interpolation upper_half(tables::kNodes64, tables::kChebyshev64, 4.0, -1.0);
    table.odd = false;
    table.equal = true;
    for (int half = 0; half < kPieces64; ++half)
      store(half & 1 ? upper_half : lower_half, half >> 1, 0x1p-7, 0x1p-60, table.c, half);
  }

  // `width`: of a piece, in u; `middle`: of the words that share a d, so that u is right for them on average.
  template <class T, int N, int Pieces>
  void store(const Interpolation<N>& fit, int piece, double width, double middle, T (&out)[2][N][Pieces],
             int place) const {
    double c[N];
    for (int side = 0; side < 2; ++side) {
      const double spread = side == 0 ? spread_ : -spread_;
      fit([&](double d) { return value(spread * ((piece + 0.5 + d) * width + middle - 0.5)); }, c);
      store_piece(c, out[side], place);
    }
  }

  // s: the logarithm of x / centre.
  double value(double s) const {
    const double x = s < 0.0 ? centre_ * exact::exp(s) : centre_ / exact::exp(-s);
    return transform_(x, log_centre_ + s);
  }

  Transform transform_;
  double spread_, centre_, log_centre_;
};

}  // namespace

Law log_uniform(const double* parameters) {
  const double low = parameters[0], high = parameters[1];
  const Transform transform = parameters[2] == 0.0 ? unchanged : inverse_softplus;
  return Law::quantile(transform(low, exact::log(low)), transform(high, exact::log(high)),
                       std::make_shared<const LogUniformTables>(low, high, transform));
}

}  // namespace weightfill
