// The draws of Floyd's algorithm, and the sets of positions that come of them.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/kernels.hpp"

namespace weightfill {

// Slices of `count` positions, of which the algorithm lists `listed` (Bentley, Floyd: "A sample of brilliance", CACM
// 30, 1987): one draw from [0, last] for each `last` of the `listed` highest positions; if it was listed before, `last`
// itself, which cannot have been. For one thread: it keeps some words of the stream, which has the next slice's as
// well.
class Draws {
 public:
  Draws(Stream stream, std::uint64_t count, std::uint64_t listed) : stream_(stream), count_(count), listed_(listed) {}

  // Calls f(drawn, last, n) for all draws of a slice in turn: drawn[i] is from [0, last + i].
  template <class F>
  void each(std::uint64_t slice, F&& f) {
    for (std::uint64_t done = 0; done < listed_;) {
      const std::uint64_t last = count_ - listed_ + done;
      const auto [drawn, n] = batch(slice * listed_ + done, last, listed_ - done);
      f(drawn, last, n);
      done += n;
    }
  }

  // Lists a slice as bits, position p in bit p % 64 of bits[p / 64]; all bits beyond are 0. Takes a byte for each of
  // them besides, if they are few enough for the cache.
  void list(std::uint64_t slice, std::uint64_t* bits);

  std::uint64_t listed() const { return listed_; }
  std::uint64_t words() const { return count_ / 64 + (count_ % 64 != 0); }  // of `bits`

 private:
  struct Batch {
    const std::uint64_t* drawn;
    std::size_t n;
  };

  // At most `most` draws, at least one, from 64-bit word `index` of the stream on; the first is from [0, last].
  Batch batch(std::uint64_t index, std::uint64_t last, std::uint64_t most);

  static constexpr std::size_t kLeast = 4, kMost = 16;  // units of the kernels read at a time
  Stream stream_;
  std::uint64_t count_, listed_;
  std::uint64_t first_ = 0;  // of the 64-bit words that are here
  std::uint64_t read_ = 0;   // how many
  std::vector<signed char> seen_;
  alignas(64) std::uint32_t words_[kMost * kMaxUnitWords];
  alignas(64) std::uint64_t drawn_[kMost * kMaxUnitWords / 2];
};

}  // namespace weightfill
