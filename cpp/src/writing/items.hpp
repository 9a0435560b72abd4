// Elements as bits: code for each size of an element, written once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weightfill {

// f(bits), `bits` an unsigned integer of the size of an element.
template <class F>
decltype(auto) by_item_size(std::size_t item_size, F&& f) {
  switch (item_size) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

}  // namespace weightfill
