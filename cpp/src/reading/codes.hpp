// Types of 16 bits or fewer by their codes: few enough to count all elements by code, faster than to convert them.
#pragma once

#include <optional>
#include <vector>

#include "weightfill/fill.hpp"

namespace weightfill {

// Number of codes of a type of 16 bits or fewer; 0 for wider types.
constexpr std::size_t code_count(Dtype dtype) {
  const std::size_t size = item_size_of(dtype);
  return size > 2 ? 0 : std::size_t{1} << (8 * size);
}

// Values of all codes of a type of 16 bits or fewer, NaN and infinities included.
const std::vector<float>& values_of_codes(Dtype dtype);

// How often each code occurs in the memory, whose type has 16 bits or fewer. Empty if `tick` stopped it.
std::optional<std::vector<std::uint64_t>> count_codes(const Memory& memory, const Execution& execution);

}  // namespace weightfill
