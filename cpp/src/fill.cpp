// The verbs: fill, verify, words.
#include "weightfill/fill.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <mutex>

#include "kernels/dispatch.hpp"
#include "writing/job.hpp"
#include "writing/parallel.hpp"

namespace weightfill {
namespace {

// Bytes from which one of several fills streams past the cache, if all together do.
constexpr std::size_t kStreamPiece = std::size_t{64} << 10;

std::size_t item_size(const Memory& memory) { return item_size_of(memory.dtype); }

}  // namespace

bool fill(const Law& law, Stream stream, const Memory& memory, const Execution& execution) {
  const std::uint64_t size = size_of(memory);
  if (size == 0) return true;
  const auto job = make_job(law, stream, memory, size * item_size(memory) >= kStreamBytes);
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
      const auto job = make_job(law, {seed, stream_number(name)}, memory, streaming);
      const std::uint64_t from = begin <= start ? 0 : job->boundary(begin - start);
      const std::uint64_t to = end >= ends[k] ? size : job->boundary(end - start);
      if (from < to) job->write(from, to);
    }
  });
}

std::optional<Difference> verify(const Law& law, Stream stream, const Memory& memory, const Execution& execution) {
  if (law.mask()) return verify_masked(law, stream, memory, execution);
  const Runs runs(memory, false);
  Difference total;
  if (runs.size() == 0) return total;
  const std::size_t item_size = weightfill::item_size(memory);
  const Writer writer(law, memory.dtype, stream);
  std::mutex mutex;

  const auto compare = [&](std::uint64_t begin, std::uint64_t end) {
    constexpr std::size_t kScratch = 8192;
    alignas(64) std::byte expected[kScratch];
    Difference part;
    runs.each(begin, end, [&](const Run& run, std::uint64_t position) {
      for (std::uint64_t done = 0; done < run.count;) {
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(run.count - done, kScratch / item_size));
        writer.write(run.first + done, n, expected, false);
        const std::byte* found = run.data + static_cast<std::int64_t>(done) * run.byte_stride;
        const bool dense = run.byte_stride == static_cast<std::int64_t>(item_size);
        if (!dense || std::memcmp(expected, found, n * item_size) != 0) {
          for (std::size_t i = 0; i < n; ++i) {
            if (std::memcmp(expected + i * item_size, found + static_cast<std::int64_t>(i) * run.byte_stride,
                            item_size) == 0)
              continue;
            if (part.count++ == 0) part.first_position = position + done + i;
          }
        }
        done += n;
      }
    });
    if (part.count == 0) return;
    const std::lock_guard lock(mutex);
    total.first_position = total.count == 0 ? part.first_position : std::min(total.first_position, part.first_position);
    total.count += part.count;
  };
  if (!share(runs.size(), part_elements(runs.size(), item_size, execution.threads), execution, compare)) return {};
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
