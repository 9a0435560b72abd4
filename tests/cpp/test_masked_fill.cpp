// Laws under masks against a scalar reference, on every instruction set: whole tensors, windows, rows and strides;
// sparse rows; several fills at once.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "check.hpp"
#include "weightfill/fill.hpp"

using namespace weightfill;

namespace {

constexpr Stream kStream{42, 7};
constexpr std::uint64_t kNumber = 99;  // of the stream of positions

using Shape = std::vector<std::int64_t>;
using Bytes = std::vector<std::byte>;

std::vector<Dtype> dtypes() {
  if (std::getenv("WEIGHTFILL_QUICK") != nullptr) return {Dtype::float32};
  return {Dtype::float32, Dtype::float64, Dtype::bfloat16, Dtype::float8_e5m2};
}

std::uint64_t word64(std::uint64_t index) {
  const PhiloxBlock block = philox_block({kStream.seed, kNumber}, index / 2);
  return block[index % 2 * 2] | std::uint64_t{block[index % 2 * 2 + 1]} << 32;
}

std::set<std::uint64_t> drawn(std::uint64_t slice, std::uint64_t n, std::uint64_t listed) {
  __extension__ using Wide = unsigned __int128;
  std::set<std::uint64_t> chosen;
  for (std::uint64_t j = 0; j < listed; ++j) {
    const std::uint64_t last = n - listed + j;
    const auto position = static_cast<std::uint64_t>(Wide{word64(slice * listed + j)} * (last + 1) >> 64);
    chosen.insert(chosen.count(position) ? last : position);
  }
  return chosen;
}

bool kept(const Mask& mask, std::uint64_t index) {
  const std::uint64_t position = index / mask.stride % mask.count;
  const std::uint64_t slice = index / (mask.stride * mask.count) * mask.stride + index % mask.stride;
  if (const auto* c = std::get_if<Mask::Connections>(&mask.pattern)) {
    const bool few = c->kept <= mask.count / 2;
    return (drawn(slice, mask.count, few ? c->kept : mask.count - c->kept).count(position) != 0) == few;
  }
  if (const auto* d = std::get_if<Mask::Diagonal>(&mask.pattern))
    return slice / d->tap_stride % d->taps == d->centre &&
           position == slice / d->output_stride % d->outputs % d->period;
  for (const std::uint64_t row : std::get<Mask::AllBut>(mask.pattern).positions)
    if (row == position) return false;
  return true;
}

Memory whole_memory(std::byte* data, Dtype dtype, const Shape& shape) {
  Memory memory{data, dtype, 0, {}, nullptr};
  std::uint64_t inner = 1;
  for (std::size_t a = shape.size(); a-- > 0; inner *= static_cast<std::uint64_t>(shape[a]))
    memory.axes.insert(memory.axes.begin(), {shape[a], static_cast<std::int64_t>(inner * item_size_of(dtype)), inner});
  return memory;
}

std::uint64_t elements(const Shape& shape) {
  std::uint64_t n = 1;
  for (const std::int64_t count : shape) n *= static_cast<std::uint64_t>(count);
  return n;
}

Bytes reference(const Law& plain, const Mask& mask, Dtype dtype, const Shape& shape) {
  Bytes table(elements(shape) * item_size_of(dtype));
  fill(plain, kStream, whole_memory(table.data(), dtype, shape), {1, {}});
  for (std::uint64_t i = 0; i < elements(shape); ++i)
    if (!kept(mask, i)) std::memset(table.data() + i * item_size_of(dtype), 0, item_size_of(dtype));
  return table;
}

struct Case {
  Shape shape;
  Mask mask;
};

std::vector<Case> cases() {
  const auto stride = [](const Shape& shape, std::size_t axis) {
    return elements(Shape(shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, shape.end()));
  };
  std::vector<Case> all;
  for (const Shape& shape : {Shape{40}, Shape{9, 31}, Shape{37, 300}, Shape{5, 3, 140}, Shape{4, 6, 3, 5}}) {
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      const auto n = static_cast<std::uint64_t>(shape[axis]);
      for (const std::uint64_t count : {std::uint64_t{1}, n / 10, n / 2, n / 2 + 1, n - 1, n})
        if (count <= n) all.push_back({shape, {axis, n, stride(shape, axis), Mask::Connections{count, kNumber}}});
    }
    all.push_back({shape, {0, static_cast<std::uint64_t>(shape[0]), stride(shape, 0), Mask::AllBut{{0, 2, 3}}}});
  }
  all.push_back({{30, 20}, {1, 20, 1, Mask::Diagonal{30, 1, 30, 1, 1, 0}}});
  all.push_back({{6, 4, 3, 5}, {1, 4, 15, Mask::Diagonal{6, 15, 3, 15, 1, 7}}});
  return all;
}

// The memory without its first and last element along each axis, where there are others.
Memory inner_part(Memory memory) {
  for (Axis& axis : memory.axes) {
    if (axis.count < 3) continue;
    memory.data = static_cast<std::byte*>(memory.data) + axis.byte_stride;
    memory.first += axis.index_stride;
    axis.count -= 2;
  }
  return memory;
}

