// The positions within a slice that a mask names.
#pragma once

#include <span>
#include <vector>

#include "masks/draws.hpp"

namespace weightfill {

// The number of the slice to which an element belongs, and its position within the slice.
std::uint64_t slice_of(const Mask& mask, std::uint64_t index);
std::uint64_t position_of(const Mask& mask, std::uint64_t index);

// Whether the positions listed are those that are kept; otherwise all others are.
bool lists_kept(const Mask& mask);

// Of the connections of a mask; those of another mask have none.
Draws draws_of(const Mask& mask, std::uint64_t seed);

// For one thread: it keeps the positions last asked for, and a few words of their stream. Takes 8 bytes for each
// position listed, and at most 32 more to draw them or a bit for each position of a slice, whichever is less.
class Positions {
 public:
  Positions(const Mask& mask, std::uint64_t seed);

  // Positions of a slice, in ascending order: those that are kept, or those that are not if that is less to list.
  const std::vector<std::uint64_t>& of(std::uint64_t slice);
  bool lists_kept() const { return lists_kept_; }

  // About how many positions a slice has listed.
  std::uint64_t listed() const { return listed_; }

 private:
  void draw(std::uint64_t slice);
  void draw_bits(std::uint64_t slice);
  void sort_few(const std::uint64_t* few);
  void insert(std::uint64_t drawn, std::uint64_t otherwise);
  void add(std::uint64_t drawn, std::uint64_t otherwise);

  const Mask& mask_;
  bool lists_kept_;
  Draws draws_;
  std::uint64_t listed_;
  bool known_ = false;  // whether `positions_` are those of `slice_`
  std::uint64_t slice_ = 0;
  std::vector<std::uint64_t> positions_;
  std::vector<std::uint64_t> table_;  // of long lists: a bit for each position, or a hash table of those drawn
};

}  // namespace weightfill
