// Writing runs: a law, a dtype and a stream bound to the active kernels.
#pragma once

#include "kernels/kernels.hpp"
#include "writing/runs.hpp"

namespace weightfill {

// Fills of at least this many bytes stream past the cache.
inline constexpr std::size_t kStreamBytes = std::size_t{4} << 20;

// Streaming stores are weakly ordered: a thread that is done makes them visible.
inline void finish_streaming() {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

// Copies n contiguous elements to places `stride` bytes apart. `streaming`: whole cache lines go past the cache, if
// `values` and `out` have the same offset in one.
void put(const std::byte* values, std::size_t n, std::size_t item_size, std::byte* out, std::int64_t stride,
         bool streaming);

// The law must outlive the writer, which reads its tables.
class Writer {
 public:
  Writer(const Law& law, Dtype dtype, Stream stream);

  // Writes the run. `streaming`: past the cache where the run's place in memory allows.
  void write(const Run& run, bool streaming) const;

  // Writes n consecutive elements from index `first` on to `out`, which has the alignment of the dtype or any other.
  void write(std::uint64_t first, std::size_t n, void* out, bool streaming) const;

  // Writes n elements with any indices to `out`, one after the other.
  void gather(const std::uint64_t* indices, std::size_t n, void* out) const;

  // Whether the run takes so little of a unit that it had better share one.
  bool is_short(const Run& run) const;

  std::size_t item_size() const { return item_size_; }

  // Elements to write, from one with index `first` at `out` on, until both streaming stores and the kernels are
  // aligned; 0 if they never are.
  std::size_t lead(std::uint64_t first, const void* out) const;

 private:
  friend class ShortRuns;
  void write_pattern(std::size_t n, std::byte* out, bool streaming) const;
  void write_part(std::uint64_t first, std::size_t n, std::byte* out) const;
  void write_shifted(std::uint64_t first, std::size_t n, std::byte* out) const;
  UnitKernel unit_kernel() const;
  std::size_t units_below_boundary(std::uint64_t block) const;

  const Kernels& kernels_;
  bool constant_;
  Sampler sampler_;
  Stream stream_;
  std::size_t item_size_;
  std::size_t unit_;       // elements of a unit
  std::size_t per_block_;  // elements of a block
  std::uint64_t pattern_ = 0;
};

// Collects the blocks of short runs, until a unit is full. What is left is written by `flush`.
class ShortRuns {
 public:
  explicit ShortRuns(const Writer& writer) : writer_(writer) {}
  void add(const Run& run);
  void flush();

 private:
  struct Piece {
    std::size_t offset;  // of the first element in the unit
    Run run;
  };
  const Writer& writer_;
  std::uint64_t blocks_[kMaxUnitWords / 4];
  Piece pieces_[kMaxUnitWords / 4];
  std::size_t used_ = 0, count_ = 0;  // blocks, pieces
};

}  // namespace weightfill
