// Laws, and laws made ready for a dtype.
#include "laws/law.hpp"

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "float_mode.hpp"
#include "laws/formats.hpp"
#include "laws/quantile.hpp"

namespace weightfill {

Law Law::named(std::string_view name, const std::vector<double>& parameters) {
  const FloatMode mode;  // first: a parameter may be subnormal, and be taken for zero
  for (const NamedLaw& law : kNamedLaws)
    if (law.name == name && law.parameters == parameters.size()) return law.make(parameters.data());
  throw std::invalid_argument("no law " + std::string(name) + " of " + std::to_string(parameters.size()) +
                              " parameters");
}

Law Law::constant(double value) { return {Kind::constant, value, value, nullptr}; }

Law Law::uniform(double low, double high) { return {Kind::uniform, low, high, nullptr}; }

Law Law::quantile(double low, double high, std::shared_ptr<const LawTables> tables) {
  return {Kind::quantile, low, high, std::move(tables)};
}

Law Law::under(Mask mask) const {
  Law masked = *this;
  masked.mask_ = std::make_shared<const Mask>(std::move(mask));
  return masked;
}

namespace {

// low + k * scale stays below `high` for k up to `steps` - 1 in exact arithmetic; the clamp sees to the rounding.
template <class Real>
void set_uniform(Sampler& s, const Law& law, Real steps, Real& low, Real& scale) {
  const double exact = law.high() / static_cast<double>(steps) - law.low() / static_cast<double>(steps);
  scale = static_cast<Real>(exact);
  if (static_cast<double>(scale) > exact) scale = std::nextafter(scale, Real{0});
  low = static_cast<Real>(sizeof(Real) == 4 ? round_up(Dtype::float32, law.low()) : law.low());
  s.min = round_up(s.dtype, law.low());
  const double below = round_down(s.dtype, law.high());
  s.max = below < law.high() ? below : next_below(s.dtype, below);
  const double first = nearest(s.dtype, static_cast<double>(low));
  const double last = nearest(s.dtype, static_cast<double>(std::fma(steps - 1, scale, low)));
  s.form = first < s.min || last > s.max ? Form::uniform_clamped : Form::uniform;
}

}  // namespace

Sampler make_sampler(const Law& law, Dtype dtype) {
  const FloatMode mode;
  Sampler s;
  s.dtype = dtype;
  const bool wide = dtype == Dtype::float64;
  if (law.kind() == Law::Kind::uniform) {
    if (wide) set_uniform<double>(s, law, 0x1p53, s.low64, s.scale64);
    else set_uniform<float>(s, law, 0x1p24f, s.low32, s.scale32);
    return s;
  }
  if (wide) s.table64 = &law.tables()->table64();
  else s.table32 = &law.tables()->table32();
  const bool odd = wide ? s.table64->odd : s.table32->odd;
  const bool bounded = std::isfinite(law.low()) || std::isfinite(law.high());
  const bool equal = wide ? s.table64->equal : s.table32->equal;
  s.form = equal ? Form::equal : !odd ? Form::sided : bounded ? Form::odd_clamped : Form::odd;
  s.min = round_up(dtype, law.low());
  s.max = round_down(dtype, law.high());
  return s;
}

void in_float_mode(const std::function<void()>& work) {
  const FloatMode mode;
  work();
}

std::uint64_t constant_code(double value, Dtype dtype) {
  const FloatMode mode;
  if (dtype == Dtype::float64) return std::bit_cast<std::uint64_t>(value);
  return encode(dtype, static_cast<float>(value));
}

}  // namespace weightfill
