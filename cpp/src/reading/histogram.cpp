// Counts of elements in bins of one width: one pass over the memory.
#include <cassert>
#include <cmath>
#include <limits>
#include <mutex>

#include "float_mode.hpp"
#include "reading/codes.hpp"
#include "reading/reading.hpp"
#include "writing/parallel.hpp"

namespace weightfill {
namespace {

// Bin of a value in [low, high): (x - low) / (high - low) * bins, rounded down; halved where the width would overflow.
class Bins {
 public:
  Bins(double low, double high, std::size_t bins)
      : scale_(std::isfinite(high - low) ? 1.0 : 0.5),
        low_(low * scale_),
        width_(high * scale_ - low * scale_),
        bins_(static_cast<double>(bins)) {}

  // Of a finite value; one outside [low, high) belongs to the nearest bin.
  std::int32_t of(double x) const {
    const double at = (x * scale_ - low_) / width_ * bins_;
    const double below = bins_ - 1;
    return static_cast<std::int32_t>(at < 0 ? 0.0 : (at < below ? at : below));
  }

 private:
  double scale_, low_, width_, bins_;
};

// Neighbours in one bin would wait for each other's counter: each bin has four.
constexpr std::size_t kTables = 4;
constexpr std::uint64_t kPart = std::uint64_t{1} << 20;

using Counts = std::vector<std::uint64_t>;

std::optional<Counts> histogram_of_codes(const Memory& memory, const Bins& bin, Counts counts,
                                         const Execution& execution) {
  const auto codes = count_codes(memory, execution);
  if (!codes) return {};
  const std::vector<float>& values = values_of_codes(memory.dtype);
  for (std::size_t code = 0; code < values.size(); ++code)
    if (std::isfinite(values[code])) counts[static_cast<std::size_t>(bin.of(values[code]))] += (*codes)[code];
  return counts;
}

}  // namespace

std::optional<Counts> histogram(const Memory& memory, double low, double high, std::size_t bins,
                                const Execution& execution) {
  assert(std::isfinite(low) && std::isfinite(high) && low < high && bins > 0 && bins < (std::size_t{1} << 31));
  const FloatMode mode;
  const Runs runs(memory, true);
  const Bins bin(low, high, bins);
  Counts total(bins);
  if (runs.size() == 0) return total;
  // Fewer elements than codes are faster converted one by one.
  if (code_count(memory.dtype) != 0 && runs.size() >= code_count(memory.dtype))
    return histogram_of_codes(memory, bin, std::move(total), execution);

  std::mutex mutex;
  const auto read = [&](std::uint64_t begin, std::uint64_t end) {
    const std::size_t stride = bins + 1;  // the last counts what is not finite
    Counts part(kTables * stride);
    runs.each(begin, end, [&](const Run& run, std::uint64_t) {
      each_block(memory.dtype, run, [&](double* x, std::size_t n) {
        std::int32_t index[kReadBlock];
        const std::size_t padded = (n + kTables - 1) / kTables * kTables;
        for (std::size_t i = n; i < padded; ++i) x[i] = std::numeric_limits<double>::quiet_NaN();
        for (std::size_t i = 0; i < padded; ++i)
          index[i] = x[i] - x[i] == 0 ? bin.of(x[i]) : static_cast<std::int32_t>(bins);
        for (std::size_t i = 0; i < padded; i += kTables)
          for (std::size_t table = 0; table < kTables; ++table)
            ++part[table * stride + static_cast<std::size_t>(index[i + table])];
      });
    });
    const std::lock_guard lock(mutex);
    for (std::size_t table = 0; table < kTables; ++table)
      for (std::size_t i = 0; i < bins; ++i) total[i] += part[table * stride + i];
  };
  if (!share(runs.size(), kPart, execution, read)) return {};
  return total;
}

}  // namespace weightfill
