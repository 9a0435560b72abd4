#include "writing/writer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/dispatch.hpp"
#include "laws/law.hpp"
#include "writing/items.hpp"

namespace weightfill {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kScratchBytes = 8192;  // a whole number of units, well inside the first cache

// Elements at[0], at[1], ... of `from` to `to`.
void pick(std::size_t item_size, const std::byte* from, const std::size_t* at, std::size_t n, std::byte* to) {
  by_item_size(item_size, [&](auto bits) {
    constexpr std::size_t kSize = sizeof bits;
    for (std::size_t i = 0; i < n; ++i) std::memcpy(to + i * kSize, from + at[i] * kSize, kSize);
  });
}

// Element i of `from` to to + i * stride.
void scatter(std::size_t item_size, const std::byte* from, std::size_t n, std::byte* to, std::int64_t stride) {
  by_item_size(item_size, [&](auto bits) {
    constexpr std::size_t kSize = sizeof bits;
    for (std::size_t i = 0; i < n; ++i)
      std::memcpy(to + static_cast<std::int64_t>(i) * stride, from + i * kSize, kSize);
  });
}

}  // namespace

void put(const std::byte* values, std::size_t n, std::size_t item_size, std::byte* out, std::int64_t stride,
         bool streaming) {
  if (stride != static_cast<std::int64_t>(item_size)) return scatter(item_size, values, n, out, stride);
  std::size_t bytes = n * item_size;
  const std::size_t head = (kLine - reinterpret_cast<std::uintptr_t>(out) % kLine) % kLine;
  if (streaming && bytes >= head + kLine && reinterpret_cast<std::uintptr_t>(values + head) % kLine == 0) {
    std::memcpy(out, values, head);
    const std::size_t lines = (bytes - head) / kLine * kLine;
    active_kernels().stream_copy(out + head, values + head, lines);
    out += head + lines, values += head + lines, bytes -= head + lines;
  }
  std::memcpy(out, values, bytes);
}

Writer::Writer(const Law& law, Dtype dtype, Stream stream)
    : kernels_(active_kernels()),
      constant_(law.kind() == Law::Kind::constant),
      stream_(stream),
      item_size_(item_size_of(dtype)),
      unit_(kernels_.unit_words / (dtype == Dtype::float64 ? 2 : 1)),
      per_block_(dtype == Dtype::float64 ? 2 : 4) {
  if (constant_) {
    const std::uint64_t code = constant_code(law.low(), dtype);
    for (std::size_t i = 0; i < 8; i += item_size_) pattern_ |= code << (8 * i);
  } else {
    sampler_ = make_sampler(law, dtype);
  }
}

std::size_t Writer::lead(std::uint64_t first, const void* out) const {
  const auto address = reinterpret_cast<std::uintptr_t>(out);
  if (address % item_size_ != 0) return 0;
  const std::size_t aligned = (kLine - address % kLine) % kLine / item_size_;
  return constant_ || (first + aligned) % per_block_ == 0 ? aligned : 0;
}

void Writer::write(const Run& run, bool streaming) const {
  if (run.byte_stride == static_cast<std::int64_t>(item_size_)) return write(run.first, run.count, run.data, streaming);
  alignas(kLine) std::byte scratch[kScratchBytes];
  for (std::uint64_t done = 0; done < run.count;) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(run.count - done, kScratchBytes / item_size_));
    write(run.first + done, n, scratch, false);
    scatter(item_size_, scratch, n, run.data + static_cast<std::int64_t>(done) * run.byte_stride, run.byte_stride);
    done += n;
  }
}

void Writer::write(std::uint64_t first, std::size_t n, void* memory, bool streaming) const {
  auto* out = static_cast<std::byte*>(memory);
  if (constant_) return write_pattern(n, out, streaming);

  // Whole units go straight to memory where a unit can start: at a block, and for streaming at a cache line as well.
  const auto at_line = [&] { return reinterpret_cast<std::uintptr_t>(out) % kLine == 0; };
  const std::size_t to_block = (per_block_ - first % per_block_) % per_block_;
  const std::size_t head = streaming ? lead(first, out) : to_block;
  if (n < head + unit_) return write_part(first, n, out);
  if (head > 0) {
    write_part(first, head, out);
    first += head, n -= head, out += head * item_size_;
  }
  if (streaming && !(at_line() && first % per_block_ == 0)) return write_shifted(first, n, out);
  const UnitKernel kernel = unit_kernel();
  while (n >= unit_) {
    const std::uint64_t block = first / per_block_;
    const std::size_t units = std::min(n / unit_, units_below_boundary(block));
    if (units == 0) {
      write_part(first, unit_, out);
      first += unit_, n -= unit_, out += unit_ * item_size_;
      continue;
    }
    kernel(sampler_, stream_, block, units, out, streaming, nullptr);
    const std::size_t written = units * unit_;
    first += written, n -= written, out += written * item_size_;
  }
  if (n > 0) write_part(first, n, out);
}

