#include "writing/job.hpp"

#include <algorithm>

namespace weightfill {
namespace {

constexpr std::size_t kStreamRun = 1024;  // bytes of a run that streams past the cache

class PlainJob final : public Job {
 public:
  PlainJob(const Law& law, Stream stream, const Memory& memory, Purpose purpose)
      : runs_(memory, purpose != Purpose::compare),
        writer_(law, memory.dtype, stream),
        streaming_(purpose == Purpose::stream) {
    if (runs_.contiguous()) lead_ = writer_.lead(runs_.whole().first, runs_.whole().data);
  }

  std::uint64_t size() const override { return runs_.size(); }

  std::uint64_t boundary(std::uint64_t position) const override {
    constexpr std::uint64_t kGrain = 64;  // a whole number of cache lines and of blocks
    if (position <= lead_ || !runs_.contiguous()) return position;
    return std::min(lead_ + (position - lead_ + kGrain - 1) / kGrain * kGrain, size());
  }

  void write(std::uint64_t begin, std::uint64_t end) const override {
    write_runs(writer_, runs_, begin, end, streaming_);
  }

  void each_piece(std::uint64_t begin, std::uint64_t end, const std::function<void(const Piece&)>& f) const override {
    constexpr std::size_t kBytes = 8192;
    alignas(64) std::byte values[kBytes];
    const std::size_t most = kBytes / writer_.item_size();
    runs_.each(begin, end, [&](const Run& run, std::uint64_t position) {
      for (std::uint64_t done = 0; done < run.count;) {
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(run.count - done, most));
        writer_.write(run.first + done, n, values, false);
        f({values, n, run.data + static_cast<std::int64_t>(done) * run.byte_stride, run.byte_stride, position + done,
           1});
        done += n;
      }
    });
  }

 private:
  Runs runs_;
  Writer writer_;
  bool streaming_;
  std::uint64_t lead_ = 0;
};

}  // namespace

std::unique_ptr<Job> make_job(const Law& law, Stream stream, const Memory& memory, Purpose purpose) {
  if (law.mask()) return make_masked_job(law, stream, memory, purpose);
  return std::make_unique<PlainJob>(law, stream, memory, purpose);
}

void write_runs(const Writer& writer, const Runs& runs, std::uint64_t begin, std::uint64_t end, bool streaming) {
  if (runs.contiguous()) {
    const Run whole = runs.whole();
    const auto offset = static_cast<std::int64_t>(begin) * whole.byte_stride;
    writer.write(whole.first + begin, end - begin, whole.data + offset, streaming);
    if (streaming) finish_streaming();
    return;
  }
  const std::size_t item_size = writer.item_size();
  ShortRuns short_runs(writer);
  runs.each(begin, end, [&](const Run& run, std::uint64_t) {
    if (writer.is_short(run)) short_runs.add(run);
    else writer.write(run, streaming && run.count * item_size >= kStreamRun);
  });
  if (streaming) finish_streaming();
  short_runs.flush();
}

std::uint64_t size_of(const Memory& memory) {
  std::uint64_t size = 1;
  for (const Axis& axis : memory.axes) size *= static_cast<std::uint64_t>(axis.count);
  return size;
}

std::uint64_t part_elements(std::uint64_t total, std::size_t item_size, int threads) {
  constexpr std::uint64_t kLeast = 1 << 15, kMost = 1 << 21;
  const std::uint64_t bytes = total * item_size / (32 * static_cast<std::uint64_t>(std::max(threads, 1)));
  return std::clamp(bytes / kLeast * kLeast, kLeast, kMost) / item_size;
}

}  // namespace weightfill
