// Mean, standard deviation, extremes: one pass over a target.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>

#include "parallel.hpp"
#include "round.hpp"
#include "runs.hpp"

namespace weightfill {
namespace {

// Values of all codes of a type of 16 bits or fewer.
const std::vector<float>& decoded(Dtype dtype) {
  static const auto make = [](Dtype type) {
    std::vector<float> values(std::size_t{1} << (8 * kItemSize[static_cast<int>(type)]));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(decode(type, static_cast<std::uint32_t>(i)));
    return values;
  };
  static const std::array<std::vector<float>, 4> tables = {make(Dtype::float16), make(Dtype::bfloat16),
                                                           make(Dtype::float8_e4m3fn), make(Dtype::float8_e5m2)};
  return tables[static_cast<std::size_t>(dtype) - 2];
}

struct Moments {
  std::uint64_t count = 0, nan = 0, zero = 0;
  double mean = 0, squares = 0;  // squares: sum of squared distances from the mean
  double min = std::numeric_limits<double>::infinity(), max = -std::numeric_limits<double>::infinity();

  std::uint64_t numbers() const { return count - nan; }

  // Chan, Golub, LeVeque 1983.
  void merge(const Moments& other) {
    const auto a = static_cast<double>(numbers()), b = static_cast<double>(other.numbers());
    if (b > 0) {
      const double delta = other.mean - mean;
      mean += delta * (b / (a + b));
      squares += other.squares + delta * delta * (a * (b / (a + b)));
    }
    count += other.count, nan += other.nan, zero += other.zero;
    min = std::min(min, other.min), max = std::max(max, other.max);
  }
};

constexpr std::size_t kBlock = 1024;
constexpr std::size_t kLanes = 8;

Moments moments(double (&x)[kBlock], std::size_t n) {
  Moments m;
  m.count = n;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < n; ++i) {
    m.zero += x[i] == 0;
    x[kept] = x[i];
    kept += !std::isnan(x[i]);
  }
  m.nan = n - kept;
  if (kept == 0) return m;
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

template <class Read>
void read_run(const Run& run, Moments& total, Read read) {
  double x[kBlock];
  for (std::uint64_t done = 0; done < run.count; done += kBlock) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(run.count - done, kBlock));
    const std::byte* from = run.data + static_cast<std::int64_t>(done) * run.byte_stride;
    for (std::size_t i = 0; i < n; ++i) x[i] = read(from + static_cast<std::int64_t>(i) * run.byte_stride);
    total.merge(moments(x, n));
  }
}

template <class T>
T at(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void read_run(Dtype dtype, const Run& run, Moments& total) {
  if (dtype == Dtype::float32)
    return read_run(run, total, [](const std::byte* p) { return static_cast<double>(at<float>(p)); });
  if (dtype == Dtype::float64) return read_run(run, total, [](const std::byte* p) { return at<double>(p); });
  const float* values = decoded(dtype).data();
  if (kItemSize[static_cast<int>(dtype)] == 2)
    return read_run(run, total,
                    [values](const std::byte* p) { return static_cast<double>(values[at<std::uint16_t>(p)]); });
  return read_run(run, total,
                  [values](const std::byte* p) { return static_cast<double>(values[at<std::uint8_t>(p)]); });
}

}  // namespace

std::optional<Summary> summarize(const Target& target, const Execution& execution) {
  const Runs runs(target, true);
  Moments total;
  std::mutex mutex;
  const auto read = [&](std::uint64_t begin, std::uint64_t end) {
    Moments part;
    runs.each(begin, end, [&](const Run& run, std::uint64_t) { read_run(target.dtype, run, part); });
    const std::lock_guard lock(mutex);
    total.merge(part);
  };
  if (runs.size() > 0 && !share(runs.size(), 0, std::uint64_t{1} << 20, execution, read)) return {};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const bool none = total.numbers() == 0;
  return Summary{total.count,
                 total.nan,
                 total.zero,
                 none ? nan : total.mean,
                 none ? nan : std::sqrt(total.squares / static_cast<double>(total.numbers())),
                 none ? nan : total.min,
                 none ? nan : total.max};
}

}  // namespace weightfill
