// The elements of a box that are put in after all of it was written in one way.
#pragma once

#include <cstring>
#include <vector>

#include "writing/items.hpp"
#include "writing/writer.hpp"

namespace weightfill {

class Mending {
 public:
  Mending(const Writer& writer, std::size_t item_size) : writer_(writer), item_size_(item_size) {}

  // Notes that the element of this index belongs at this place.
  void note(std::uint64_t index, std::byte* place) {
    indices_.push_back(index);
    places_.push_back(place);
  }

  // Whether it is time to write what was noted.
  bool enough() const { return indices_.size() >= 1024; }

  void zero(std::byte* place) const {
    constexpr std::uint64_t kZero = 0;
    store(place, reinterpret_cast<const std::byte*>(&kZero));
  }

  // Writes the elements noted, and forgets them.
  void write() {
    make_values();
    const std::byte* value = values_.data();
    for (std::byte* place : places_) store(place, value), value += item_size_;
    clear();
  }

  // The same for contiguous memory that is zero otherwise, past the cache; places were noted in ascending order.
  // Pieces are put together in scratch, each before the last one is streamed out: a load that overlaps a store has to
  // wait for it, and so for all stores to memory before it.
  void write_among_zeros(std::byte* data, std::size_t bytes);

 private:
  void clear() {
    indices_.clear();
    places_.clear();
  }

  void store(std::byte* place, const std::byte* value) const {
    by_item_size(item_size_, [&](auto bits) { std::memcpy(place, value, sizeof bits); });
  }

  void make_values() {
    values_.resize(indices_.size() * item_size_);
    writer_.gather(indices_.data(), indices_.size(), values_.data());
  }

  const Writer& writer_;
  std::size_t item_size_;
  std::vector<std::uint64_t> indices_;
  std::vector<std::byte*> places_;
  std::vector<std::byte> values_;
};

}  // namespace weightfill
