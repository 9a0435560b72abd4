#include "masks/slices.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <variant>

#include "masks/fitting.hpp"
#include "masks/grid.hpp"
#include "masks/positions.hpp"
#include "writing/parallel.hpp"

namespace weightfill {

void keep_bits(const Mask& mask, Draws& draws, std::uint64_t slice, std::uint64_t* bits) {
  draws.list(slice, bits);
  if (lists_kept(mask)) return;
  for (std::uint64_t word = 0; word < draws.words(); ++word) bits[word] = ~bits[word];
}

const Slices* slices_of(const Mask& mask) {
  const auto* connections = std::get_if<Mask::Connections>(&mask.pattern);
  return connections == nullptr ? nullptr : connections->slices.get();
}

std::shared_ptr<Slices> draw_slices(const Mask& mask, std::uint64_t seed, std::uint64_t slices, int threads) {
  check_mask(mask);
  constexpr std::uint64_t kPart = 1 << 16;  // positions
  auto all = std::make_shared<Slices>();
  all->dense = is_dense(mask, mask.stride > 1);
  all->words = words_of(mask.count);
  if (all->dense && slices > SIZE_MAX / all->words) throw std::length_error("more bits of slices than can be counted");
  if (all->dense) all->bits.resize(slices * all->words);
  else all->lists.resize(slices);
  const std::uint64_t part = kPart / std::max<std::uint64_t>(mask.count, 1) + 1;
  share(slices, part, {threads, {}}, [&](std::uint64_t begin, std::uint64_t end) {
    if (all->dense) {
      Draws draws = draws_of(mask, seed);
      for (std::uint64_t u = begin; u < end; ++u) keep_bits(mask, draws, u, all->bits.data() + u * all->words);
    } else {
      Positions positions(mask, seed);
      for (std::uint64_t u = begin; u < end; ++u) all->lists[u] = positions.of(u);
    }
  });
  return all;
}

}  // namespace weightfill
