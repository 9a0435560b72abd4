// Building blocks of quantile tables that are computed from a law's exact quantiles, in IEEE operations only.
#pragma once

#include "laws/quantile.hpp"
#include "laws/quantile_tables.hpp"

namespace weightfill {

// Interpolation at fixed nodes v in [-1, 1], as a polynomial in d with v = scale * d + shift.
template <int N>
class Interpolation {
 public:
  Interpolation(const double (&nodes)[N], const double (&transform)[N][N], double scale, double shift)
      : nodes_(nodes), transform_(transform), scale_(scale), shift_(shift) {
    powers_[0][0] = 1.0;
    powers_[1][0] = shift;
    powers_[1][1] = scale;
    for (int k = 2; k < N; ++k) {
      for (int j = 0; j <= k; ++j) {
        const double raised = j > 0 ? scale * powers_[k - 1][j - 1] : 0.0;
        powers_[k][j] = 2.0 * (raised + shift * powers_[k - 1][j]) - powers_[k - 2][j];
      }
    }
  }

  template <class Function>
  void operator()(Function&& f, double (&out)[N]) const {
    double values[N];
    for (int i = 0; i < N; ++i) values[i] = f((nodes_[i] - shift_) / scale_);
    for (double& c : out) c = 0.0;
    for (int k = N - 1; k >= 0; --k) {
      double a = 0.0;
      for (int i = 0; i < N; ++i) a = a + transform_[k][i] * values[i];
      for (int j = 0; j <= k; ++j) out[j] = out[j] + a * powers_[k][j];
    }
  }

 private:
  const double (&nodes_)[N];
  const double (&transform_)[N][N];
  double scale_, shift_;
  double powers_[N][N] = {};  // of d, in each Chebyshev polynomial of v
};

// The coefficients of one piece, rounded to the table's type. What rounding c[0] adds is taken from c[2] again, so the
// piece keeps its values at d = +-1/2 and meets its neighbours: no step down from one word to the next.
template <class T, int N, int Pieces>
void store_piece(const double (&c)[N], T (&out)[N][Pieces], int piece) {
  for (int k = 0; k < N; ++k) out[k][piece] = static_cast<T>(c[k]);
  out[2][piece] = static_cast<T>(c[2] - 4.0 * (static_cast<double>(out[0][piece]) - c[0]));
}

}  // namespace weightfill
