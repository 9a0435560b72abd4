// The quantile tables: all 2^32 words of the standard normal law, known answers, truncated laws, extreme arguments.
//
//     test_quantile [tests/data]
//
// WEIGHTFILL_QUICK in the environment: every 4099th word of the first, for sanitizers and emulators.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "laws/quantile.hpp"

namespace {

using weightfill::normal_tables;
using weightfill::quantile;
using weightfill::Table32;
using weightfill::Table64;
using weightfill::truncated_normal_tables;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUlp32 = 0x1p-23, kUlp64 = 0x1p-52;  // of 1

// The 64-bit word with the same u, up to 2^-65.
std::uint64_t widened(std::uint32_t word) { return (std::uint64_t{word} << 32) + (std::uint64_t{1} << 31); }

struct Known {
  std::string name;
  double low, high;
  std::uint64_t word;
  long double x;
};

std::vector<Known> read_answers(const std::string& path, bool bounds) {
  std::vector<Known> answers;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string low = "-inf", high = "inf", word, x;
    if (bounds) fields >> low >> high;
    fields >> word >> x;
    answers.push_back({"[" + low + ", " + high + "]", std::stod(low), std::stod(high), std::stoull(word, nullptr, 16),
                       std::stold(x)});
  }
  return answers;
}

struct Sweep {
  double error = 0;  // over max(1, |z|)
  std::uint32_t worst = 0;
  std::uint64_t inversions = 0, not_negative = 0, not_odd = 0;
  float drop = 0;  // of the largest inversion

  void merge(const Sweep& other) {
    if (other.error > error) error = other.error, worst = other.worst;
    inversions += other.inversions;
    not_negative += other.not_negative;
    not_odd += other.not_odd;
    drop = std::max(drop, other.drop);
  }
};

// Every `step`-th word of [first, end).
Sweep sweep(const Table32& table, const Table64& exact, std::uint64_t first, std::uint64_t end, std::uint32_t step) {
  Sweep result;
  float before =
      first > 0 ? quantile(table, static_cast<std::uint32_t>(first - 1)) : -std::numeric_limits<float>::infinity();
  for (std::uint64_t next = first; next < end; next += step) {
    const auto word = static_cast<std::uint32_t>(next);
    const float z = quantile(table, word);
    const double reference = quantile(exact, widened(word));
    const double error = std::abs(z - reference) / std::max(1.0, std::abs(reference));
    if (error > result.error) result.error = error, result.worst = word;
    if (z < before) ++result.inversions, result.drop = std::max(result.drop, before - z);
    result.not_negative += !(z < 0);
    result.not_odd += quantile(table, ~word) != -z;
    before = z;
  }
  return result;
}

void every_word_of_the_standard_normal_law_is_within_the_bound() {
  const auto tables = normal_tables(0, 1);
  const Table32& table = tables->table32();
  const Table64& exact = tables->table64();
  const std::uint32_t step = std::getenv("WEIGHTFILL_QUICK") != nullptr ? 4099 : 1;
  if (step > 1) REPORT("quick: every %uth word only", step);
  Sweep result, other;
  std::thread thread([&] { other = sweep(table, exact, std::uint64_t{1} << 30, std::uint64_t{1} << 31, step); });
  result = sweep(table, exact, 0, std::uint64_t{1} << 30, step);
  thread.join();
  result.merge(other);
  CHECK(result.error <= 1e-6, "normal 32: error %.3g max(1, |z|), at word %08x", result.error, unsigned{result.worst});
  CHECK(result.not_odd == 0, "normal 32: %llu words without z(~w) == -z(w)", (unsigned long long)result.not_odd);
  CHECK(result.not_negative == 0, "normal 32: %llu lower words not below 0", (unsigned long long)result.not_negative);
  CHECK(result.inversions <= 1 && result.drop <= 0x1p-22f, "normal 32: %llu inversions, largest %.3g",
        (unsigned long long)result.inversions, static_cast<double>(result.drop));
  REPORT("normal 32: lower side from %.9g to %.9g", static_cast<double>(quantile(table, 0u)),
         static_cast<double>(quantile(table, 0x7fffffffu)));
}

