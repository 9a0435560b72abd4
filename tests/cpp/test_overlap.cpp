// Which arrays share memory: against a search of all their bytes.
#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "check.hpp"
#include "weightfill/overlap.hpp"

using namespace weightfill;

namespace {

std::byte memory[4096];

std::set<const std::byte*> bytes_of(const StridedMemory& array) {
  std::set<const std::byte*> bytes;
  std::vector<const std::byte*> first{array.data};
  for (const auto& axis : array.axes) {
    std::vector<const std::byte*> next;
    for (const std::byte* at : first)
      for (std::int64_t i = 0; i < axis.count; ++i) next.push_back(at + i * axis.byte_stride);
    first = next;
  }
  for (const std::byte* at : first)
    for (std::int64_t i = 0; i < array.item_size; ++i) bytes.insert(at + i);
  return bytes;
}

bool share_a_byte(const StridedMemory& a, const StridedMemory& b) {
  const auto of_a = bytes_of(a), of_b = bytes_of(b);
  return std::any_of(of_a.begin(), of_a.end(), [&](const std::byte* at) { return of_b.count(at) != 0; });
}

bool ranges_meet(const StridedMemory& a, const StridedMemory& b) {
  const auto of_a = bytes_of(a), of_b = bytes_of(b);
  return !of_a.empty() && !of_b.empty() && *of_a.begin() <= *of_b.rbegin() && *of_b.begin() <= *of_a.rbegin();
}

std::size_t found(const std::vector<StridedMemory>& arrays) { return meeting(arrays).size(); }

void parts_of_a_matrix() {
  const std::byte* at = memory + 1024;
  const auto columns = [at](std::int64_t begin, std::int64_t count) {
    return StridedMemory{at + 4 * begin, 4, {{40, 8}, {4, count}}};
  };
  CHECK(found({columns(0, 5), columns(5, 5)}) == 0, "two halves of the columns share nothing");
  CHECK(found({columns(0, 6), columns(4, 6)}) == 1, "columns that overlap are found");
  CHECK(found({columns(0, 5), columns(0, 5)}) == 1, "an array and itself are found");
  CHECK(found({columns(0, 0), columns(0, 5)}) == 0, "an empty array shares nothing");
  CHECK(found({{at + 36, 4, {{-4, 10}}}, {at + 40, 4, {{4, 10}}}}) == 0, "one that runs backwards ends where it began");
  CHECK(found({{at + 36, 4, {{-4, 10}}}, {at, 4, {{4, 1}}}}) == 1, "one that runs backwards is found at its end");
  CHECK(found({{at, 4, {}}, {at, 8, {}}}) == 1, "single elements of two sizes are found");
  CHECK((meeting({columns(8, 2), columns(0, 2), columns(1, 2)}) ==
         std::vector<std::pair<std::size_t, std::size_t>>{{1, 2}}),
        "pairs are numbers of arrays");
}

// Pairs of one shape and of two, forwards and backwards, with gaps of any size.
void no_shared_byte_is_missed() {
  std::mt19937_64 random(11);
  int missed = 0, without_reason = 0, shared = 0, apart = 0;
  for (int repeat = 0; repeat < 4000; ++repeat) {
    const auto any = [&](std::int64_t low, std::int64_t high) {
      return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
    };
    const auto array = [&] {
      StridedMemory a{memory + 2048 + any(-40, 40), std::int64_t{1} << any(0, 2), {}};
      for (std::int64_t axes = any(0, 3); axes > 0; --axes) a.axes.push_back({any(-2, 24), any(0, 4)});
      return a;
    };
    const StridedMemory a = array();
    StridedMemory b = array();
    if (repeat % 2 == 0) b.axes = a.axes, b.item_size = a.item_size;
    const bool is_found = found({a, b}) == 1, is_shared = share_a_byte(a, b);
    missed += is_shared && !is_found;
    without_reason += is_found && !ranges_meet(a, b);
    shared += is_shared, apart += !is_found;
  }
  CHECK(missed == 0 && without_reason == 0 && shared > 200 && apart > 200,
        "%d pairs share a byte, %d missed; %d found whose ranges do not meet", shared, missed, without_reason);
}

}  // namespace

int main() {
  parts_of_a_matrix();
  no_shared_byte_is_missed();
  return failed_checks > 0;
}
