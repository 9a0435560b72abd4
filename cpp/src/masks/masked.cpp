// Fills of laws under masks. The memory is cut into boxes: some neighbouring slices, or a stretch of each of them. A
// box is written as if all of it were drawn, or all of it zero, whichever leaves less to mend; then the other elements
// are put in. Where these are many, the values go through sets of bits instead (grid.hpp).
#include <algorithm>
#include <cstring>

#include "masks/box.hpp"
#include "masks/grid.hpp"
#include "masks/mending.hpp"
#include "masks/positions.hpp"
#include "writing/job.hpp"
#include "writing/parallel.hpp"

namespace weightfill {
namespace {

constexpr std::uint64_t kBox = 1 << 19;      // elements
constexpr std::uint64_t kBesides = 256;      // slices side by side, where these are the neighbours in memory
constexpr std::uint64_t kRedrawn = 16;       // a box has at least this many elements for each position drawn for it
constexpr std::uint64_t kScratch = 1 << 14;  // elements compared at a time

class Boxes {
 public:
  // `most`: elements of a box, unless drawing positions again and again would cost more.
  Boxes(const Law& law, Stream stream, const Memory& memory, std::uint64_t most, bool spread)
      : mask_(*law.mask()),
        seed_(stream.seed),
        dtype_(memory.dtype),
        drawn_(law, memory.dtype, stream),
        zeros_(Law::constant(0), memory.dtype, stream),
        data_(static_cast<std::byte*>(memory.data)),
        first_(memory.first),
        rows_(memory.rows) {
    std::uint64_t position_stride = 1;
    std::vector<WalkedAxis> axes(memory.axes.size());
    for (std::size_t a = axes.size(); a-- > 0;) {
      const Axis& axis = memory.axes[a];
      axes[a] = {static_cast<std::uint64_t>(axis.count), axis.byte_stride, axis.index_stride, position_stride,
                 a == 0 && rows_ != nullptr};
      position_stride *= axes[a].count;
    }
    size_ = position_stride;
    along_ = axes[mask_.axis];
    axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(mask_.axis));
    for (const WalkedAxis& axis : axes) {
      if (!outer_.empty() && merge(outer_.back(), axis)) continue;
      if (axis.count != 1 || axis.named) outer_.push_back(axis);
    }
    if (!outer_.empty()) across_ = outer_.back(), outer_.pop_back();
    choose_boxes(most, spread);
  }

  std::uint64_t size() const { return size_; }

  std::uint64_t boundary(std::uint64_t place) const {
    const auto box = find(place);
    return box == boxes() || offset(box) >= place ? offset(box) : offset(box + 1);
  }

  // Calls f(box) for the boxes of the places [begin, end), two boundaries.
  template <class F>
  void each(std::uint64_t begin, std::uint64_t end, F&& f) const {
    for (std::uint64_t b = find(begin); b < boxes() && offset(b) < end; ++b) f(box(b));
  }

  // Writes a box to memory with other strides than the window's, if wanted.
  void write(const Box& box, std::int64_t across_stride, std::int64_t along_stride, Positions& positions,
             bool streaming) const {
    const bool few = positions.lists_kept() && positions.listed() <= along_.count / 8;
    const bool listed = few || !positions.lists_kept();  // whether what is listed is mended, or what is not
    Mending mending(few ? drawn_ : zeros_, item_size());
    const std::uint64_t first = position_of(mask_, box.index);
    // Calls mend(index, place) for every element to mend, and after_slice(u) behind each slice.
    const auto each_slice = [&](auto&& mend, auto&& after_slice) {
      for (std::uint64_t u = 0; u < box.slices; ++u) {
        const std::uint64_t index = box.index + (across_.named ? box.rows[u] : u) * across_.index_stride;
        std::byte* data = box.data + static_cast<std::int64_t>(u) * across_stride;
        each_mended(box, index, first, positions, listed, [&](std::uint64_t i) {
          const std::uint64_t step = along_.named ? box.rows[i] : i;
          mend(index + step * along_.index_stride, data + static_cast<std::int64_t>(i) * along_stride);
        });
        after_slice(u);
      }
    };
    const auto note = [&](std::uint64_t index, std::byte* place) { mending.note(index, place); };
    const Runs runs = runs_of(box, across_stride, along_stride);
    const bool aligned = reinterpret_cast<std::uintptr_t>(box.data) % item_size() == 0;
    if (few && streaming && aligned && runs.contiguous() && (box.slices == 1 || along_stride < across_stride)) {
      const std::size_t slice_bytes = box.length * item_size();
      std::byte* written = box.data;
      each_slice(note, [&](std::uint64_t u) {
        if (!mending.enough() && u + 1 < box.slices) return;
        std::byte* const end = box.data + (u + 1) * slice_bytes;
        mending.write_among_zeros(written, static_cast<std::size_t>(end - written));
        written = end;
      });
      return;
    }
    write_runs(few ? zeros_ : drawn_, runs, 0, runs.size(), streaming);
    if (!few) return each_slice([&](std::uint64_t, std::byte* place) { mending.zero(place); }, [](std::uint64_t) {});
    each_slice(note, [&](std::uint64_t) {
      if (mending.enough()) mending.write();
    });
    mending.write();
  }

