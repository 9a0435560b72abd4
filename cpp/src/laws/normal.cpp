// The quantile tables of a normal law: those of the standard one, scaled.
#include <cassert>
#include <limits>

#include "laws/law.hpp"
#include "laws/quantile.hpp"
#include "laws/quantile_tables.hpp"

namespace weightfill {
namespace {

// The standard tables, scaled in double and rounded once. The upper side mirrors the lower.
class NormalTables final : public LawTables {
 public:
  NormalTables(double mean, double std) : mean_(mean), std_(std) {
    for (int k = 0; k <= kDegree32; ++k) {
      for (int octave = 0; octave < kOctaves32; ++octave) {
        const double c = tables::kNormal32[k][octave] * std;
        const double shift = k == 0 ? mean : 0.0;
        table32_.c[0][k][octave] = static_cast<float>(shift + c);
        table32_.c[1][k][octave] = static_cast<float>(shift - c);
      }
    }
    table32_.odd = mean == 0.0;
  }

 private:
  void build64(Table64& table) const override {
    table.odd = mean_ == 0.0;
    for (int k = 0; k <= kDegree64; ++k) {
      for (int piece = 0; piece < kPieces64; ++piece) {
        const bool centre = table.odd && piece >= kPieces64 - 2;
        const double c = (centre ? tables::kNormalCentre[k] : tables::kNormal64[k][piece]) * std_;
        const double shift = k == 0 ? mean_ : 0.0;
        table.c[0][k][piece] = shift + c;
        table.c[1][k][piece] = shift - c;
      }
    }
  }

  double mean_, std_;
};

}  // namespace

std::shared_ptr<const LawTables> normal_tables(double mean, double std) {
  assert(std::isfinite(mean) && std::isfinite(std) && std > 0);
  return std::make_shared<const NormalTables>(mean, std);
}

Law normal(const double* parameters) {
  const double mean = parameters[0], std = parameters[1];
  if (std == 0) return Law::constant(mean);
  const double infinity = std::numeric_limits<double>::infinity();
  return Law::quantile(-infinity, infinity, normal_tables(mean, std));
}

}  // namespace weightfill
