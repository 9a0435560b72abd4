// Laws whose tables come from closed forms: all 2^32 words of them, known answers, extreme parameters.
//
//     test_laws [tests/data]
//
// WEIGHTFILL_QUICK in the environment: every 4099th word of the first, for sanitizers and emulators.
#include <algorithm>
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
#include "weightfill/fill.hpp"

namespace {

using weightfill::Law;
using weightfill::quantile;
using weightfill::Table32;
using weightfill::Table64;

// "laplace(0,1)" and the like.
Law law_of(const std::string& text) {
  const std::string name = text.substr(0, text.find('('));
  std::istringstream numbers(text.substr(name.size() + 1, text.size() - name.size() - 2));
  std::vector<double> parameters;
  for (std::string number; std::getline(numbers, number, ',');) parameters.push_back(std::stod(number));
  return Law::named(name, parameters);
}

// What an error is compared with: x of a log-uniform law, 1 at least of its inverse softplus, and of a Laplace law the
// distance from the mean, twice the scale at least.
struct Measure {
  bool relative;
  double least, centre;

  explicit Measure(const std::string& law) : relative(law.ends_with(",0)")), least(1), centre(0) {
    if (!law.starts_with("laplace")) return;
    const std::size_t comma = law.find(',');
    centre = std::stod(law.substr(8, comma - 8));
    least = 2 * std::stod(law.substr(comma + 1));
  }
  double operator()(double error, double x) const {
    return std::abs(error) / (relative ? x : std::max(least, std::abs(x - centre)));
  }
};

// The 64-bit word with the same u, up to 2^-65.
std::uint64_t widened(std::uint32_t word) { return (std::uint64_t{word} << 32) + (std::uint64_t{1} << 31); }

struct Sweep {
  double error = 0;
  std::uint32_t worst = 0;
  std::uint64_t inversions = 0, not_odd = 0;

