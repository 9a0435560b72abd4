// One fill or verification, in parts that any thread may take.
#pragma once

#include <functional>
#include <memory>

#include "writing/runs.hpp"
#include "writing/writer.hpp"

namespace weightfill {

// What a job is made for: to write, to write past the cache where that is possible, or to compare. The last takes the
// elements in an order and in pieces that suit reading.
enum class Purpose { write, stream, compare };

// The values of n elements, one after the other, and their places: the first belongs at `data`, position `position` of
// the memory, and each other one `stride` bytes and `position_stride` positions behind the one before. Where the places
// are one after the other, too, `values` and `data` have the same offset in a cache line, unless the job is to compare.
struct Piece {
  const std::byte* values;
  std::size_t n;
  std::byte* data;
  std::int64_t stride;
  std::uint64_t position, position_stride;
};

class Job {
 public:
  virtual ~Job() = default;
  virtual std::uint64_t size() const = 0;  // elements

  // The first position from `position` on at which a part may begin or end; `size()` at the latest.
  virtual std::uint64_t boundary(std::uint64_t position) const = 0;

  // Writes the elements of [begin, end), two boundaries, in an order of positions that is the job's own.
  virtual void write(std::uint64_t begin, std::uint64_t end) const = 0;

  // Calls f(piece) for all elements of [begin, end), two boundaries. Writes no memory. Of a job that is to compare.
  virtual void each_piece(std::uint64_t begin, std::uint64_t end, const std::function<void(const Piece&)>& f) const = 0;
};

// The memory must outlive the job.
std::unique_ptr<Job> make_job(const Law& law, Stream stream, const Memory& memory, Purpose purpose);

// The same for a law under a mask.
std::unique_ptr<Job> make_masked_job(const Law& law, Stream stream, const Memory& memory, Purpose purpose);

// Writes positions [begin, end) of runs.
void write_runs(const Writer& writer, const Runs& runs, std::uint64_t begin, std::uint64_t end, bool streaming);

// Elements of the memory.
std::uint64_t size_of(const Memory& memory);

// Elements that a thread takes at a time of `total`: few enough to stop soon and to share evenly, enough to keep two
// threads off the same huge page most of the time.
std::uint64_t part_elements(std::uint64_t total, std::size_t item_size, int threads);

}  // namespace weightfill