  // Whether boxes are written by a grid, and have all positions of the memory.
  bool dense() const { return dense_; }
  Grid grid() const { return {mask_, seed_, drawn_, along_, across_}; }

  const WalkedAxis& across() const { return across_; }
  const WalkedAxis& along() const { return along_; }
  const Mask& mask() const { return mask_; }
  std::uint64_t seed() const { return seed_; }
  std::size_t item_size() const { return item_size_of(dtype_); }

 private:
  static bool merge(WalkedAxis& outer, const WalkedAxis& inner) {
    if (outer.named || inner.named) return false;
    if (outer.byte_stride != static_cast<std::int64_t>(inner.count) * inner.byte_stride ||
        outer.index_stride != inner.count * inner.index_stride ||
        outer.position_stride != inner.count * inner.position_stride)
      return false;
    outer = {outer.count * inner.count, inner.byte_stride, inner.index_stride, inner.position_stride};
    return true;
  }

  void choose_boxes(std::uint64_t most, bool spread) {
    const bool neighbours = std::abs(across_.byte_stride) < std::abs(along_.byte_stride);
    const Slices* const drawn = slices_of(mask_);
    dense_ = drawn ? drawn->dense : is_dense(mask_, neighbours);
    if (dense_) {
      slices_ = dense_slices(mask_, along_, across_);
      length_ = std::max<std::uint64_t>(along_.count, 1);
      return;
    }
    std::uint64_t redrawn = 0;
    if (const auto* connections = std::get_if<Mask::Connections>(&mask_.pattern))
      redrawn = kRedrawn * std::min(connections->kept, mask_.count - connections->kept);
    if (neighbours && redrawn == 0) {
      slices_ = std::clamp<std::uint64_t>(most, 1, std::max<std::uint64_t>(across_.count, 1));
    } else {
      slices_ = std::max<std::uint64_t>(most / std::max<std::uint64_t>(along_.count, 1), 1);
      if (neighbours && spread) slices_ = std::max(slices_, kBesides);
      slices_ = std::clamp<std::uint64_t>(slices_, 1, std::max<std::uint64_t>(across_.count, 1));
    }
    length_ = std::max<std::uint64_t>({most / slices_, redrawn, slices_ == kBesides ? 8 * kBesides : 1});
    length_ = std::clamp<std::uint64_t>(length_, 1, std::max<std::uint64_t>(along_.count, 1));
  }

  // Boxes are numbered: outer axes, then `across`, then `along`. Places count elements in that order.
  std::uint64_t boxes() const {
    return size_ == 0 ? 0 : size_ / plane() * parts(across_, slices_) * parts(along_, length_);
  }
  std::uint64_t plane() const { return across_.count * along_.count; }
  static std::uint64_t parts(const WalkedAxis& axis, std::uint64_t size) { return (axis.count + size - 1) / size; }

  std::uint64_t offset(std::uint64_t box) const {
    const std::uint64_t along = parts(along_, length_), per_plane = parts(across_, slices_) * along;
    const std::uint64_t rest = box % per_plane, first_slice = rest / along * slices_;
    const std::uint64_t slices = std::min(slices_, across_.count - first_slice);
    return box / per_plane * plane() + first_slice * along_.count + rest % along * length_ * slices;
  }

  // The box that holds the place; boxes() for size().
  std::uint64_t find(std::uint64_t place) const {
    if (place >= size_) return boxes();
    const std::uint64_t along = parts(along_, length_), per_plane = parts(across_, slices_) * along;
    const std::uint64_t rest = place % plane(), first_slice = rest / (slices_ * along_.count) * slices_;
    const std::uint64_t slices = std::min(slices_, across_.count - first_slice);
    const std::uint64_t part = (rest - first_slice * along_.count) / (slices * length_);
    return place / plane() * per_plane + first_slice / slices_ * along + part;
  }