  void merge(const Sweep& other) {
    if (other.error > error) error = other.error, worst = other.worst;
    inversions += other.inversions;
    not_odd += other.not_odd;
  }
};

// Every `step`-th word of [first, end).
Sweep sweep(const Law& law, const Measure& measure, std::uint64_t first, std::uint64_t end, std::uint32_t step) {
  const Table32& table = law.tables()->table32();
  const Table64& exact = law.tables()->table64();
  Sweep result;
  float before =
      first > 0 ? quantile(table, static_cast<std::uint32_t>(first - 1)) : -std::numeric_limits<float>::infinity();
  for (std::uint64_t next = first; next < end; next += step) {
    const auto word = static_cast<std::uint32_t>(next);
    const float x = quantile(table, word);
    const double reference = quantile(exact, widened(word));
    const double error = measure(x - reference, reference);
    if (error > result.error) result.error = error, result.worst = word;
    result.inversions += x < before;
    result.not_odd += table.odd && quantile(table, ~word) != -x;
    before = x;
  }
  return result;
}

void every_word_is_within_the_bound() {
  const std::uint32_t step = std::getenv("WEIGHTFILL_QUICK") != nullptr ? 4099 : 1;
  if (step > 1) REPORT("quick: every %uth word only", step);
  for (const std::string name : {"laplace(0,1)", "log_uniform(0.001,0.1,0)", "log_uniform(0.001,0.1,1)"}) {
    const Law law = law_of(name);
    const Measure measure(name);
    constexpr std::uint64_t kMiddle = std::uint64_t{1} << 31;
    Sweep result, upper;
    std::thread thread([&] { upper = sweep(law, measure, kMiddle, 2 * kMiddle, step); });
    result = sweep(law, measure, 0, kMiddle, step);
    thread.join();
    result.merge(upper);
    CHECK(result.error <= 1e-6 && result.inversions == 0 && result.not_odd == 0,
          "%s, 32: error %.3g at word %08x, %llu inversions, %llu not odd", name.c_str(), result.error,
          unsigned{result.worst}, (unsigned long long)result.inversions, (unsigned long long)result.not_odd);
  }
}

// All parameters round the coefficients anew; steps that share no factor with a piece.
void other_parameters_are_within_the_bound() {
  std::vector<std::string> names;
  for (const char* scale : {"0.02", "0.1", "0.3", "0.7", "1.1", "1.3", "1.7", "1.9", "3e-5", "1e6"}) {
    names.push_back(std::string("laplace(0,") + scale + ")");
  }
  for (const char* bounds : {"1e-4,0.1", "0.001,1000", "1,2", "1e-30,1", "3e-20,2e10", "0.5,0.50001", "0.9,1.1"}) {
    for (const char* transform : {",0)", ",1)"}) names.push_back(std::string("log_uniform(") + bounds + transform);
  }
  for (const std::string& name : names) {
    const Sweep result = sweep(law_of(name), Measure(name), 0, std::uint64_t{1} << 32, 4093);
    CHECK(result.error <= 1e-6 && result.inversions == 0, "%s, 32: error %.3g at word %08x, %llu inversions",
          name.c_str(), result.error, unsigned{result.worst}, (unsigned long long)result.inversions);
  }
}

void known_answers_are_matched(const std::string& data) {
  std::ifstream file(data + "/law_quantiles.txt");
  std::size_t answers = 0;
  std::string name, current, word;
  double error = 0;
  const auto report = [&] {
    if (!current.empty()) CHECK(error <= 1e-14, "%s, 64: error %.3g", current.c_str(), error);
    error = 0;
  };
  Law law = Law::constant(0);
  for (std::string line; std::getline(file, line);) {
    if (line[0] == '#') continue;
    std::istringstream fields(line);
    long double x;
    fields >> name >> word >> x;
    if (name != current) report(), law = law_of(name), current = name;
    const long double found = quantile(law.tables()->table64(), std::stoull(word, nullptr, 16));
    error = std::max(error, Measure(name)(static_cast<double>(found - x), static_cast<double>(x)));
    ++answers;
  }
  report();
  CHECK(answers > 300, "64: %zu known answers", answers);
}

// Words side by side at both sides of every piece's end, and others.
void values_in_64_bits_ascend_and_are_odd() {
  for (const std::string name : {"laplace(0,1)", "laplace(3,0.5)", "log_uniform(0.001,0.1,0)",
                                 "log_uniform(1e-20,1e10,0)", "log_uniform(0.001,0.1,1)", "log_uniform(0.01,16,1)"}) {
    const Law law = law_of(name);
    const Table64& table = law.tables()->table64();
    double before = -std::numeric_limits<double>::infinity(), drop = 0;
    std::uint64_t not_odd = 0;
    for (std::uint64_t i = 0; i < std::uint64_t{1} << 22; ++i) {
      const std::uint64_t word = (i >> 2 << 44) + (i & 3) * 64 - 128;
      const double x = quantile(table, word);
      if (word > 1000) drop = std::max(drop, (before - x) / std::abs(x));
      before = x;
      not_odd += name == "laplace(0,1)" && quantile(table, ~word) != -x;
    }
    CHECK(drop <= 4 * 0x1p-52 && not_odd == 0, "%s, 64: largest drop %.2g, %llu not odd", name.c_str(), drop,
          (unsigned long long)not_odd);
  }
}

// Whatever the rounding of the coefficients, no lower value reaches the mean.
void laplace_tables_have_the_sign_of_their_side() {
  int wrong = 0;
  double scale = 1e-30;
  for (int i = 0; i < 100000; ++i, scale *= 1.00137) {
    const Law law = Law::named("laplace", {0, scale});
    const Table32& table = law.tables()->table32();
    wrong += !(quantile(table, 0x7fffffffu) < 0 && quantile(table, 0x80000000u) > 0);
  }
  CHECK(wrong == 0, "laplace, 32: %d of 100000 scales with a wrong sign at the mean", wrong);
}

// FNV-1a over the bits of tables: equal on every machine.
void bits_are_as_recorded() {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](const auto& c) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&c);
    for (std::size_t i = 0; i < sizeof c; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  };
  for (const char* name : {"laplace(0,0.02)", "laplace(3,0.5)", "log_uniform(0.001,0.1,0)", "log_uniform(1e-20,1e10,0)",
                           "log_uniform(0.001,0.1,1)", "log_uniform(0.01,16,1)"}) {
    const Law law = law_of(name);
    add(law.tables()->table32().c);
    add(law.tables()->table64().c);
  }
  CHECK(hash == 0xac49dca7e32a8729, "bits of 6 laws: %016llx", (unsigned long long)hash);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string data = argc > 1 ? argv[1] : "tests/data";
  known_answers_are_matched(data);
  other_parameters_are_within_the_bound();
  values_in_64_bits_ascend_and_are_odd();
  laplace_tables_have_the_sign_of_their_side();
  bits_are_as_recorded();
  every_word_is_within_the_bound();
  if (failed_checks > 0) std::printf("%d checks FAILED\n", failed_checks);
  return failed_checks > 0;
}
