#include "masks/draws.hpp"

#include <cstring>

#include "kernels/dispatch.hpp"

namespace weightfill {
namespace {

// Positions that have a byte each while they are listed: a draw that hits a byte written a moment ago is rare, while
// one that hits the same 64 bits is not, and has to wait for the store.
constexpr std::uint64_t kBytes = 1 << 17;

std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(a) * b >> 64);
}

// `drawn`, or `last` where `listed` is all ones instead of 0: no branch, as nothing predicts it.
std::uint64_t choose(std::uint64_t drawn, std::uint64_t last, std::uint64_t listed) {
  return drawn + ((last - drawn) & listed);
}

}  // namespace

Draws::Batch Draws::batch(std::uint64_t index, std::uint64_t last, std::uint64_t most) {
  const Kernels& kernels = active_kernels();
  if (index - first_ >= read_) {
    const std::uint64_t unit = kernels.unit_words / 2, ahead = kLeast * unit;
    first_ = index - index % ahead;
    const std::uint64_t wanted = index - first_ + std::min(most, kMost * unit);
    // The blocks of one call share their upper 32 bits; a block has two of these words.
    const std::uint64_t here = (std::uint64_t{1} << 33) - first_ % (std::uint64_t{1} << 33);
    read_ = std::min({(wanted + ahead - 1) / ahead * ahead, kMost * unit, here});
    kernels.words(stream_, first_ / 2, read_ / unit, words_);
  }
  const std::uint64_t offset = index - first_;
  const auto n = static_cast<std::size_t>(std::min(read_ - offset, most));
  if (last + n < (std::uint64_t{1} << 32)) {
    const std::uint64_t begin = offset / kMaxLanes * kMaxLanes;
    kernels.bound(words_ + 2 * begin, last + 1 - (offset - begin), offset + n - begin, drawn_ + begin);
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t* word = words_ + 2 * (offset + i);
      drawn_[offset + i] = multiply_high(word[0] | std::uint64_t{word[1]} << 32, last + i + 1);
    }
  }
  return {drawn_ + offset, n};
}

void Draws::list(std::uint64_t slice, std::uint64_t* bits) {
  if (count_ > kBytes) {
    std::fill_n(bits, words(), 0);
    each(slice, [&](const std::uint64_t* drawn, std::uint64_t last, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t p = choose(drawn[i], last + i, 0 - (bits[drawn[i] / 64] >> drawn[i] % 64 & 1));
        bits[p / 64] |= std::uint64_t{1} << p % 64;
      }
    });
    return;
  }
  seen_.assign(64 * words(), 0);
  signed char* const seen = seen_.data();
  each(slice, [seen](const std::uint64_t* drawn, std::uint64_t last, std::size_t n) {
    const auto list = [&](std::size_t i) {
      const auto listed = static_cast<std::uint64_t>(std::int64_t{seen[drawn[i]]});
      seen[choose(drawn[i], last + i, listed)] = -1;
    };
    std::size_t i = 0;
    for (; i + 4 <= n; i += 4) list(i), list(i + 1), list(i + 2), list(i + 3);
    for (; i < n; ++i) list(i);
  });
  active_kernels().pack_bytes(reinterpret_cast<const unsigned char*>(seen), words(), bits);
}

}  // namespace weightfill
