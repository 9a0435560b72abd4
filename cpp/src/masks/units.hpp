// Connections of all units of a tensor, drawn once.
#pragma once

#include "masks/draws.hpp"
#include "weightfill/fill.hpp"

namespace weightfill {

// Words of a unit's bits, with one to spare for reading at any offset.
inline std::uint64_t words_of(const Draws& draws) { return draws.words() + 1; }

// The bits of a unit, 1 for what is kept.
void keep_bits(const Mask& mask, Draws& draws, std::uint64_t unit, std::uint64_t* bits);

// Those that the mask has, or null.
const Units* units_of(const Mask& mask);

}  // namespace weightfill
