// Every instruction set, law, dtype, window and thread count against the scalar reference.
#include <algorithm>
#include <bit>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "laws/formats.hpp"
#include "laws/law.hpp"
#include "laws/quantile.hpp"
#include "weightfill/fill.hpp"

using namespace weightfill;

namespace {

constexpr Stream kStream{0x0123456789abcdef, 0xfedcba9876543210};

const char* name_of(Dtype dtype) { return row_of(dtype).name.data(); }

std::uint32_t word(std::uint64_t n) { return philox_block(kStream, n / 4)[n % 4]; }

// The bits of element `index`, from the definitions alone.
std::uint64_t expected(const Law& law, const Sampler& s, Dtype dtype, std::uint64_t index) {
  if (law.kind() == Law::Kind::constant) return constant_code(law.low(), dtype);
  if (dtype == Dtype::float64) {
    const std::uint64_t w = word(2 * index) | std::uint64_t{word(2 * index + 1)} << 32;
    double x = law.kind() == Law::Kind::uniform ? std::fma(static_cast<double>(w >> 11), s.scale64, s.low64)
                                                : quantile(*s.table64, w);
    if (s.form != Form::uniform && s.form != Form::odd) x = std::min(std::max(x, s.min), s.max);
    return std::bit_cast<std::uint64_t>(x);
  }
  const std::uint32_t w = word(index);
  float x = law.kind() == Law::Kind::uniform ? std::fma(static_cast<float>(w >> 8), s.scale32, s.low32)
                                             : quantile(*s.table32, w);
  if (s.form != Form::uniform && s.form != Form::odd)
    x = std::min(std::max(x, static_cast<float>(s.min)), static_cast<float>(s.max));
  return encode(dtype, x);
}

struct Case {
  const char* name;
  Law law;
};

std::vector<Case> laws() {
  const double infinity = std::numeric_limits<double>::infinity();
  return {{"constant", Law::constant(0.1)},
          {"uniform", Law::uniform(0, 1)},
          {"uniform of odd bounds", Law::uniform(-0.07, 0.03)},
          {"normal", Law::named("normal", {0, 0.02})},
          {"normal with mean", Law::named("normal", {0.5, 0.1})},
          {"normal into subnormals", Law::named("normal", {0, 1e-6})},
          {"truncated", Law::named("truncated_normal", {0, 0.02, -0.04, 0.04})},
          {"truncated to bounds that round to zeros", Law::named("truncated_normal", {0, 1e-6, -1e-6, 2e-6})},
          {"truncated evenly to bounds that round to zeros", Law::named("truncated_normal", {0, 1e-6, -2e-6, 2e-6})},
          {"uniform of bounds that round to zeros", Law::uniform(-1e-6, 2e-6)},
          {"Laplace", Law::named("laplace", {0, 0.02})},
          {"Laplace with mean", Law::named("laplace", {-0.5, 0.1})},
          {"log-uniform", Law::named("log_uniform", {1e-3, 0.1, 0})},
          {"log-uniform into subnormals", Law::named("log_uniform", {1e-9, 300, 0})},
          {"inverse softplus", Law::named("log_uniform", {1e-3, 2, 1})},
          {"truncated on one side", Law::named("truncated_normal", {0, 1, 0.25, infinity})}};
}

std::uint64_t read(const std::byte* at, std::size_t size) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, at, size);
  return bits;
}

// Fills a contiguous range that starts at `first`, `offset` bytes past a cache line, and counts wrong elements.
std::size_t wrong_in_range(const Law& law, Dtype dtype, std::uint64_t first, std::size_t n, std::size_t offset,
                           int threads) {
  const std::size_t size = item_size_of(dtype);
  std::vector<std::byte> memory(n * size + offset + 192, std::byte{0xee});
  std::byte* data = memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) + offset;
  fill(law, kStream, {data, dtype, first, {{static_cast<std::int64_t>(n), static_cast<std::int64_t>(size), 1}}},
       {threads, {}});
  Sampler s;
  if (law.kind() != Law::Kind::constant) s = make_sampler(law, dtype);
  std::size_t wrong = 0;
  const auto sampled = [n](std::size_t i) { return n < 8192 || i < 2048 || i + 2048 > n || i % 37 == 0; };
  for (std::size_t i = 0; i < n; ++i)
    if (sampled(i)) wrong += read(data + i * size, size) != expected(law, s, dtype, first + i);
  wrong += data[-1] != std::byte{0xee};
  wrong += data[n * size] != std::byte{0xee};
  return wrong;
}