bool verified(const Law& law, const Memory& memory) {
  const auto difference = verify(law, kStream, memory, {3, {}});
  return difference && difference->count == 0;
}

void check_isa(std::string_view isa) {
  const std::string name(isa);
  int wrong_whole = 0, wrong_part = 0, wrong_drawn = 0, wrong_reversed = 0, wrong_rows = 0, unverified = 0, unseen = 0;
  const std::vector<Case> all = cases();
  for (const auto& [shape, mask] : all) {
    for (const Dtype dtype : dtypes()) {
      const Law plain = Law::named("normal", {0, 0.5}), law = plain.under(mask);
      const Bytes expected = reference(plain, mask, dtype, shape);
      Bytes table(expected.size() + 8);
      const Memory whole = whole_memory(table.data(), dtype, shape);
      for (const int threads : {1, 3}) {
        std::fill(table.begin(), table.end(), std::byte{0x55});
        fill(law, kStream, whole, {threads, {}});
        wrong_whole += !std::equal(expected.begin(), expected.end(), table.begin());
        unverified += !verified(law, whole);
      }
      table[expected.size() / 2] ^= std::byte{1};
      const auto difference = verify(law, kStream, whole, {2, {}});
      unseen += !difference || difference->count != 1 ||
                difference->first_position != expected.size() / 2 / item_size_of(dtype);

      std::fill(table.begin(), table.end(), std::byte{0x55});
      const Memory part = inner_part(whole);
      fill(law, kStream, part, {2, {}});
      unverified += !verified(law, part);
      Bytes rim = expected;
      std::fill(rim.begin(), rim.end(), std::byte{0x55});
      const Memory from = inner_part(whole_memory(const_cast<std::byte*>(expected.data()), dtype, shape));
      const Memory to = inner_part(whole_memory(rim.data(), dtype, shape));
      const std::function<void(std::size_t, std::int64_t, std::int64_t)> copy = [&](std::size_t a, auto f, auto t) {
        if (a == from.axes.size()) {
          std::memcpy(static_cast<std::byte*>(to.data) + t, static_cast<std::byte*>(from.data) + f,
                      item_size_of(dtype));
          return;
        }
        for (std::int64_t i = 0; i < from.axes[a].count; ++i)
          copy(a + 1, f + i * from.axes[a].byte_stride, t + i * to.axes[a].byte_stride);
      };
      copy(0, 0, 0);
      wrong_part += !std::equal(rim.begin(), rim.end(), table.begin());

      if (const auto* connections = std::get_if<Mask::Connections>(&mask.pattern)) {
        Mask drawn = mask;
        const std::uint64_t slices = elements(shape) / mask.count;
        drawn.pattern = Mask::Connections{connections->kept, kNumber, draw_slices(mask, kStream.seed, slices, 3)};
        Bytes again(rim.size(), std::byte{0x55});
        const Law once = Law::named("normal", {0, 0.5}).under(drawn);
        const Memory same = inner_part(whole_memory(again.data(), dtype, shape));
        fill(once, kStream, same, {2, {}});
        wrong_drawn += again != rim || !verified(once, same);
      }

      // Memory in the reverse order of the tensor.
      Memory reversed = whole;
      for (Axis& axis : reversed.axes) {
        reversed.data = static_cast<std::byte*>(reversed.data) + (axis.count - 1) * axis.byte_stride;
        axis.byte_stride = -axis.byte_stride;
      }
      fill(law, kStream, reversed, {2, {}});
      unverified += !verified(law, reversed);
      for (std::uint64_t i = 0, n = elements(shape); i < n; ++i)
        wrong_reversed += std::memcmp(table.data() + (n - 1 - i) * item_size_of(dtype),
                                      expected.data() + i * item_size_of(dtype), item_size_of(dtype)) != 0;

      if (shape.size() < 2) continue;
      const std::vector<std::uint64_t> ids = {3, 0, 3, static_cast<std::uint64_t>(shape[0]) - 1};
      Shape some = shape;
      some[0] = static_cast<std::int64_t>(ids.size());
      Memory rows = whole_memory(table.data(), dtype, some);
      rows.rows = ids.data();
      fill(law, kStream, rows, {2, {}});
      unverified += !verified(law, rows);
      const std::size_t row = elements(some) / ids.size() * item_size_of(dtype);
      for (std::size_t r = 0; r < ids.size(); ++r)
        wrong_rows += std::memcmp(table.data() + r * row, expected.data() + ids[r] * row, row) != 0;
    }
  }
  CHECK(wrong_whole == 0, "%s: %zu masks, whole: %d differ", name.c_str(), all.size(), wrong_whole);
  CHECK(wrong_part == 0, "%s: windows: %d differ", name.c_str(), wrong_part);
  CHECK(wrong_drawn == 0, "%s: windows of slices drawn before: %d differ", name.c_str(), wrong_drawn);
  CHECK(wrong_reversed == 0, "%s: reversed memory: %d elements differ", name.c_str(), wrong_reversed);
  CHECK(wrong_rows == 0, "%s: rows by their ids: %d differ", name.c_str(), wrong_rows);
  CHECK(unverified == 0, "%s: verify refuses %d", name.c_str(), unverified);
  CHECK(unseen == 0, "%s: verify misses a changed element in %d", name.c_str(), unseen);
}

