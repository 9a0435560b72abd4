#include "masks/units.hpp"

#include <algorithm>
#include <variant>

#include "masks/grid.hpp"
#include "masks/positions.hpp"
#include "writing/parallel.hpp"

namespace weightfill {

void keep_bits(const Mask& mask, Draws& draws, std::uint64_t unit, std::uint64_t* bits) {
  draws.list(unit, bits);
  if (lists_kept(mask)) return;
  for (std::uint64_t word = 0; word < draws.words(); ++word) bits[word] = ~bits[word];
}

const Units* units_of(const Mask& mask) {
  const auto* connections = std::get_if<Mask::Connections>(&mask.pattern);
  return connections == nullptr ? nullptr : connections->units.get();
}

std::shared_ptr<Units> draw_units(const Mask& mask, std::uint64_t seed, std::uint64_t units, int threads) {
  constexpr std::uint64_t kPart = 1 << 16;  // positions
  auto all = std::make_shared<Units>();
  all->dense = is_dense(mask, mask.stride > 1);
  all->words = words_of(draws_of(mask, seed));
  if (all->dense) all->bits.resize(units * all->words);
  else all->lists.resize(units);
  const std::uint64_t part = kPart / std::max<std::uint64_t>(mask.count, 1) + 1;
  share(units, part, {threads, {}}, [&](std::uint64_t begin, std::uint64_t end) {
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
