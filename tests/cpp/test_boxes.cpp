// Boxes of masked memory: together they hold every element once, and are ranges of places.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "masks/boxes.hpp"
#include "weightfill/fill.hpp"

using namespace weightfill;

namespace {

using Counts = std::vector<std::int64_t>;
using Indices = std::vector<std::uint64_t>;

// Memory of a window: the first elements of each axis of a larger tensor, whose rows are every second one if named.
struct Window {
  Window(const Counts& shape, bool named) {
    std::uint64_t inner = 1;
    for (std::size_t a = shape.size(); a-- > 0; inner *= static_cast<std::uint64_t>(2 * shape[a] + 1))
      memory.axes.insert(memory.axes.begin(), {shape[a], static_cast<std::int64_t>(4 * inner), inner});
    for (std::int64_t row = 0; named && row < shape[0]; ++row) rows.push_back(static_cast<std::uint64_t>(2 * row));
    if (named) memory.rows = rows.data();
  }

  Indices indices() const {
    Indices all{0};
    for (std::size_t a = 0; a < memory.axes.size(); ++a) {
      Indices next;
      for (const std::uint64_t index : all)
        for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(memory.axes[a].count); ++i)
          next.push_back(index + (a == 0 && memory.rows ? rows[i] : i) * memory.axes[a].index_stride);
      all = next;
    }
    return all;
  }

  std::vector<std::uint64_t> rows;
  Memory memory;
};

Mask mask_of(const Window& window, std::size_t axis, int pattern) {
  const Axis& along = window.memory.axes[axis];
  const auto count = static_cast<std::uint64_t>(2 * along.count + 1);
  if (pattern == 0) return {axis, count, along.index_stride, Mask::Diagonal{1, 1, 1, 1, 1, 0}};
  return {axis, count, along.index_stride, Mask::Connections{pattern == 1 ? 1 : count / 2, 7}};
}

void add_indices(const Boxes& boxes, const Box& box, Indices& all) {
  const auto named = [&](const WalkedAxis& axis, std::uint64_t i) {
    return (axis.named ? box.rows[i] : i) * axis.index_stride;
  };
  for (std::uint64_t s = 0; s < box.slices; ++s)
    for (std::uint64_t p = 0; p < box.length; ++p)
      all.push_back(box.index + named(boxes.across(), s) + named(boxes.along(), p));
}

void every_element_is_in_one_box() {
  int wrong = 0, wrong_boundaries = 0, several = 0, cases = 0;
  for (const Counts& shape :
       {Counts{5}, Counts{7, 9}, Counts{3, 4, 6}, Counts{2, 3, 4, 5}, Counts{1, 600}, Counts{600, 3}}) {
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      for (const bool named : {false, true}) {
        const Window window(shape, named);
        Indices expected = window.indices();
        std::sort(expected.begin(), expected.end());
        for (int pattern = 0; pattern < 3; ++pattern) {
          for (const std::uint64_t most : {1u, 10u, 100000u}) {
            const Mask mask = mask_of(window, axis, pattern);
            const Boxes boxes(mask, window.memory, most, pattern == 1);
            Indices found;
            std::uint64_t count = 0;
            for (std::uint64_t begin = 0; begin < boxes.size();) {
              const std::uint64_t end = boxes.boundary(begin + 1), before = found.size();
              boxes.each(begin, end, [&](const Box& box) { add_indices(boxes, box, found), ++count; });
              wrong_boundaries += end <= begin || found.size() - before != end - begin || boxes.boundary(end) != end;
              begin = std::max(end, begin + 1);
            }
            std::sort(found.begin(), found.end());
            wrong += found != expected || boxes.size() != expected.size();
            several += count > 1, ++cases;
          }
        }
      }
    }
  }
  CHECK(wrong == 0, "%d ways to cut memory: %d miss an element or hold one twice", cases, wrong);
  CHECK(wrong_boundaries == 0 && several > 50, "%d of them into several boxes: %d wrong boundaries", several,
        wrong_boundaries);
}

void empty_memory_has_no_box() {
  const Window window({4, 0}, false);
  const Mask mask = mask_of(window, 1, 1);
  const Boxes boxes(mask, window.memory, 10, true);
  int count = 0;
  boxes.each(0, boxes.size(), [&](const Box&) { ++count; });
  CHECK(boxes.size() == 0 && boxes.boundary(0) == 0 && count == 0, "empty memory: %d boxes", count);
}

}  // namespace

int main() {
  every_element_is_in_one_box();
  empty_memory_has_no_box();
  return failed_checks > 0;
}
