// Connections of all slices of a tensor, drawn once.
#pragma once

#include "masks/draws.hpp"
#include "weightfill/fill.hpp"

namespace weightfill {

// Words of the bits of a slice of `count` elements, with one to spare for reading at any offset.
inline std::uint64_t words_of(std::uint64_t count) { return count / 64 + (count % 64 != 0) + 1; }

// Writes the bits of a slice, 1 for each position that is kept.
void keep_bits(const Mask& mask, Draws& draws, std::uint64_t slice, std::uint64_t* bits);

// The slices of the mask that were drawn before, or null.
const Slices* slices_of(const Mask& mask);

}  // namespace weightfill
