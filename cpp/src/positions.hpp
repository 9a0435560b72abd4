// The positions within a unit that a mask names.
#pragma once

#include <span>
#include <vector>

#include "kernels.hpp"

namespace weightfill {

// For one thread: it keeps the positions last asked for, and a few words of their stream.
class Positions {
 public:
  Positions(const Mask& mask, std::uint64_t seed);

  // The number of the unit to which an element belongs.
  std::uint64_t unit(std::uint64_t index) const;

  // The position of an element within its unit.
  std::uint64_t position(std::uint64_t index) const;

  // Positions of a unit, in ascending order: those that are kept, or those that are not if that is less to list.
  const std::vector<std::uint64_t>& of(std::uint64_t unit);
  bool lists_kept() const { return lists_kept_; }

  // About how many positions a unit has listed.
  std::uint64_t listed() const { return listed_; }

 private:
  void draw(std::uint64_t unit);
  void sort_few(const std::uint64_t* few);
  void insert(std::uint64_t drawn, std::uint64_t otherwise);
  void add(std::uint64_t drawn, std::uint64_t otherwise);
  void read_words(std::uint64_t index);

  const Mask& mask_;
  Stream stream_;  // of positions
  bool lists_kept_ = true;
  std::uint64_t listed_ = 1;
  bool any_ = false;  // `positions_` is of `unit_`
  std::uint64_t unit_ = 0;
  std::vector<std::uint64_t> positions_;
  std::vector<std::uint64_t> table_;  // of long lists: a bit for each position, or a hash table of those drawn

  // Words of the stream from 2 * first_ on; those of `kAhead` units of the kernels.
  static constexpr std::size_t kAhead = 4;
  std::uint64_t first_ = 0;
  std::size_t words_read_ = 0;
  alignas(64) std::uint32_t words_[kAhead * kMaxUnitWords];
};

}  // namespace weightfill
