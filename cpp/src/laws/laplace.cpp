// The quantile tables of a Laplace law: below the mean, x = mean + scale * log(2 t), t the probability of less than x.
// From one octave to the next the logarithm changes by ln 2 alone, so one polynomial serves all octaves.
#include <cassert>
#include <limits>

#include "laws/interpolation.hpp"
#include "laws/law.hpp"

namespace weightfill {
namespace {

class LaplaceTables final : public LawTables {
 public:
  LaplaceTables(double mean, double scale) : mean_(mean), scale_(scale) {
    assert(std::isfinite(mean) && std::isfinite(scale) && scale > 0);
    table32_.odd = mean == 0.0;
    for (int octave = 0; octave < kOctaves32; ++octave) store(tables::kLog32, octave - kOctaves32, table32_.c, octave);
  }

 private:
  void build64(Table64& table) const override {
    table.odd = false;  // the centre of an odd table is a polynomial in p^2, and log(1 - 2 p) is none
    for (int piece = 0; piece < kPieces64; ++piece)
      store(tables::kLog64[piece & 1], (piece >> 1) - kPieces64 / 2, table.c, piece);
  }

  // `log`: of 1.5 + d; `twos`: how many ln 2 are added to it.
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
