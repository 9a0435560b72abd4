// What a mask needs of its numbers and of memory. Without it positions would be looked up that are in no slice.
#pragma once

#include "weightfill/fill.hpp"

namespace weightfill {

// Throws std::invalid_argument unless the mask has slices and a place for each of their elements.
void check_mask(const Mask& mask);

// Throws std::invalid_argument unless a law under the mask can be drawn into memory that is not empty. Along the axis
// of the mask the memory goes from each position to the next and stays within the slices, or it names rows below their
// end; along its other axes it goes from slice to slice. Takes a few nanoseconds, and one for each row that is named.
void check_fits(const Mask& mask, const Memory& memory);

}  // namespace weightfill