// Any n elements, through scratch. A unit that starts at a multiple of a unit does not straddle 2^32 blocks.
void Writer::write_part(std::uint64_t first, std::size_t n, std::byte* out) const {
  alignas(kLine) std::byte scratch[kScratchBytes];
  const UnitKernel kernel = unit_kernel();
  const std::size_t room = kScratchBytes / (unit_ * item_size_);
  while (n > 0) {
    const std::size_t skip = first % unit_;
    const std::uint64_t block = (first - skip) / per_block_;
    const std::size_t units = std::min({(skip + n + unit_ - 1) / unit_, room, units_below_boundary(block)});
    kernel(sampler_, stream_, block, units, scratch, false, nullptr);
    const std::size_t some = std::min(n, units * unit_ - skip);
    std::memcpy(out, scratch + skip * item_size_, some * item_size_);
    first += some, n -= some, out += some * item_size_;
  }
}

void Writer::gather(const std::uint64_t* indices, std::size_t n, void* memory) const {
  if (n == 0) return;
  auto* out = static_cast<std::byte*>(memory);
  if (constant_) return write_pattern(n, out, false);
  const std::size_t room = unit_ / per_block_;
  const int shift = std::countr_zero(per_block_);
  std::uint64_t blocks[kMaxUnitWords / 4] = {};
  std::size_t at[kMaxUnitWords / 4];
  alignas(kLine) std::byte scratch[kMaxUnitWords * 4];
  while (n > 0) {
    const std::size_t some = std::min(n, room);
    for (std::size_t i = 0; i < some; ++i) {
      blocks[i] = indices[i] >> shift;
      at[i] = i * per_block_ + (indices[i] & (per_block_ - 1));
    }
    unit_kernel()(sampler_, stream_, 0, 1, scratch, false, blocks);
    pick(item_size_, scratch, at, some, out);
    indices += some, n -= some, out += some * item_size_;
  }
}

bool Writer::is_short(const Run& run) const { return !constant_ && run.count <= unit_ / 2; }

void ShortRuns::add(const Run& run) {
  const std::size_t skip = run.first % writer_.per_block_;
  const std::size_t needed = (skip + run.count + writer_.per_block_ - 1) / writer_.per_block_;
  if (used_ + needed > writer_.unit_ / writer_.per_block_) flush();
  pieces_[count_++] = {used_ * writer_.per_block_ + skip, run};
  const std::uint64_t block = run.first / writer_.per_block_;
  for (std::size_t i = 0; i < needed; ++i) blocks_[used_++] = block + i;
}

void ShortRuns::flush() {
  if (count_ == 0) return;
  const std::size_t size = writer_.item_size_;
  alignas(kLine) std::byte scratch[kMaxUnitWords * 4];
  std::fill(blocks_ + used_, blocks_ + writer_.unit_ / writer_.per_block_, 0);
  writer_.unit_kernel()(writer_.sampler_, writer_.stream_, 0, 1, scratch, false, blocks_);
  for (std::size_t p = 0; p < count_; ++p) {
    const Run& run = pieces_[p].run;
    const std::byte* from = scratch + pieces_[p].offset * size;
    if (run.byte_stride == static_cast<std::int64_t>(size)) std::memcpy(run.data, from, run.count * size);
    else scatter(size, from, run.count, run.data, run.byte_stride);
  }
  used_ = count_ = 0;
}

// Cache lines and blocks are out of step: whole lines are put together in scratch.
void Writer::write_shifted(std::uint64_t first, std::size_t n, std::byte* out) const {
  const auto address = reinterpret_cast<std::uintptr_t>(out);
  if (address % item_size_ != 0) return write_part(first, n, out);
  const std::size_t head = std::min(n, (kLine - address % kLine) % kLine / item_size_);
  write_part(first, head, out);
  first += head, n -= head, out += head * item_size_;
  alignas(kLine) std::byte scratch[kScratchBytes];
  while (n >= kScratchBytes / item_size_) {
    write_part(first, kScratchBytes / item_size_, scratch);
    kernels_.stream_copy(out, scratch, kScratchBytes);
    first += kScratchBytes / item_size_, n -= kScratchBytes / item_size_, out += kScratchBytes;
  }
  write_part(first, n, out);
}

// The blocks of one kernel call share their upper 32 bits.
std::size_t Writer::units_below_boundary(std::uint64_t block) const {
  return static_cast<std::size_t>(((std::uint64_t{1} << 32) - static_cast<std::uint32_t>(block)) * per_block_ / unit_);
}

UnitKernel Writer::unit_kernel() const {
  return kernels_.units[static_cast<int>(sampler_.form)][static_cast<int>(sampler_.dtype)];
}

void Writer::write_pattern(std::size_t n, std::byte* out, bool streaming) const {
  std::size_t bytes = n * item_size_;
  if (streaming && reinterpret_cast<std::uintptr_t>(out) % item_size_ == 0) {
    const std::size_t head = std::min(bytes, (kLine - reinterpret_cast<std::uintptr_t>(out) % kLine) % kLine);
    write_pattern(head / item_size_, out, false);
    out += head, bytes -= head;
    const std::size_t lines = bytes / kLine * kLine;
    kernels_.stream_pattern(out, pattern_, lines);
    out += lines, bytes -= lines;
  }
  for (; bytes >= 8; bytes -= 8, out += 8) std::memcpy(out, &pattern_, 8);
  std::memcpy(out, &pattern_, bytes);
}

}  // namespace weightfill
