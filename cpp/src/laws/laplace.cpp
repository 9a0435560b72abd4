// The quantile tables of a Laplace law: below the mean, x = mean + scale * log(2 t), t the probability of less than x.
// From one octave to the next the logarithm changes by ln 2 alone, so one polynomial serves all octaves.
#include <cassert>
#include <limits>

#include "laws/exact_math.hpp"
#include "laws/interpolation.hpp"
#include "laws/law.hpp"

namespace weightfill {
namespace {

class LaplaceTables final : public LawTables {
 public:
  LaplaceTables(double mean, double scale) : mean_(mean), scale_(scale) {
    assert(std::isfinite(mean) && std::isfinite(scale) && scale > 0);
    double log[kDegree32 + 1];
    Interpolation(tables::kNodes32, tables::kChebyshev32, 2.0, 0.0)(log_in_octave, log);
    table32_.odd = mean == 0.0;
    for (int octave = 0; octave < kOctaves32; ++octave) store(log, octave - kOctaves32, table32_.c, octave);
  }

 private:
  void build64(Table64& table) const override {
    double log[2][kDegree64 + 1];
    Interpolation(tables::kNodes64, tables::kChebyshev64, 4.0, 1.0)(log_in_octave, log[0]);
    Interpolation(tables::kNodes64, tables::kChebyshev64, 4.0, -1.0)(log_in_octave, log[1]);
    table.odd = false;  // the centre of an odd table is a polynomial in p^2, and log(1 - 2 p) is none
    for (int piece = 0; piece < kPieces64; ++piece) store(log[piece & 1], (piece >> 1) - kPieces64 / 2, table.c, piece);
  }

  // log(2 t), but for the ln 2 of its octave.
  static double log_in_octave(double d) { return exact::log(1.5 + d); }

  // `log`: its coefficients; `twos`: how many ln 2 are added to it.
  template <class T, int N, int Pieces>
  void store(const double (&log)[N], int twos, T (&out)[2][N][Pieces], int piece) const {
    double lower[N], upper[N];
    for (int k = 0; k < N; ++k) {
      const double c = k > 0 ? log[k] : twos * tables::kLn2High + (twos * tables::kLn2Low + log[0]);
      const double shift = k > 0 ? 0.0 : mean_;
      lower[k] = shift + scale_ * c;
      upper[k] = shift - scale_ * c;
    }
    store_piece(lower, out[0], piece);
    store_piece(upper, out[1], piece);
  }

  double mean_, scale_;
};

}  // namespace

Law laplace(const double* parameters) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  return Law::quantile(-infinity, infinity, std::make_shared<const LaplaceTables>(parameters[0], parameters[1]));
}

}  // namespace weightfill
