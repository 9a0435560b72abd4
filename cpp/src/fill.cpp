// The verbs: fill, verify, words.
#include "weightfill/fill.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <mutex>

#include "kernels/dispatch.hpp"
#include "masks/fitting.hpp"
#include "writing/items.hpp"
#include "writing/job.hpp"
#include "writing/parallel.hpp"

namespace weightfill {
namespace {

// Bytes from which one of several fills streams past the cache, if all together do.
constexpr std::size_t kStreamPiece = std::size_t{64} << 10;

std::size_t item_size(const Memory& memory) { return item_size_of(memory.dtype); }

Purpose purpose(bool streaming) { return streaming ? Purpose::stream : Purpose::write; }

void check_places(const Law& law, const Memory& memory) {
  if (law.mask()) check_fits(*law.mask(), memory);
}

void merge(const Difference& part, Difference& total) {
  if (part.count == 0) return;
  total.first_position = total.count == 0 ? part.first_position : std::min(total.first_position, part.first_position);
  total.count += part.count;
}

// Compares a piece with the memory it is for.
void add_difference(const Piece& piece, std::size_t item_size, Difference& total) {
  const bool dense = piece.stride == static_cast<std::int64_t>(item_size);
  if (dense && std::memcmp(piece.values, piece.data, piece.n * item_size) == 0) return;
  by_item_size(item_size, [&](auto bits) {
    for (std::size_t i = 0; i < piece.n; ++i) {
      const std::byte* found = piece.data + static_cast<std::int64_t>(i) * piece.stride;
      if (std::memcmp(piece.values + i * sizeof bits, found, sizeof bits) != 0)
        merge({1, piece.position + i * piece.position_stride}, total);
    }
  });
}

}  // namespace

bool fill(const Law& law, Stream stream, const Memory& memory, const Execution& execution) {
  const std::uint64_t size = size_of(memory);
  if (size == 0) return true;
  check_places(law, memory);
  const auto job = make_job(law, stream, memory, purpose(size * item_size(memory) >= kStreamBytes));
  return share(size, part_elements(size, item_size(memory), execution.threads), execution, [&](auto begin, auto end) {
    begin = job->boundary(begin), end = job->boundary(end);
    if (begin < end) job->write(begin, end);
  });
}

bool fill(const std::vector<Fill>& fills, const Execution& execution) {
  std::vector<std::uint64_t> ends;  // of each fill, in elements of all
  ends.reserve(fills.size());
  std::uint64_t total = 0, bytes = 0;
  for (const Fill& one : fills) {
    const std::uint64_t size = size_of(one.memory);
    if (size > 0) check_places(one.law, one.memory);
    ends.push_back(total += size);
    bytes += size * item_size(one.memory);
  }
  if (total == 0) return true;
  const std::uint64_t part = part_elements(total, std::max<std::uint64_t>(bytes / total, 1), execution.threads);
  return share(total, part, execution, [&](auto begin, auto end) {
    auto k = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), begin) - ends.begin());
    for (; k < fills.size() && (k == 0 ? 0 : ends[k - 1]) < end; ++k) {
      const std::uint64_t start = k == 0 ? 0 : ends[k - 1], size = ends[k] - start;
      if (size == 0) continue;
      const auto& [law, seed, name, memory] = fills[k];
      const bool streaming = bytes >= kStreamBytes && size * item_size(memory) >= kStreamPiece;
      const auto job = make_job(law, {seed, stream_number(name)}, memory, purpose(streaming));
      const std::uint64_t from = begin <= start ? 0 : job->boundary(begin - start);
      const std::uint64_t to = end >= ends[k] ? size : job->boundary(end - start);
      if (from < to) job->write(from, to);
    }
  });
}

std::optional<Difference> verify(const Law& law, Stream stream, const Memory& memory, const Execution& execution) {
  Difference total;
  const std::uint64_t size = size_of(memory);
  if (size == 0) return total;
  check_places(law, memory);
  const auto job = make_job(law, stream, memory, Purpose::compare);
  const std::size_t item_size = item_size_of(memory.dtype);
  std::mutex mutex;  // of `total`
  const auto compare = [&](std::uint64_t begin, std::uint64_t end) {
    begin = job->boundary(begin), end = job->boundary(end);
    if (begin >= end) return;
    Difference part;
    job->each_piece(begin, end, [&](const Piece& piece) { add_difference(piece, item_size, part); });
    const std::lock_guard lock(mutex);
    merge(part, total);
  };
  if (!share(size, part_elements(size, item_size, execution.threads), execution, compare)) return {};
  return total;
}

void words(Stream stream, std::uint64_t first, std::size_t n, std::uint32_t* out) {
  const Kernels& kernels = active_kernels();
  alignas(64) std::uint32_t scratch[kMaxUnitWords];
  while (n > 0) {
    const std::size_t skip = first % kernels.unit_words;
    kernels.words(stream, (first - skip) / 4, 1, scratch);
    const std::size_t some = std::min(n, kernels.unit_words - skip);
    std::copy_n(scratch + skip, some, out);
    first += some, n -= some, out += some;
  }
}

void streaming_ceiling(void* out, std::size_t n, int threads) {
  const Kernels& kernels = active_kernels();
  constexpr std::uint64_t kPart = 1 << 21;
  constexpr std::uint64_t kNoByteZero = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
  assert(reinterpret_cast<std::uintptr_t>(out) % 64 == 0 && n % 64 == 0);
  share(n, kPart, {threads, {}}, [&](auto begin, auto end) {
    kernels.stream_pattern(static_cast<std::byte*>(out) + begin, kNoByteZero, end - begin);
    finish_streaming();
  });
}

}  // namespace weightfill
