// Memory that is filled under a mask, cut into boxes. Geometry alone: nothing is drawn or written here.
#pragma once

#include <cstdint>
#include <vector>

#include "masks/box.hpp"
#include "weightfill/fill.hpp"

namespace weightfill {

// Boxes are numbered: outer axes, then `across`, then `along`. Places count elements in that order, so that a box is a
// range of places.
class Boxes {
 public:
  // A box has at most `most` elements, except where smaller boxes would draw the same positions too often. With
  // `spread` it has many slices where slices are the neighbours in memory. The mask must outlive the boxes.
  Boxes(const Mask& mask, const Memory& memory, std::uint64_t most, bool spread);

  std::uint64_t size() const { return size_; }  // elements

  // The first place from `place` on at which a box begins; `size()` at the latest.
  std::uint64_t boundary(std::uint64_t place) const {
    if (place >= size_) return size_;
    const std::uint64_t box = find(place);
    return offset(box) == place ? place : offset(box + 1);
  }

  // Calls f(box) for the boxes of the places [begin, end), two boundaries.
  template <class F>
  void each(std::uint64_t begin, std::uint64_t end, F&& f) const {
    for (std::uint64_t b = find(begin); b < boxes() && offset(b) < end; ++b) f(box(b));
  }

  // Whether boxes are to be written by a grid, and have all positions of the memory.
  bool dense() const { return dense_; }

  const WalkedAxis& across() const { return across_; }
  const WalkedAxis& along() const { return along_; }

 private:
  void choose(std::uint64_t most, bool spread);
  std::uint64_t boxes() const {
    return size_ == 0 ? 0 : size_ / plane() * parts(across_, slices_) * parts(along_, length_);
  }
  std::uint64_t plane() const { return across_.count * along_.count; }
  static std::uint64_t parts(const WalkedAxis& axis, std::uint64_t size) { return (axis.count + size - 1) / size; }
  std::uint64_t offset(std::uint64_t box) const;
  std::uint64_t find(std::uint64_t place) const;  // the box that holds the place; boxes() for size()
  Box box(std::uint64_t number) const;

  const Mask& mask_;
  std::byte* data_;
  std::uint64_t first_;
  const std::uint64_t* rows_;
  std::uint64_t size_ = 1;
  std::vector<WalkedAxis> outer_;
  WalkedAxis across_{1, 0, 0, 0};
  WalkedAxis along_;
  std::uint64_t slices_ = 1, length_ = 1;  // of a box
  bool dense_ = false;
};

}  // namespace weightfill