void check_ranges(std::string_view isa) {
  for (const Case& c : laws()) {
    for (int d = 0; d < kDtypes; ++d) {
      const auto dtype = static_cast<Dtype>(d);
      const std::size_t size = item_size_of(dtype);
      std::size_t wrong = 0;
      for (std::size_t n : {0u, 1u, 2u, 3u, 4u, 5u, 31u, 127u, 128u, 129u, 385u, 1000u})
        for (std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{6}, (std::uint64_t{1} << 33) + 3,
                                    (std::uint64_t{1} << 34) - 500, ~std::uint64_t{0} / 2 - 1000})
          wrong += wrong_in_range(c.law, dtype, first, n, (first % 5) * size, 1);
      wrong += wrong_in_range(c.law, dtype, 7, 5000, 1, 1);                            // misaligned elements
      wrong += wrong_in_range(c.law, dtype, 0, (std::size_t{5} << 20) / size, 16, 3);  // streaming stores, threads
      wrong += wrong_in_range(c.law, dtype, 5, (std::size_t{4} << 20) / size + 9, 2 * size, 2);  // out of step
      CHECK(wrong == 0, "%s, %s, %s: %zu wrong elements", std::string(isa).c_str(), c.name, name_of(dtype), wrong);
    }
  }
}

// A three-dimensional window with strides of any sign, of a larger tensor.
void check_windows(std::string_view isa) {
  std::mt19937_64 random(7);
  std::size_t wrong = 0, cases = 0;
  for (int repeat = 0; repeat < 120; ++repeat) {
    const auto dtype = static_cast<Dtype>(random() % kDtypes);
    const std::size_t size = item_size_of(dtype);
    const Case c = laws()[random() % laws().size()];
    std::int64_t whole[3], count[3], start[3];
    for (int a = 0; a < 3; ++a) {
      count[a] = 1 + static_cast<std::int64_t>(random() % (a == 2 && random() % 4 ? 400 : 9));
      if (random() % 4 == 0) count[a] = 1;
      start[a] = static_cast<std::int64_t>(random() % 5);
      whole[a] = start[a] + count[a] + static_cast<std::int64_t>(random() % 3);
    }
    int order[3] = {0, 1, 2};  // of the axes in memory, outermost first
    std::shuffle(order, order + 3, random);
    std::int64_t stride[3], room = static_cast<std::int64_t>(size);
    for (int a = 2; a >= 0; --a) {
      stride[order[a]] = room;
      room *= count[order[a]] + static_cast<std::int64_t>(random() % 2);
    }
    std::vector<std::byte> memory(static_cast<std::size_t>(room), std::byte{0xee});
    std::byte* data = memory.data();
    for (int a = 0; a < 3; ++a) {
      if (random() % 2) continue;
      data += stride[a] * (count[a] - 1);
      stride[a] = -stride[a];
    }
    const std::uint64_t step[3] = {static_cast<std::uint64_t>(whole[1] * whole[2]),
                                   static_cast<std::uint64_t>(whole[2]), 1};
    const std::vector<std::uint64_t> rows = {3, 1, 3, 0, 1000000007, 5, 6, 7, 8};
    Memory t{data, dtype, 0, {}, repeat % 3 == 0 ? rows.data() : nullptr};
    for (int a = 0; a < 3; ++a) {
      t.first += static_cast<std::uint64_t>(start[a]) * step[a];
      t.axes.push_back({count[a], stride[a], step[a]});
    }
    fill(c.law, kStream, t, {1 + repeat % 3, {}});
    Sampler s;
    if (c.law.kind() != Law::Kind::constant) s = make_sampler(c.law, dtype);
    for (std::int64_t i = 0; i < count[0]; ++i)
      for (std::int64_t j = 0; j < count[1]; ++j)
        for (std::int64_t k = 0; k < count[2]; ++k) {
          const std::uint64_t row = t.rows ? rows[static_cast<std::size_t>(i)] : static_cast<std::uint64_t>(i);
          const std::uint64_t index =
              t.first + row * step[0] + static_cast<std::uint64_t>(j) * step[1] + static_cast<std::uint64_t>(k);
          wrong += read(data + i * stride[0] + j * stride[1] + k * stride[2], size) != expected(c.law, s, dtype, index);
        }
    ++cases;
    const auto same = verify(c.law, kStream, t, {2, {}});
    wrong += !same || same->count != 0;
    std::byte* last = data + (count[0] - 1) * stride[0] + (count[1] - 1) * stride[1] + (count[2] - 1) * stride[2];
    *last ^= std::byte{1};
    const auto other = verify(c.law, kStream, t, {2, {}});
    wrong += !other || other->count != 1 ||
             other->first_position != static_cast<std::uint64_t>(count[0] * count[1] * count[2] - 1);
  }
  CHECK(wrong == 0, "%s, %zu windows: %zu wrong", std::string(isa).c_str(), cases, wrong);
}