  Box box(std::uint64_t number) const {
    const std::uint64_t along = parts(along_, length_), per_plane = parts(across_, slices_) * along;
    const std::uint64_t rest = number % per_plane;
    Box box{data_, first_, 0, 0, 0, rows_};
    const auto go = [&](const WalkedAxis& axis, std::uint64_t steps) {
      box.data += static_cast<std::int64_t>(steps) * axis.byte_stride;
      box.position += steps * axis.position_stride;
      if (axis.named) box.rows += steps;
      else box.index += steps * axis.index_stride;
    };
    std::uint64_t plane = number / per_plane;
    for (std::size_t a = outer_.size(); a-- > 0; plane /= outer_[a].count) {
      const std::uint64_t step = plane % outer_[a].count;
      go(outer_[a], step);
      if (outer_[a].named) box.index += rows_[step] * outer_[a].index_stride;
    }
    const std::uint64_t first_slice = rest / along * slices_, first_position = rest % along * length_;
    go(across_, first_slice);
    go(along_, first_position);
    box.slices = std::min(slices_, across_.count - first_slice);
    box.length = std::min(length_, along_.count - first_position);
    return box;
  }

  Runs runs_of(const Box& box, std::int64_t across_stride, std::int64_t along_stride) const {
    Memory memory{box.data, dtype_, box.index, {}, nullptr};
    const Axis across{static_cast<std::int64_t>(box.slices), across_stride, across_.index_stride};
    const Axis along{static_cast<std::int64_t>(box.length), along_stride, along_.index_stride};
    if (across_.named || along_.named) memory.rows = box.rows;
    const bool along_last = across_.named || (!along_.named && std::abs(along_stride) <= std::abs(across_stride));
    memory.axes = along_last ? std::vector{across, along} : std::vector{along, across};
    return {memory, false};
  }

  // Calls mend(i) for the positions of a slice in a box, `from` and those after it, that are listed, or that are not.
  template <class Mend>
  void each_mended(const Box& box, std::uint64_t index, std::uint64_t from, Positions& positions, bool listed,
                   Mend&& mend) const {
    const auto& list = positions.of(slice_of(mask_, index));
    if (along_.named) {
      for (std::uint64_t i = 0; i < box.length; ++i)
        if (std::binary_search(list.begin(), list.end(), box.rows[i]) == listed) mend(i);
      return;
    }
    auto next = std::lower_bound(list.begin(), list.end(), from);
    if (listed) {
      for (; next != list.end() && *next - from < box.length; ++next) mend(*next - from);
      return;
    }
    for (std::uint64_t i = 0; i < box.length; ++i) {
      if (next != list.end() && *next == from + i) ++next;
      else mend(i);
    }
  }

  const Mask& mask_;
  std::uint64_t seed_;
  Dtype dtype_;
  Writer drawn_, zeros_;
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

class MaskedJob final : public Job {
 public:
  MaskedJob(const Law& law, Stream stream, const Memory& memory, Purpose purpose)
      : law_(law),
        boxes_(law_, stream, memory, purpose == Purpose::compare ? kScratch : kBox, purpose != Purpose::compare),
        streaming_(purpose == Purpose::stream) {}

  std::uint64_t size() const override { return boxes_.size(); }
  std::uint64_t boundary(std::uint64_t position) const override { return boxes_.boundary(position); }

  void write(std::uint64_t begin, std::uint64_t end) const override {
    if (boxes_.dense()) {
      each_piece(begin, end, [&](const Piece& piece) {
        put(piece.values, piece.n, boxes_.item_size(), piece.data, piece.stride, streaming_);
      });
      if (streaming_) finish_streaming();
      return;
    }
    Positions positions(boxes_.mask(), boxes_.seed());
    boxes_.each(begin, end, [&](const Box& box) {
      boxes_.write(box, boxes_.across().byte_stride, boxes_.along().byte_stride, positions, streaming_);
    });
  }

  void each_piece(std::uint64_t begin, std::uint64_t end, const std::function<void(const Piece&)>& f) const override {
    if (boxes_.dense()) {
      Grid grid = boxes_.grid();
      boxes_.each(begin, end, [&](const Box& box) { grid.each_piece(box, f); });
      return;
    }
    const std::size_t item_size = boxes_.item_size();
    const WalkedAxis &along = boxes_.along(), &across = boxes_.across();
    Positions positions(boxes_.mask(), boxes_.seed());
    std::vector<std::byte> values;
    boxes_.each(begin, end, [&](const Box& box) {
      const std::size_t slice_bytes = box.length * item_size;
      values.resize(box.slices * slice_bytes);
      Box copy = box;
      copy.data = values.data();
      boxes_.write(copy, static_cast<std::int64_t>(slice_bytes), static_cast<std::int64_t>(item_size), positions,
                   false);
      for (std::uint64_t s = 0; s < box.slices; ++s)
        f({values.data() + s * slice_bytes, box.length, box.data + static_cast<std::int64_t>(s) * across.byte_stride,
           along.byte_stride, box.position + s * across.position_stride, along.position_stride});
    });
  }

 private:
  Law law_;
  Boxes boxes_;
  bool streaming_;
};

}  // namespace

std::unique_ptr<Job> make_masked_job(const Law& law, Stream stream, const Memory& memory, Purpose purpose) {
  return std::make_unique<MaskedJob>(law, stream, memory, purpose);
}

}  // namespace weightfill