// Each std rounds the coefficients anew.
void scaled_normal_laws_are_within_the_bound() {
  const auto standard = normal_tables(0, 1);
  double error = 0, worst = 0;
  for (const double std : {0.02, 0.1, 0.3, 0.7, 1.1, 1.3, 1.7, 1.9, 3e-5, 1e6}) {
    const auto tables = normal_tables(0, std);
    for (std::uint64_t word = 0; word < 1u << 31; word += 997) {
      const auto w = static_cast<std::uint32_t>(word);
      const double z = quantile(standard->table64(), widened(w));
      const double e = std::abs(quantile(tables->table32(), w) / std - z) / std::max(1.0, std::abs(z));
      if (e > error) error = e, worst = std;
    }
  }
  CHECK(error <= 1e-6, "normal 32, ten stds: error %.3g max(1, |z|), at std %g", error, worst);
}

void normal_64_matches_the_known_answers(const std::string& data) {
  const auto answers = read_answers(data + "/normal_quantiles.txt", false);
  CHECK(answers.size() > 400, "normal 64: %zu known answers", answers.size());
  const auto tables = normal_tables(0, 1);
  const auto shifted = normal_tables(3, 2);  // not odd: no centre polynomial
  double error = 0, shifted_error = 0;
  for (const Known& known : answers) {
    const long double z = quantile(tables->table64(), known.word), x = quantile(shifted->table64(), known.word);
    error = std::max(error, static_cast<double>(std::abs((z - known.x) / known.x)));
    const long double scale = 3 + 2 * std::abs(known.x);
    shifted_error = std::max(shifted_error, static_cast<double>(std::abs(x - 3 - 2 * known.x) / scale));
  }
  CHECK(error <= 1e-14, "normal 64: relative error %.3g", error);
  CHECK(shifted_error <= 1e-15, "normal 64, mean 3, std 2: error %.3g (mean + std |z|)", shifted_error);
}

// Whatever the rounding of the coefficients, no lower value reaches the median.
void odd_tables_have_the_sign_of_their_side() {
  int wrong = 0;
  double std = 1e-30;
  for (int i = 0; i < 100000; ++i, std *= 1.00137) {
    const auto tables = normal_tables(0, std);
    wrong += !(quantile(tables->table32(), 0x7fffffffu) < 0 && quantile(tables->table32(), 0x80000000u) > 0);
  }
  CHECK(wrong == 0, "normal 32: %d of 100000 stds with a wrong sign at the median", wrong);
  wrong = 0;
  double cutoff = 1e-3;
  for (int i = 0; i < 10000; ++i, cutoff *= 1.001) {
    const auto tables = truncated_normal_tables(0, 0.02, -0.02 * cutoff, 0.02 * cutoff);
    wrong += !(quantile(tables->table32(), 0x7fffffffu) < 0 && quantile(tables->table32(), 0x80000000u) > 0);
  }
  CHECK(wrong == 0, "truncated 32: %d of 10000 cutoffs with a wrong sign at the median", wrong);
}

// The error a value may have: a share of what the law spans there, plus roundings of the value itself.
double scale_of(const Known& known) {
  return std::min(known.high - known.low, std::max(1.0, static_cast<double>(std::abs(known.x))));
}

