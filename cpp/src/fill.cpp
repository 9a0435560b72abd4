// The verbs: fill, verify, words.
#include "weightfill/fill.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <mutex>

#include "dispatch.hpp"
#include "parallel.hpp"
#include "writer.hpp"

namespace weightfill {
namespace {

// Part of a target that a thread takes at a time: small enough to stop soon and to share evenly, large enough to keep
// two threads off the same huge page most of the time.
std::uint64_t part_elements(std::uint64_t total, std::size_t item_size, int threads) {
  constexpr std::uint64_t kLeast = 1 << 15, kMost = 1 << 21;
  const std::uint64_t bytes = total * item_size / (32 * static_cast<std::uint64_t>(std::max(threads, 1)));
  return std::clamp(bytes / kLeast * kLeast, kLeast, kMost) / item_size;
}

// Streaming stores are weakly ordered: a thread that is done makes them visible.
void finish_streaming() {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

}  // namespace

bool fill(const Law& law, Stream stream, const Target& target, const Execution& execution) {
  const Runs runs(target, true);
  if (runs.size() == 0) return true;
  const std::size_t item_size = kItemSize[static_cast<int>(target.dtype)];
  const Writer writer(law, target.dtype, stream);
  const bool streaming = runs.size() * item_size >= kStreamBytes;
  const std::uint64_t part = part_elements(runs.size(), item_size, execution.threads);
  if (runs.contiguous()) {
    const Run whole = runs.whole();
    return share(runs.size(), writer.lead(whole.first, whole.data), part, execution, [&](auto begin, auto end) {
      writer.write(whole.first + begin, end - begin, whole.data + begin * item_size, streaming);
      if (streaming) finish_streaming();
    });
  }
  return share(runs.size(), 0, part, execution, [&](auto begin, auto end) {
    ShortRuns short_runs(writer);
    runs.each(begin, end, [&](const Run& run, std::uint64_t) {
      if (writer.is_short(run)) short_runs.add(run);
      else writer.write(run, false);
    });
    short_runs.flush();
  });
}

std::optional<Difference> verify(const Law& law, Stream stream, const Target& target, const Execution& execution) {
  const Runs runs(target, false);
  Difference total;
  if (runs.size() == 0) return total;
  const std::size_t item_size = kItemSize[static_cast<int>(target.dtype)];
  const Writer writer(law, target.dtype, stream);
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
  if (!share(runs.size(), 0, part_elements(runs.size(), item_size, execution.threads), execution, compare)) return {};
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
  assert(reinterpret_cast<std::uintptr_t>(out) % 64 == 0 && n % 64 == 0);
  share(n, 0, kPart, {threads, {}}, [&](auto begin, auto end) {
    kernels.stream_pattern(static_cast<std::byte*>(out) + begin, 0, end - begin);
    finish_streaming();
  });
}

}  // namespace weightfill