// Tensors large enough to pass the cache, at any alignment: cheap to check by rows.
void check_large(std::string_view isa) {
  const std::string name(isa);
  constexpr std::int64_t kRows = 700, kColumns = 2000;
  const Law law = Law::named("normal", {0, 1}).under({1, kColumns, 1, Mask::Connections{10, kNumber}});
  Bytes memory(kRows * kColumns * 4 + 64);
  Bytes row(kColumns * 4);
  int wrong = 0;
  for (const std::size_t offset : {0u, 4u, 2u, 60u}) {
    std::byte* data = memory.data() + offset;
    fill(law, kStream, whole_memory(data, Dtype::float32, {kRows, kColumns}), {2, {}});
    for (std::int64_t r = 0; r < kRows; r += 7) {
      Memory one = whole_memory(row.data(), Dtype::float32, {1, kColumns});
      one.first = static_cast<std::uint64_t>(r * kColumns);
      fill(law, kStream, one, {1, {}});
      wrong += std::memcmp(data + r * kColumns * 4, row.data(), row.size()) != 0;
    }
  }
  CHECK(wrong == 0, "%s: large sparse tensors at four alignments: %d rows differ", name.c_str(), wrong);
}

void check_sparse_rows(std::string_view isa) {
  const std::string name(isa);
  constexpr std::uint64_t kRows = 50, kColumns = 333;
  int wrong = 0;
  for (const std::uint64_t count : {1u, 10u, 166u, 167u, 333u}) {
    const Mask mask{1, kColumns, 1, Mask::Connections{count, kNumber}};
    const Law plain = Law::uniform(1, 2), law = plain.under(mask);
    const Bytes dense = reference(plain, mask, Dtype::float64, {kRows, kColumns});
    std::vector<double> values(kRows * count);
    std::vector<std::int64_t> columns(kRows * count);
    std::vector<std::int32_t> narrow(kRows * count);
    fill_sparse(law, kStream, {0, kRows, Dtype::float64, values.data(), narrow.data(), false}, {2, {}});
    fill_sparse(law, kStream, {0, kRows, Dtype::float64, values.data(), columns.data(), true}, {2, {}});
    std::vector<double> found(kRows * kColumns);
    for (std::uint64_t i = 0; i < kRows * count; ++i) {
      found[i / count * kColumns + static_cast<std::uint64_t>(columns[i])] = values[i];
      wrong += columns[i] != narrow[i] || (i % count != 0 && columns[i] <= columns[i - 1]);
    }
    wrong += std::memcmp(found.data(), dense.data(), dense.size()) != 0;
  }
  CHECK(wrong == 0, "%s: sparse rows equal the dense tensor: %d differ", name.c_str(), wrong);
}

void check_several(std::string_view isa) {
  const std::string name(isa);
  const std::vector<Case> all = cases();
  std::vector<Bytes> tables;
  std::vector<Fill> fills;
  std::vector<Law> laws;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Law plain = i % 3 == 0 ? Law::constant(1) : i % 3 == 1 ? Law::uniform(0, 1) : Law::named("normal", {0, 1});
    laws.push_back(i % 2 == 0 ? plain : plain.under(all[i].mask));
    tables.emplace_back(elements(all[i].shape) * 4);
    names.push_back("layer." + std::to_string(i));
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    fills.push_back({laws[i], 1, names[i], whole_memory(tables[i].data(), Dtype::float32, all[i].shape)});
  int wrong = 0;
  for (const int threads : {1, 2, 5}) {
    for (Bytes& table : tables) std::fill(table.begin(), table.end(), std::byte{0x55});
    std::uint64_t last = 0;
    fill(fills, {threads, [&](std::uint64_t done) { return last = done, true; }});
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      Bytes alone(tables[i].size());
      fill(laws[i], {1, stream_number(names[i])}, whole_memory(alone.data(), Dtype::float32, all[i].shape), {1, {}});
      wrong += alone != tables[i];
      total += elements(all[i].shape);
    }
    wrong += last != total;
  }
  CHECK(wrong == 0, "%s: %zu fills at once: %d differ", name.c_str(), all.size(), wrong);
}

}  // namespace

int main() {
  for (const std::string_view isa : supported_isas()) {
    CHECK(set_active_isa(isa) && active_isa() == isa, "instruction set %s runs", std::string(isa).c_str());
    check_isa(isa);
    check_large(isa);
    check_sparse_rows(isa);
    check_several(isa);
  }
  return failed_checks > 0;
}
