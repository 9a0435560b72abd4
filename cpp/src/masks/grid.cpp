#include "masks/grid.hpp"

#include <algorithm>
#include <cstdlib>
#include <variant>

#include "kernels/dispatch.hpp"
#include "masks/positions.hpp"

namespace weightfill {
namespace {

constexpr std::uint64_t kElements = 1 << 17;                 // of a box, if its lines may be short
constexpr std::uint64_t kBits = std::uint64_t{1} << 27;      // of a box: 16 MB
constexpr std::uint64_t kBitsNear = std::uint64_t{1} << 23;  // of a box that is written slice by slice
constexpr std::uint64_t kNotTurned = ~std::uint64_t{0};      // no 64 positions have this number
constexpr std::uint64_t kStretch = 512;                      // of a line, before the next: where lines are neighbours

bool lines_by_position(const WalkedAxis& along, const WalkedAxis& across) {
  const bool follows = along.index_stride == 1 && !along.named;
  return !follows && across.index_stride == 1 && !across.named;
}

// The transpose of 64 rows of 64 bits (Warren, "Hacker's Delight", section 7-3).
void transpose(std::uint64_t (&rows)[64]) {
  std::uint64_t mask = 0xffffffff;
  for (unsigned j = 32; j != 0; j >>= 1, mask ^= mask << j) {
    for (unsigned i = 0; i < 64; i += 2 * j) {
      for (unsigned k = i; k < i + j; ++k) {
        const std::uint64_t both = (rows[k] >> j ^ rows[k + j]) & mask;
        rows[k] ^= both << j;
        rows[k + j] ^= both;
      }
    }
  }
}

}  // namespace

bool is_dense(const Mask& mask, bool neighbours) {
  const auto* connections = std::get_if<Mask::Connections>(&mask.pattern);
  if (connections == nullptr) return false;
  // Where to draw all is as fast as to draw some, measured; where nearly all are kept, it is the elements to make zero
  // that lie apart.
  const std::uint64_t share = neighbours ? 64 : 28, others = mask.count - connections->kept;
  if (connections->kept <= others) return connections->kept > mask.count / share;
  return others > mask.count / share || (others > 0 && neighbours && mask.count <= kElements);
}

std::uint64_t dense_slices(const Mask& mask, const WalkedAxis& along, const WalkedAxis& across) {
  const std::uint64_t fitting = kElements / std::max<std::uint64_t>(along.count, 1);
  std::uint64_t slices = fitting, most = kBitsNear / mask.count;
  if (lines_by_position(along, across)) {
    // Long lines, as the kernels need time to begin one; but some boxes for every thread.
    const std::uint64_t line = std::clamp<std::uint64_t>(across.count / 8 / 128 * 128, 128, 512);
    slices = std::max(fitting / 128 * 128, line);
    most = kBits / mask.count;
  }
  return std::clamp<std::uint64_t>(slices, 1, std::max<std::uint64_t>(std::min(most, across.count), 1));
}

Grid::Grid(const Mask& mask, std::uint64_t seed, const Writer& drawn, const WalkedAxis& along, const WalkedAxis& across)
    : mask_(mask),
      drawn_(drawn),
      along_(along),
      across_(across),
      by_position_(lines_by_position(along, across)),
      in_line_(by_position_ ? across : along),
      lines_(by_position_ ? along : across),
      draws_(draws_of(mask, seed)),
      words_(words_of(mask.count)) {}

void Grid::each_piece(const Box& box, const std::function<void(const Piece&)>& f) {
  list_slices(box);
  const std::uint64_t length = by_position_ ? box.slices : box.length, lines = by_position_ ? box.length : box.slices;
  const bool named = along_.named || across_.named;
  const auto bytes = static_cast<std::int64_t>(length) * in_line_.byte_stride;
  if (!named && lines_.byte_stride == bytes && lines_.index_stride == length * in_line_.index_stride &&
      lines_.position_stride == length * in_line_.position_stride)
    return write(box, 0, 0, lines * length, f);
  const bool near = named || std::abs(in_line_.byte_stride) <= std::abs(lines_.byte_stride);
  const std::uint64_t step = near ? length : kStretch;
  for (std::uint64_t begin = 0; begin < length; begin += step)
    for (std::uint64_t line = 0; line < lines; ++line) write(box, line, begin, std::min(step, length - begin), f);
}

void Grid::list_slices(const Box& box) {
  const Slices* const drawn = slices_of(mask_);
  if (drawn == nullptr) bits_.resize(box.slices * words_);
  slices_.resize(box.slices);
  turned_ = kNotTurned;
  from_ = along_.named ? 0 : position_of(mask_, box.index);
  for (std::uint64_t u = 0; u < box.slices; ++u) {
    const std::uint64_t index = box.index + (across_.named ? box.rows[u] : u) * across_.index_stride;
    const std::uint64_t slice = slice_of(mask_, index);
    if (drawn == nullptr) keep_bits(mask_, draws_, slice, bits_.data() + u * words_);
    slices_[u] = drawn == nullptr ? bits_.data() + u * words_ : drawn->bits.data() + slice * words_;
  }
}

// Writes n elements, of a line or of several that follow one another, from element `begin` of `line` on.
void Grid::write(const Box& box, std::uint64_t line, std::uint64_t begin, std::uint64_t n,
                 const std::function<void(const Piece&)>& f) {
  const std::uint64_t length = by_position_ ? box.slices : box.length;
  const std::size_t item_size = drawn_.item_size();
  std::byte* data = box.data + static_cast<std::int64_t>(line) * lines_.byte_stride +
                    static_cast<std::int64_t>(begin) * in_line_.byte_stride;
  std::uint64_t position = box.position + line * lines_.position_stride + begin * in_line_.position_stride;
  const bool contiguous = in_line_.byte_stride == static_cast<std::int64_t>(item_size);
  const std::uint64_t from = by_position_ || along_.named ? 0 : from_;  // the bit of a line's first element
  const auto* bits = bits_of(box, line);
  for (std::uint64_t first = begin; n > 0;) {
    if (first == length) first = 0, bits = bits_of(box, ++line);
    const std::size_t off = contiguous ? reinterpret_cast<std::uintptr_t>(data) % 64 : 0;
    const auto some = static_cast<std::size_t>(std::min<std::uint64_t>((kPieceBytes - off) / item_size, n));
    std::byte* const values = values_ + off;
    draw(box, line, first, some, values);
    const std::uint64_t at = from + first;
    if (first + some <= length && at % 64 == 0) {
      active_kernels().keep(bits + at / 64, some, item_size, values);
      first += some;
    } else {
      std::fill_n(keep_, some / 64 + 2, 0);
      for (std::size_t done = 0; done < some;) {
        if (first == length) first = 0, bits = bits_of(box, ++line);
        const std::uint64_t part = std::min<std::uint64_t>(length - first, some - done);
        append(done, bits, from + first, part);
        done += part, first += part;
      }
      active_kernels().keep(keep_, some, item_size, values);
    }
    f({values, some, data, in_line_.byte_stride, position, in_line_.position_stride});
    n -= some;
    data += static_cast<std::int64_t>(some) * in_line_.byte_stride;
    position += some * in_line_.position_stride;
  }
}

void Grid::draw(const Box& box, std::uint64_t line, std::uint64_t begin, std::size_t n, std::byte* values) {
  const std::uint64_t first = box.index + (lines_.named ? box.rows[line] : line) * lines_.index_stride;
  if (in_line_.index_stride == 1 && !in_line_.named) return drawn_.write(first + begin, n, values, false);
  std::uint64_t indices[256];
  for (std::size_t done = 0; done < n;) {
    const std::size_t some = std::min(n - done, std::size(indices));
    for (std::size_t i = 0; i < some; ++i) {
      const std::uint64_t k = begin + done + i;
      indices[i] = first + (in_line_.named ? box.rows[k] : k) * in_line_.index_stride;
    }
    drawn_.gather(indices, some, values + done * drawn_.item_size());
    done += some;
  }
}

// The bits of a line: of all positions of a slice, or of the slices of a box.
const std::uint64_t* Grid::bits_of(const Box& box, std::uint64_t line) {
  if (along_.named) return bits_of_named(box, line);
  if (!by_position_) return slices_[line];
  const std::uint64_t position = from_ + line, stride = (box.slices + 63) / 64 + 1;
  if (position / 64 != turned_) turn(position / 64, box.slices);
  return tile_.data() + position % 64 * stride;
}

const std::uint64_t* Grid::bits_of_named(const Box& box, std::uint64_t line) {
  const std::uint64_t length = by_position_ ? box.slices : box.length;
  tile_.assign(length / 64 + 2, 0);
  for (std::uint64_t k = 0; k < length; ++k) {
    const std::uint64_t slice = by_position_ ? k : line, position = box.rows[by_position_ ? line : k];
    tile_[k / 64] |= (slices_[slice][position / 64] >> position % 64 & 1) << k % 64;
  }
  return tile_.data();
}

void Grid::turn(std::uint64_t word, std::uint64_t slices) {
  const std::uint64_t stride = (slices + 63) / 64 + 1;
  tile_.resize(64 * stride);
  for (std::uint64_t first = 0; first < slices; first += 64) {
    std::uint64_t rows[64] = {};
    const std::uint64_t n = std::min<std::uint64_t>(slices - first, 64);
    for (std::uint64_t u = 0; u < n; ++u) rows[u] = slices_[first + u][word];
    transpose(rows);
    for (std::uint64_t p = 0; p < 64; ++p) tile_[p * stride + first / 64] = rows[p];
  }
  turned_ = word;
}

// Puts n bits, from bit `from` on, at bit `at` of what is kept; those and all behind them are 0 before.
void Grid::append(std::size_t at, const std::uint64_t* bits, std::uint64_t from, std::uint64_t n) {
  for (std::uint64_t done = 0; done < n; done += 64) {
    const std::uint64_t word = (from + done) / 64, skip = (from + done) % 64;
    std::uint64_t some = bits[word] >> skip;
    if (skip != 0) some |= bits[word + 1] << (64 - skip);
    if (n - done < 64) some &= (std::uint64_t{1} << (n - done)) - 1;
    const std::size_t to = at + done;
    keep_[to / 64] |= some << to % 64;
    if (to % 64 != 0) keep_[to / 64 + 1] |= some >> (64 - to % 64);
  }
}

}  // namespace weightfill
