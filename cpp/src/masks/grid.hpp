// Sets of positions of many slices, a bit for each position; and boxes written through them: all of a box is drawn, and
// what no set keeps becomes zero.
#pragma once

#include <functional>
#include <vector>

#include "masks/box.hpp"
#include "masks/slices.hpp"
#include "writing/job.hpp"
#include "writing/writer.hpp"

namespace weightfill {

// Whether the connections of a mask are too many to be put in one by one. `neighbours`: slices lie side by side in
// memory, so that every single element costs a cache line.
bool is_dense(const Mask& mask, bool neighbours);

// Slices of a box that has all positions of the memory: enough for long pieces, and their bits few enough to hold:
// 16 MB, or those of one slice if that is more.
std::uint64_t dense_slices(const Mask& mask, const WalkedAxis& along, const WalkedAxis& across);

// For one thread.
class Grid {
 public:
  // All must outlive it.
  Grid(const Mask& mask, std::uint64_t seed, const Writer& drawn, const WalkedAxis& along, const WalkedAxis& across);

  // Calls f(piece) for all elements of a box that has all positions of the memory.
  void each_piece(const Box& box, const std::function<void(const Piece&)>& f);

 private:
  static constexpr std::size_t kPieceBytes = 8192;

  void list_slices(const Box& box);
  void write(const Box& box, std::uint64_t line, std::uint64_t begin, std::uint64_t n,
             const std::function<void(const Piece&)>& f);
  void draw(const Box& box, std::uint64_t line, std::uint64_t begin, std::size_t n, std::byte* values);
  const std::uint64_t* bits_of(const Box& box, std::uint64_t line);
  const std::uint64_t* bits_of_named(const Box& box, std::uint64_t line);
  void turn(std::uint64_t word, std::uint64_t slices);
  void append(std::size_t at, const std::uint64_t* bits, std::uint64_t from, std::uint64_t n);

  const Mask& mask_;
  const Writer& drawn_;
  const WalkedAxis &along_, &across_;
  // A line is a slice, or, where neighbours in memory are in different slices, what these have at one position.
  bool by_position_;
  const WalkedAxis &in_line_, &lines_;
  Draws draws_;
  std::uint64_t words_;                       // of a slice, with one to spare
  std::vector<std::uint64_t> bits_;           // of the slices of a box, unless they are drawn already
  std::vector<const std::uint64_t*> slices_;  // the bits of each slice: 1 is kept
  std::uint64_t from_ = 0;                    // position of a box's first element
  std::vector<std::uint64_t> tile_;           // the bits of all slices at each of 64 positions, or those of one line
  std::uint64_t turned_ = 0;                  // which 64 positions
  std::uint64_t keep_[kPieceBytes / 64 + 2];
  alignas(64) std::byte values_[kPieceBytes];
};

}  // namespace weightfill