void check_transposed(std::string_view isa) {
  constexpr std::int64_t rows = 70, columns = 512;
  const Law law = Law::named("normal", {0, 1});
  std::vector<float> memory(rows * columns);
  fill(law, kStream, {memory.data(), Dtype::float32, 0, {{columns, 4, rows}, {rows, 4 * columns, 1}}}, {1, {}});
  const Sampler s = make_sampler(law, Dtype::float32);
  std::size_t wrong = 0;
  for (std::int64_t i = 0; i < columns; ++i)
    for (std::int64_t j = 0; j < rows; ++j)
      wrong += std::bit_cast<std::uint32_t>(memory[static_cast<std::size_t>(j * columns + i)]) !=
               expected(law, s, Dtype::float32, static_cast<std::uint64_t>(i * rows + j));
  fill(law, kStream, {memory.data(), Dtype::float32, 0, {{rows, 4, columns}, {columns, 4 * rows, 1}}}, {2, {}});
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      wrong += std::bit_cast<std::uint32_t>(memory[static_cast<std::size_t>(j * rows + i)]) !=
               expected(law, s, Dtype::float32, static_cast<std::uint64_t>(i * columns + j));
  CHECK(wrong == 0, "%s, transposed: %zu wrong", std::string(isa).c_str(), wrong);
}

void check_words(std::string_view isa) {
  std::size_t wrong = 0;
  for (std::uint64_t first : {std::uint64_t{0}, std::uint64_t{3}, (std::uint64_t{1} << 34) - 301}) {
    std::vector<std::uint32_t> w(1001);
    words(kStream, first, w.size(), w.data());
    for (std::size_t i = 0; i < w.size(); ++i) wrong += w[i] != word(first + i);
  }
  CHECK(wrong == 0, "%s, words: %zu wrong", std::string(isa).c_str(), wrong);
}

// A stop from `tick` leaves every element old or final.
void check_stop() {
  std::vector<float> memory(std::size_t{1} << 24, -7.0f);
  const Memory t{memory.data(), Dtype::float32, 0, {{static_cast<std::int64_t>(memory.size()), 4, 1}}};
  const bool whole = fill(Law::uniform(0, 1), kStream, t, {2, [](std::uint64_t) { return false; }});
  const Sampler s = make_sampler(Law::uniform(0, 1), Dtype::float32);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < memory.size(); ++i)
    wrong += memory[i] != -7.0f &&
             std::bit_cast<std::uint32_t>(memory[i]) != expected(Law::uniform(0, 1), s, Dtype::float32, i);
  CHECK(!whole && wrong == 0, "a stopped fill: %zu elements neither old nor final", wrong);
}

void check_small_floats() {
  for (const DtypeRow& row : kDtypeRows) {
    if (row.item_size() > 2) continue;
    const Dtype dtype = row.dtype;
    std::size_t wrong = 0;
    for (std::uint32_t code = 0; code < row.largest_code(); ++code) {
      const auto here = static_cast<float>(decode(dtype, code)), above = static_cast<float>(decode(dtype, code + 1));
      const double middle = (static_cast<double>(here) + above) / 2;
      wrong += encode(dtype, here) != code;
      wrong += encode(dtype, std::nextafter(static_cast<float>(middle), 0.0f)) != code;
      wrong += encode(dtype, static_cast<float>(middle)) != code + (code & 1) &&
               static_cast<double>(static_cast<float>(middle)) == middle;
      wrong += next_above(dtype, here) != static_cast<double>(above);
      wrong += next_below(dtype, above) != static_cast<double>(here);
    }
    CHECK(wrong == 0, "%s codes: %zu wrong", name_of(dtype), wrong);
  }
}

void check_names() {
  int refused = 0;
  for (const auto& [name, parameters] : {std::pair{"normal", std::vector{0.0}}, {"gaussian", {0.0, 1.0}}}) {
    try {
      Law::named(name, parameters);
    } catch (const std::invalid_argument&) {
      ++refused;
    }
  }
  CHECK(refused == 2, "laws of a wrong name or number of parameters: %d of 2 refused", refused);
}

}  // namespace

int main() {
  check_names();
  check_small_floats();
  for (const std::string_view isa : supported_isas()) {
    CHECK(set_active_isa(isa) && active_isa() == isa, "instruction set %s runs", std::string(isa).c_str());
    check_words(isa);
    check_ranges(isa);
    check_windows(isa);
    check_transposed(isa);
  }
  check_stop();
  return failed_checks > 0;
}
