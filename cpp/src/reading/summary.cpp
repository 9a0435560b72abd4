// Mean, standard deviation, extremes: one pass over the memory.
#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "float_mode.hpp"
#include "reading/codes.hpp"
#include "reading/reading.hpp"
#include "writing/parallel.hpp"

namespace weightfill {
namespace {

struct Moments {
  std::uint64_t count = 0, nan = 0, infinite = 0, zero = 0;
  double mean = 0, squares = 0;  // squares: sum of squared distances from the mean
  double min = std::numeric_limits<double>::infinity(), max = -std::numeric_limits<double>::infinity();

  std::uint64_t finite() const { return count - nan - infinite; }

  // Chan, Golub, LeVeque 1983.
  void merge(const Moments& other) {
    const auto a = static_cast<double>(finite()), b = static_cast<double>(other.finite());
    if (b > 0) {
      const double delta = other.mean - mean;
      mean += delta * (b / (a + b));
      squares += other.squares + delta * delta * (a * (b / (a + b)));
    }
    count += other.count, nan += other.nan, infinite += other.infinite, zero += other.zero;
    min = std::min(min, other.min), max = std::max(max, other.max);
  }
};

constexpr std::size_t kLanes = 8;

// Moves the finite values to the front and returns their number.
std::size_t keep_finite(double* x, std::size_t n, Moments& m) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < n; ++i) kept += x[i] - x[i] == 0;
  if (kept == n) return n;
  kept = 0;
  for (std::size_t i = 0; i < n; ++i) {
    m.nan += std::isnan(x[i]);
    m.infinite += std::isinf(x[i]);
    x[kept] = x[i];
    kept += std::isfinite(x[i]);
  }
  return kept;
}

// Of the n values of a block, which it overwrites.
Moments moments(double* x, std::size_t n) {
  Moments m;
  m.count = n;
  const std::size_t kept = keep_finite(x, n, m);
  if (kept == 0) return m;
  for (std::size_t i = 0; i < kept; ++i) m.zero += x[i] == 0;
  // Padded with the first number, so that the loops run in whole vectors.
  const std::size_t padded = (kept + kLanes - 1) / kLanes * kLanes;
  for (std::size_t i = kept; i < padded; ++i) x[i] = x[0];
  double sum[kLanes] = {}, squares[kLanes] = {}, low[kLanes], high[kLanes];
  for (std::size_t j = 0; j < kLanes; ++j) low[j] = high[j] = x[0];
  for (std::size_t i = 0; i < padded; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const double v = x[i + j], d = v - x[0];
      sum[j] += d;
      squares[j] += d * d;
      low[j] = std::min(low[j], v);
      high[j] = std::max(high[j], v);
    }
  }
  double total = 0, total_squares = 0;
  for (std::size_t j = 0; j < kLanes; ++j) {
    total += sum[j], total_squares += squares[j];
    m.min = std::min(m.min, low[j]), m.max = std::max(m.max, high[j]);
  }
  const auto number = static_cast<double>(kept);
  m.mean = x[0] + total / number;
  m.squares = std::max(0.0, total_squares - total * total / number);
  return m;
}

Moments moments(const std::vector<std::uint64_t>& counts, const std::vector<float>& values) {
  Moments m;
  double sum = 0;
  for (std::size_t code = 0; code < counts.size(); ++code) {
    const double v = values[code];
    const std::uint64_t n = counts[code];
    if (n == 0) continue;
    m.count += n;
    if (std::isnan(v)) m.nan += n;
    else if (std::isinf(v)) m.infinite += n;
    if (!std::isfinite(v)) continue;
    if (v == 0) m.zero += n;
    sum += v * static_cast<double>(n);
    m.min = std::min(m.min, v), m.max = std::max(m.max, v);
  }
  if (m.finite() == 0) return m;
  m.mean = sum / static_cast<double>(m.finite());
  for (std::size_t code = 0; code < counts.size(); ++code) {
    const double distance = values[code] - m.mean;
    if (counts[code] != 0 && std::isfinite(distance))
      m.squares += distance * distance * static_cast<double>(counts[code]);
  }
  return m;
}

std::optional<Moments> moments(const Memory& memory, const Execution& execution) {
  const Runs runs(memory, true);
  Moments total;
  if (runs.size() == 0) return total;
  // Fewer elements than codes are faster converted one by one.
  if (code_count(memory.dtype) != 0 && runs.size() >= code_count(memory.dtype)) {
    const auto counts = count_codes(memory, execution);
    if (!counts) return {};
    return moments(*counts, values_of_codes(memory.dtype));
  }
  std::mutex mutex;
  const auto read = [&](std::uint64_t begin, std::uint64_t end) {
    Moments part;
    runs.each(begin, end, [&](const Run& run, std::uint64_t) {
      each_block(memory.dtype, run, [&](double* x, std::size_t n) { part.merge(moments(x, n)); });
    });
    const std::lock_guard lock(mutex);
    total.merge(part);
  };
  if (!share(runs.size(), std::uint64_t{1} << 20, execution, read)) return {};
  return total;
}

}  // namespace

std::optional<Summary> summarize(const Memory& memory, const Execution& execution) {
  const FloatMode mode;
  const auto total = moments(memory, execution);
  if (!total) return {};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const bool none = total->finite() == 0;
  return Summary{total->count,
                 total->nan,
                 total->infinite,
                 total->zero,
                 none ? nan : total->mean,
                 none ? nan : std::sqrt(total->squares / static_cast<double>(total->finite())),
                 none ? nan : total->min,
                 none ? nan : total->max};
}

}  // namespace weightfill
