#include "masks/fitting.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <variant>

#include "masks/positions.hpp"
#include "masks/slices.hpp"

namespace weightfill {
namespace {

__extension__ using Wide = unsigned __int128;  // sums and products of indices
constexpr Wide kIndices = Wide{1} << 64;

using std::to_string;

[[noreturn]] void refuse(const std::string& rule, const std::string& got) {
  throw std::invalid_argument(rule + ", got " + got);
}

// `divisor` > 0, `number` < 2^64. Written out in 64 bits, as Clang of Windows has no division of 128 bits.
bool divides(Wide divisor, Wide number) {
  if (divisor > number) return number == 0;
  return static_cast<std::uint64_t>(number) % static_cast<std::uint64_t>(divisor) == 0;
}

std::uint64_t largest_row(const Memory& memory) {
  return *std::max_element(memory.rows, memory.rows + memory.axes[0].count);
}

// How many steps it is along an axis to the last element, or to that of the largest row.
std::uint64_t steps_along(const Memory& memory, std::size_t axis) {
  if (axis == 0 && memory.rows != nullptr) return largest_row(memory);
  return static_cast<std::uint64_t>(memory.axes[axis].count) - 1;
}

// Returns the largest index, but for what the axis of the mask adds.
Wide check_across(const Mask& mask, const Memory& memory) {
  const Wide repeat = Wide{mask.stride} * mask.count;  // from one group of slices side by side to the next; 0: only one
  Wide beside = memory.first % mask.stride, last = memory.first;
  for (std::size_t a = 0; a < memory.axes.size(); ++a) {
    if (a == mask.axis) continue;
    const Wide stride = memory.axes[a].index_stride, steps = steps_along(memory, a);
    last += steps * stride;
    if (last >= kIndices) refuse("memory must have indices below 2^64", "more along axis " + to_string(a));
    if (stride < mask.stride) beside += steps * stride;
    else if (steps > 0 && (repeat == 0 || !divides(repeat, stride)))
      refuse("index_strides must go from slice to slice along axis " + to_string(a),
             to_string(memory.axes[a].index_stride));
  }
  if (beside >= mask.stride)
    refuse("memory must have at most " + to_string(mask.stride) + " slices side by side", "more");
  return last;
}

void check_along(const Mask& mask, const Memory& memory, Wide last) {
  const std::uint64_t stride = memory.axes[mask.axis].index_stride, start = position_of(mask, memory.first);
  const std::uint64_t steps = steps_along(memory, mask.axis);
  if (steps > 0 && stride != mask.stride)
    refuse("index_strides must be that of the mask, " + to_string(mask.stride) + ", along its axis", to_string(stride));
  if (mask.axis == 0 && memory.rows != nullptr && start > 0)
    refuse("first must be in row 0 where rows are named", "row " + to_string(start));
  if (mask.count > 0 && Wide{start} + steps >= mask.count)
    refuse("memory must stay within the " + to_string(mask.count) + " positions of a slice",
           "position " + to_string(start + steps));
  if (last + Wide{steps} * mask.stride >= kIndices) refuse("memory must have indices below 2^64", "more in a slice");
}

void check_drawn(const Mask& mask, const Slices& drawn, std::uint64_t last_slice) {
  const std::uint64_t words = words_of(mask.count);
  if (drawn.words != words) refuse("slices must be those of the mask", "slices of another length");
  const std::uint64_t count = drawn.dense ? drawn.bits.size() / words : drawn.lists.size();
  if (last_slice >= count) refuse("slices must have slice " + to_string(last_slice), to_string(count) + " slices");
}

}  // namespace

void check_mask(const Mask& mask) {
  if (mask.stride == 0) refuse("mask must have a stride of at least 1", "0");
  if (mask.count == 0 && (mask.axis > 0 || !std::holds_alternative<Mask::AllBut>(mask.pattern)))
    refuse("mask must have slices of at least 1 element", "0");
  if (const auto* connections = std::get_if<Mask::Connections>(&mask.pattern)) {
    if (connections->kept > mask.count)
      refuse("mask must keep at most the " + to_string(mask.count) + " elements of a slice",
             to_string(connections->kept));
  } else if (const auto* d = std::get_if<Mask::Diagonal>(&mask.pattern)) {
    if (std::min({d->outputs, d->output_stride, d->period, d->taps, d->tap_stride}) == 0)
      refuse("mask must have outputs, taps, their strides and a period of at least 1", "0");
  }
}

void check_fits(const Mask& mask, const Memory& memory) {
  check_mask(mask);
  if (mask.axis >= memory.axes.size())
    refuse("memory must have the mask's axis " + to_string(mask.axis), to_string(memory.axes.size()) + " axes");
  const Wide last = check_across(mask, memory);
  check_along(mask, memory, last);
  if (const Slices* const drawn = slices_of(mask))
    check_drawn(mask, *drawn, slice_of(mask, static_cast<std::uint64_t>(last)));
}

}  // namespace weightfill
