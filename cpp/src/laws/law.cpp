// Laws, and laws made ready for a dtype.
#include <cmath>
#include <utility>

#include "float_mode.hpp"
#include "laws/formats.hpp"
#include "laws/law.hpp"
#include "laws/quantile.hpp"

namespace weightfill {

Law Law::constant(double value) { return {Kind::constant, value, value, nullptr, nullptr}; }

Law Law::uniform(double low, double high) { return {Kind::uniform, low, high, nullptr, nullptr}; }

Law Law::normal(double mean, double std) {
  const FloatMode mode;  // first: std may be subnormal, and these be taken for zero
  if (std == 0) return constant(mean);
  const double infinity = std::numeric_limits<double>::infinity();
  return {Kind::quantile, -infinity, infinity, normal_tables(mean, std), nullptr};
}

Law Law::truncated_normal(double mean, double std, double low, double high) {
  const FloatMode mode;
  return {Kind::quantile, low, high, truncated_normal_tables(mean, std, low, high), nullptr};
}

Law Law::under(Mask new_mask) const {
  Law masked = *this;
  masked.mask = std::make_shared<const Mask>(std::move(new_mask));
  return masked;
}

namespace {

// low + k * scale stays below `high` for k up to `steps` - 1 in exact arithmetic; the clamp sees to the rounding.
template <class Real>
void set_uniform(Sampler& s, const Law& law, Real steps, Real& low, Real& scale) {
  const double exact = law.high / static_cast<double>(steps) - law.low / static_cast<double>(steps);
  scale = static_cast<Real>(exact);
  if (static_cast<double>(scale) > exact) scale = std::nextafter(scale, Real{0});
  low = static_cast<Real>(sizeof(Real) == 4 ? round_up(Dtype::float32, law.low) : law.low);
  s.min = round_up(s.dtype, law.low);
  const double below = round_down(s.dtype, law.high);
  s.max = below < law.high ? below : next_below(s.dtype, below);
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
  if (law.kind == Law::Kind::uniform) {
    if (wide) set_uniform<double>(s, law, 0x1p53, s.low64, s.scale64);
    else set_uniform<float>(s, law, 0x1p24f, s.low32, s.scale32);
    return s;
  }
  if (wide) s.table64 = &law.tables->table64();
  else s.table32 = &law.tables->table32();
  const bool odd = wide ? s.table64->odd : s.table32->odd;
  const bool bounded = std::isfinite(law.low) || std::isfinite(law.high);
  s.form = !odd ? Form::sided : bounded ? Form::odd_clamped : Form::odd;
  s.min = round_up(dtype, law.low);
  s.max = round_down(dtype, law.high);
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
