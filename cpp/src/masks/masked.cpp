// Fills of laws under masks. The memory is cut into boxes: some neighbouring slices, or a stretch of each of them. A
// box is written as if all of it were drawn, or all of it zero, whichever leaves less to mend; then the other elements
// are put in. Where these are many, the values go through sets of bits instead (grid.hpp).
#include <algorithm>
#include <cstring>

#include "masks/boxes.hpp"
#include "masks/grid.hpp"
#include "masks/mending.hpp"
#include "masks/positions.hpp"
#include "writing/job.hpp"
#include "writing/parallel.hpp"

namespace weightfill {
namespace {

constexpr std::uint64_t kBox = 1 << 19;      // elements
constexpr std::uint64_t kScratch = 1 << 14;  // elements compared at a time

class MaskedJob final : public Job {
 public:
  MaskedJob(const Law& law, Stream stream, const Memory& memory, Purpose purpose)
      : law_(law),
        seed_(stream.seed),
        dtype_(memory.dtype),
        drawn_(law_, memory.dtype, stream),
        zeros_(Law::constant(0), memory.dtype, stream),
        boxes_(mask(), memory, purpose == Purpose::compare ? kScratch : kBox, purpose != Purpose::compare),
        streaming_(purpose == Purpose::stream) {}

  std::uint64_t size() const override { return boxes_.size(); }
  std::uint64_t boundary(std::uint64_t position) const override { return boxes_.boundary(position); }

  void write(std::uint64_t begin, std::uint64_t end) const override {
    if (boxes_.dense()) {
      each_piece(begin, end, [&](const Piece& piece) {
        put(piece.values, piece.n, item_size(), piece.data, piece.stride, streaming_);
      });
      if (streaming_) finish_streaming();
      return;
    }
    Positions positions(mask(), seed_);
    boxes_.each(begin, end, [&](const Box& box) {
      write_box(box, across().byte_stride, along().byte_stride, positions, streaming_);
    });
  }

  void each_piece(std::uint64_t begin, std::uint64_t end, const std::function<void(const Piece&)>& f) const override {
    if (boxes_.dense()) {
      Grid grid(mask(), seed_, drawn_, along(), across());
      boxes_.each(begin, end, [&](const Box& box) { grid.each_piece(box, f); });
      return;
    }
    const std::size_t item = item_size();
    Positions positions(mask(), seed_);
    std::vector<std::byte> values;
    boxes_.each(begin, end, [&](const Box& box) {
      const std::size_t slice_bytes = box.length * item;
      values.resize(box.slices * slice_bytes);
      Box copy = box;
      copy.data = values.data();
      write_box(copy, static_cast<std::int64_t>(slice_bytes), static_cast<std::int64_t>(item), positions, false);
      for (std::uint64_t s = 0; s < box.slices; ++s)
        f({values.data() + s * slice_bytes, box.length, box.data + static_cast<std::int64_t>(s) * across().byte_stride,
           along().byte_stride, box.position + s * across().position_stride, along().position_stride});
    });
  }

 private:
  const Mask& mask() const { return *law_.mask(); }
  const WalkedAxis& across() const { return boxes_.across(); }
  const WalkedAxis& along() const { return boxes_.along(); }
  std::size_t item_size() const { return item_size_of(dtype_); }

  // Writes a box to its memory, which has these strides.
  void write_box(const Box& box, std::int64_t across_stride, std::int64_t along_stride, Positions& positions,
                 bool streaming) const {
    // Either all of it becomes zero, and what is kept is put in; or all of it is drawn, and the others become zero.
    const bool zeros_first = positions.lists_kept() && positions.listed() <= along().count / 8;
    const bool mends_listed = zeros_first == positions.lists_kept();
    Mending mending(drawn_, item_size());
    const std::uint64_t first = position_of(mask(), box.index);
    // Calls mend(index, place) for every element to mend, and after_slice(u) behind each slice.
    const auto each_slice = [&](auto&& mend, auto&& after_slice) {
      for (std::uint64_t u = 0; u < box.slices; ++u) {
        const std::uint64_t index = box.index + (across().named ? box.rows[u] : u) * across().index_stride;
        std::byte* data = box.data + static_cast<std::int64_t>(u) * across_stride;
        each_mended(box, index, first, positions, mends_listed, [&](std::uint64_t i) {
          const std::uint64_t step = along().named ? box.rows[i] : i;
          mend(index + step * along().index_stride, data + static_cast<std::int64_t>(i) * along_stride);
        });
        after_slice(u);
      }
    };
    const auto note = [&](std::uint64_t index, std::byte* place) { mending.note(index, place); };
    const Runs runs = runs_of(box, across_stride, along_stride);
    const bool aligned = reinterpret_cast<std::uintptr_t>(box.data) % item_size() == 0;
    if (zeros_first && streaming && aligned && runs.contiguous() && (box.slices == 1 || along_stride < across_stride)) {
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
    write_runs(zeros_first ? zeros_ : drawn_, runs, 0, runs.size(), streaming);
    if (!zeros_first)
      return each_slice([&](std::uint64_t, std::byte* place) { mending.zero(place); }, [](std::uint64_t) {});
    each_slice(note, [&](std::uint64_t) {
      if (mending.enough()) mending.write();
    });
    mending.write();
  }

  Runs runs_of(const Box& box, std::int64_t across_stride, std::int64_t along_stride) const {
    Memory memory{box.data, dtype_, box.index, {}, nullptr};
    const Axis outer{static_cast<std::int64_t>(box.slices), across_stride, across().index_stride};
    const Axis inner{static_cast<std::int64_t>(box.length), along_stride, along().index_stride};
    if (across().named || along().named) memory.rows = box.rows;
    const bool along_last = across().named || (!along().named && std::abs(along_stride) <= std::abs(across_stride));
    memory.axes = along_last ? std::vector{outer, inner} : std::vector{inner, outer};
    return {memory, false};
  }

  // Calls mend(i) for each element i of a slice in a box whose position is listed, or, if not `listed`, for each other
  // one. The box begins at position `from`.
  template <class Mend>
  void each_mended(const Box& box, std::uint64_t index, std::uint64_t from, Positions& positions, bool listed,
                   Mend&& mend) const {
    const auto& list = positions.of(slice_of(mask(), index));
    if (along().named) {
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

  Law law_;
  std::uint64_t seed_;
  Dtype dtype_;
  Writer drawn_, zeros_;
  Boxes boxes_;
  bool streaming_;
};

}  // namespace

std::unique_ptr<Job> make_masked_job(const Law& law, Stream stream, const Memory& memory, Purpose purpose) {
  return std::make_unique<MaskedJob>(law, stream, memory, purpose);
}

}  // namespace weightfill