void truncated_laws_match_the_known_answers(const std::string& data) {
  const auto answers = read_answers(data + "/truncated_quantiles.txt", true);
  CHECK(answers.size() > 1000, "truncated: %zu known answers", answers.size());
  for (std::size_t i = 0; i < answers.size();) {
    const Known& law = answers[i];
    const auto tables = truncated_normal_tables(0, 1, law.low, law.high);
    constexpr double kMean = 3, kStd = 0x1p-6;
    const auto moved = truncated_normal_tables(kMean, kStd, kMean + kStd * law.low, kMean + kStd * law.high);
    double error32 = 0, error64 = 0, error_moved = 0, relative = 0;
    for (; i < answers.size() && answers[i].name == law.name; ++i) {
      const Known& known = answers[i];
      const auto x = static_cast<double>(std::abs(known.x));
      const auto error = static_cast<double>(std::abs(quantile(tables->table64(), known.word) - known.x));
      error64 = std::max(error64, (error - 2 * kUlp64 * x) / scale_of(known));
      relative = std::max(relative, error / x);
      const double expected = static_cast<double>(kMean + kStd * known.x);
      const double gap = std::abs(quantile(moved->table64(), known.word) - expected);  // the bounds were rounded too
      error_moved = std::max(error_moved, (gap - 3 * kUlp64 * (kMean + kStd * x)) / (kStd * scale_of(known)));
    }
    for (std::uint64_t word = 0; word < 1u << 31; word = word * 17 / 16 + 1) {
      for (const auto w : {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(~word)}) {
        const double exact = quantile(tables->table64(), widened(w));
        const Known known{law.name, law.low, law.high, w, exact};
        const double error = std::abs(quantile(tables->table32(), w) - exact);
        error32 = std::max(error32, (error - kUlp32 * std::abs(exact)) / scale_of(known));
      }
    }
    CHECK(error64 <= 1e-13 && error_moved <= 1e-13 && error32 <= 1e-6,
          "truncated %s: error beyond rounding %.2g, moved %.2g (64), %.2g (32)", law.name.c_str(),
          std::max(0.0, error64), std::max(0.0, error_moved), std::max(0.0, error32));
    if (tables->table64().odd) {
      CHECK(relative <= 1e-14, "truncated %s: relative error %.2g (64)", law.name.c_str(), relative);
    }
  }
}

struct Bounds {
  double mean, std, low, high;
};

template <class Table>
bool all_finite(const Table& table) {
  const auto* c = &table.c[0][0][0];
  return std::all_of(c, c + sizeof table.c / sizeof *c, [](auto x) { return std::isfinite(x); });
}

// Finite, ascending and within the bounds, up to a few units in the last place.
void extreme_truncated_laws_are_sane() {
  const Bounds cases[] = {
      {0, 1, -2, 2},
      {0, 1, 0, kInfinity},
      {0, 1, 5, 6},
      {0, 1, 8, kInfinity},
      {0, 1, -0.001, 0.001},
      {0, 1, -40, -38},
      {0, 1, -kInfinity, -1},
      {0, 1, -1, 1e9},
      {0, 1, 3, 3 + 1e-9},
      {0, 1, -1e-300, 5},
      {0, 1, -kInfinity, -1e8},
      {0, 1e-300, 1, 2},
      {0, 1e-300, 1e10, kInfinity},
      {1e8, 1, 0, 1},
      {0, 1e300, -1, 1},
      {0, 1e30, 1e-30, 2e-30},
      {0, 1, 1, std::nextafter(1.0, 2.0)},
      {0, 1, 1e8, std::nextafter(1e8, 2e8)},
      {0, 1e-8, 1, std::nextafter(1, 2)},
      {5, 0.02, 4.96, 5.04},
      {-3, 2, -kInfinity, kInfinity},
      {1e-3, 1e-5, -1, 1},
      {0, 1, -1e300, 1e300},
      {0, 1, -37.6, 0.1},
      {0, 1, -0.3, 1e-17},
      {0, 1, 1e-320, 2e-320},
      {0, 1, -0.76, 0.01},
      {0, 1, 38.5, 1e6},
      {0, 1e-320, -1, 1e-310},
      {-1e-9, 3e-13, 0, kInfinity},
  };
  for (const Bounds& b : cases) {
    const auto tables = truncated_normal_tables(b.mean, b.std, b.low, b.high);
    const Table32& table32 = tables->table32();
    const Table64& table64 = tables->table64();
    const bool finite = all_finite(table32) && all_finite(table64);
    double drop32 = 0, drop64 = 0, out32 = 0, out64 = 0;
    float before32 = -std::numeric_limits<float>::infinity();
    double before64 = -kInfinity;
    for (std::uint64_t i = 0; i < 1u << 20; ++i) {
      // Ascending; every word near the ends, every 4096th elsewhere.
      const bool near_an_end = i < 1u << 14 || i >= (1u << 20) - (1u << 14);
      const auto w = static_cast<std::uint32_t>(!near_an_end ? i << 12 : i < 1u << 14 ? i : i - (1u << 20));
      const float x32 = quantile(table32, w);
      const double x64 = quantile(table64, widened(w));
      const double ulp32 = kUlp32 * std::abs(x64), ulp64 = kUlp64 * std::abs(x64);
      const auto in_ulps = [](double excess, double ulp) { return excess > 0 ? excess / std::max(ulp, 1e-45) : 0.0; };
      if (i > 0) {
        drop32 = std::max(drop32, in_ulps(double{before32} - x32, ulp32));
        drop64 = std::max(drop64, in_ulps(before64 - x64, ulp64));
      }
      const double beyond32 = std::max(x32 - b.high, b.low - x32), beyond64 = std::max(x64 - b.high, b.low - x64);
      out32 = std::max(out32, in_ulps(beyond32, ulp32));
      out64 = std::max(out64, in_ulps(beyond64, ulp64));
      before32 = x32;
      before64 = x64;
    }
    CHECK(finite && drop32 <= 4 && drop64 <= 8 && out32 <= 4 && out64 <= 8,
          "truncated %g, %g on [%g, %g]: drops of %.2g (32), %.2g (64) ulp; %.2g (32), %.2g (64) ulp outside", b.mean,
          b.std, b.low, b.high, drop32, drop64, out32, out64);
  }
}

