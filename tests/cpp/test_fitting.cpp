// Memory in which a mask's places cannot be told is refused, and not touched.
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "weightfill/fill.hpp"

using namespace weightfill;

namespace {

constexpr Stream kStream{42, 7};
constexpr std::uint64_t kRows = 20, kColumns = 100, kNumber = 99;
constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;
using Patterns = decltype(Mask::pattern);

// The whole memory: what is filled is a part of it.
struct Table {
  std::vector<float> values = std::vector<float>(kRows * kColumns, 7);
  bool untouched() const { return values == std::vector<float>(kRows * kColumns, 7); }
};

// Elements (i, j) of the table for i < rows and j < columns, with the indices first + i * outer + j * inner.
Memory memory_of(Table& table, std::uint64_t rows, std::uint64_t columns, std::uint64_t first, std::uint64_t outer,
                 std::uint64_t inner) {
  const auto bytes = static_cast<std::int64_t>(kColumns * sizeof(float));
  return {table.values.data(),
          Dtype::float32,
          first,
          {{static_cast<std::int64_t>(rows), bytes, outer}, {static_cast<std::int64_t>(columns), sizeof(float), inner}},
          nullptr};
}

std::string refusal(const Law& law, const Memory& memory) {
  std::string filled, verified = "verified", all;
  try {
    fill(law, kStream, memory, {2, {}});
  } catch (const std::invalid_argument& error) {
    filled = error.what();
  }
  try {
    verify(law, kStream, memory, {1, {}});
  } catch (const std::invalid_argument& error) {
    verified = error.what();
  }
  try {
    Table other;
    const Memory whole = memory_of(other, kRows, kColumns, 0, kColumns, 1);
    fill({{Law::constant(1), 1, "a", whole}, {law, 1, "b", memory}}, {1, {}});
    if (!other.untouched()) all = "another was filled before";
  } catch (const std::invalid_argument& error) {
    all = error.what();
  }
  return filled == verified && filled == all ? filled : "";
}

void expect(const Law& law, const char* what, Memory memory, Table& table, const std::string& message) {
  const std::string found = refusal(law, memory);
  CHECK(found == message && table.untouched(), "%s: %s", what, found.c_str());
}

void places_must_be_told() {
  const Law normal = Law::named("normal", {0, 1});
  // Connections that are listed, that are bits, and of which the others are listed.
  const auto patterns = [](std::uint64_t count) {
    return std::vector<Patterns>{Mask::Connections{2, kNumber}, Mask::Connections{count / 2, kNumber},
                                 Mask::Connections{count - 1, kNumber}, Mask::Diagonal{kRows, 1, kRows, 1, 1, 0},
                                 Mask::AllBut{{0, 3}}};
  };
  for (const Patterns& pattern : patterns(kColumns)) {
    const Law law = normal.under({1, kColumns, 1, pattern});
    Table t;
    expect(law, "steps", memory_of(t, 10, 40, 0, kColumns, 2), t,
           "index_strides must be that of the mask, 1, along its axis, got 2");
    expect(law, "reversed", memory_of(t, 10, 40, 39, kColumns, ~std::uint64_t{0}), t,
           "index_strides must be that of the mask, 1, along its axis, got 18446744073709551615");
    expect(law, "beyond a slice", memory_of(t, 10, 40, 61, kColumns, 1), t,
           "memory must stay within the 100 positions of a slice, got position 100");
    expect(law, "from within a slice to the next", memory_of(t, 10, 40, 0, kColumns + 1, 1), t,
           "index_strides must go from slice to slice along axis 0, got 101");
    expect(law, "within a slice", memory_of(t, 10, 40, 0, 3, 1), t,
           "index_strides must go from slice to slice along axis 0, got 3");
    expect(law, "beyond 2^64", memory_of(t, 10, 40, 0, kHuge / 25 * 100, 1), t,
           "memory must have indices below 2^64, got more along axis 0");
    Memory named = memory_of(t, 3, 40, 0, kColumns, 1);
    const std::uint64_t rows[] = {1, ~std::uint64_t{0} / 64, 0};
    named.rows = rows;
    expect(law, "rows beyond 2^64", named, t, "memory must have indices below 2^64, got more along axis 0");
    Memory line = memory_of(t, 10, 40, 0, kColumns, 1);
    line.axes.erase(line.axes.begin());
    expect(law, "too few axes", line, t, "memory must have the mask's axis 1, got 1 axes");
  }
  for (const Patterns& pattern : patterns(kRows)) {
    const Law law = normal.under({0, kRows, kColumns, pattern});
    Table t;
    expect(law, "steps along the first axis", memory_of(t, 10, 40, 0, 2 * kColumns, 1), t,
           "index_strides must be that of the mask, 100, along its axis, got 200");
    expect(law, "slices of the next row", memory_of(t, 10, 40, 61, kColumns, 1), t,
           "memory must have at most 100 slices side by side, got more");
    expect(law, "beyond the last row", memory_of(t, 10, 40, 11 * kColumns, kColumns, 1), t,
           "memory must stay within the 20 positions of a slice, got position 20");
    Memory named = memory_of(t, 3, 40, 0, kColumns, 1);
    const std::uint64_t rows[] = {1, 20, 0};
    named.rows = rows;
    expect(law, "rows beyond the last", named, t,
           "memory must stay within the 20 positions of a slice, got position 20");
    named.first = kColumns;
    expect(law, "rows from another row on", named, t, "first must be in row 0 where rows are named, got row 1");
  }
}

void slices_drawn_before_must_be_there() {
  const Law normal = Law::named("normal", {0, 1});
  for (const std::uint64_t kept : {2u, 50u}) {
    const Mask mask{1, kColumns, 1, Mask::Connections{kept, kNumber}};
    const auto under = [&](std::uint64_t count, std::uint64_t slices) {
      const Mask other{1, count, 1, Mask::Connections{kept, kNumber}};
      return normal.under({1, kColumns, 1, Mask::Connections{kept, kNumber, draw_slices(other, 42, slices, 1)}});
    };
    Table t;
    expect(under(kColumns, 12), "more slices than were drawn", memory_of(t, 10, 40, 3 * kColumns + 9, kColumns, 1), t,
           "slices must have slice 12, got 12 slices");
    expect(under(300, 20), "slices of another mask", memory_of(t, 10, 40, 0, kColumns, 1), t,
           "slices must be those of the mask, got slices of another length");
    CHECK(fill(under(kColumns, 13), kStream, memory_of(t, 10, 40, 3 * kColumns + 9, kColumns, 1), {1, {}}),
          "as many slices as were drawn");
  }
}

void masks_must_have_slices() {
  const Law normal = Law::named("normal", {0, 1});
  const auto found = [&](const Mask& mask) {
    Table t;
    const std::string message = refusal(normal.under(mask), memory_of(t, 10, 40, 0, kColumns, 1));
    return t.untouched() ? message : "touched";
  };
  CHECK(found({1, kColumns, 1, Mask::Connections{101, kNumber}}) ==
            "mask must keep at most the 100 elements of a slice, got 101",
        "too many connections");
  CHECK(found({1, kColumns, 0, Mask::Connections{1, kNumber}}) == "mask must have a stride of at least 1, got 0",
        "no stride");
  CHECK(found({1, 0, 1, Mask::Connections{0, kNumber}}) == "mask must have slices of at least 1 element, got 0",
        "no elements");
  CHECK(found({1, 0, 1, Mask::AllBut{{1}}}) == "mask must have slices of at least 1 element, got 0",
        "no number of elements but along the first axis");
  using D = Mask::Diagonal;
  for (const auto number : {&D::outputs, &D::output_stride, &D::period, &D::taps, &D::tap_stride}) {
    D diagonal{kRows, 1, kRows, 1, 1, 0};
    diagonal.*number = 0;
    CHECK(found({1, kColumns, 1, diagonal}) ==
              "mask must have outputs, taps, their strides and a period of at least 1, got 0",
          "a diagonal with a zero");
  }
}

void sparse_rows_need_connections() {
  const Law normal = Law::named("normal", {0, 1});
  const Mask mask{1, kColumns, 1, Mask::Connections{2, kNumber}};
  const Mask drawn{1, kColumns, 1, Mask::Connections{2, kNumber, draw_slices(mask, 42, 4, 1)}};
  std::vector<float> values(40, 7);
  std::vector<std::int32_t> columns(40, 7);
  int refused = 0;
  for (const Law& law : {normal, normal.under({1, kColumns, 1, Mask::AllBut{{1}}}), normal.under(drawn),
                         normal.under({1, 1, 1, Mask::Connections{2, kNumber}})}) {
    try {
      fill_sparse(law, kStream, {0, 4, Dtype::float32, values.data(), columns.data(), false}, {1, {}});
    } catch (const std::invalid_argument&) {
      ++refused;
    }
  }
  CHECK(refused == 4 && values == std::vector<float>(40, 7) && columns == std::vector<std::int32_t>(40, 7),
        "sparse rows of other laws: %d of 4 refused", refused);
}

}  // namespace

int main() {
  places_must_be_told();
  slices_drawn_before_must_be_there();
  masks_must_have_slices();
  sparse_rows_need_connections();
  return failed_checks > 0;
}