void wide_bounds_give_the_normal_law() {
  const auto normal = normal_tables(0, 1), open = truncated_normal_tables(0, 1, -kInfinity, kInfinity);
  const auto wide = truncated_normal_tables(0, 1, -50, 50), skew = truncated_normal_tables(0, 1, -50, kInfinity);
  double worst = 0;
  bool same = true;
  for (std::uint64_t i = 0; i < 1u << 20; ++i) {
    const std::uint64_t word = i * 0x9e3779b97f4a7c15;
    const double z = quantile(normal->table64(), word);
    same = same && quantile(open->table64(), word) == z;
    worst = std::max({worst, std::abs(quantile(wide->table64(), word) - z) / std::max(1.0, std::abs(z)),
                      std::abs(quantile(skew->table64(), word) - z) / std::max(1.0, std::abs(z))});
  }
  CHECK(same, "truncated [-inf, inf]: the bits of the normal law");
  CHECK(worst <= 1e-13, "truncated [-50, 50] and [-50, inf]: %.2g from the normal law", worst);
}

void report_building_times() {
  const auto microseconds = [](auto&& work, int repeats) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) work();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / repeats;
  };
  const auto report = [&](const char* name, double low, double high) {
    const double t32 = microseconds([&] { truncated_normal_tables(0, 1, low, high); }, 200);
    const double both = microseconds([&] { truncated_normal_tables(0, 1, low, high)->table64(); }, 20);
    REPORT("built: %s in %.0f us (32), %.0f us (64)", name, t32, both - t32);
  };
  const double normal = microseconds([] { normal_tables(0, 1); }, 2000);
  REPORT("built: normal in %.1f us (32)", normal);
  report("[-2, 2]", -2, 2);
  report("[-1, 3]", -1, 3);
  report("[5, inf]", 5, kInfinity);
  report("[-0.1, 0.15]", -0.1, 0.15);
}

// FNV-1a over the bits of tables: equal on every machine.
void bits_are_as_recorded() {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](const auto& c) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&c);
    for (std::size_t i = 0; i < sizeof c; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  };
  const Bounds cases[] = {
      {0, 0.02, -0.04, 0.04}, {0, 1, -1, 3},      {0.5, 2, 5, kInfinity}, {0, 1, -40, -38},
      {0, 1, 3, 3 + 1e-9},    {0, 1, -1e-300, 5}, {0, 1, 8, 9},           {3, 0.1, -kInfinity, kInfinity},
  };
  for (const Bounds& b : cases) {
    const auto tables = truncated_normal_tables(b.mean, b.std, b.low, b.high);
    add(tables->table32().c);
    add(tables->table64().c);
  }
  CHECK(hash == 0xf939cef994957fc8, "bits of 8 laws: %016llx", (unsigned long long)hash);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string data = argc > 1 ? argv[1] : "tests/data";
  normal_64_matches_the_known_answers(data);
  odd_tables_have_the_sign_of_their_side();
  truncated_laws_match_the_known_answers(data);
  extreme_truncated_laws_are_sane();
  wide_bounds_give_the_normal_law();
  bits_are_as_recorded();
  report_building_times();
  scaled_normal_laws_are_within_the_bound();
  every_word_of_the_standard_normal_law_is_within_the_bound();
  if (failed_checks > 0) std::printf("%d checks FAILED\n", failed_checks);
  return failed_checks > 0;
}
