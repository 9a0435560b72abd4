// One fill, in parts that any thread may write.
#pragma once

#include <memory>

#include "writing/runs.hpp"
#include "writing/writer.hpp"

namespace weightfill {

class Job {
 public:
  virtual ~Job() = default;
  virtual std::uint64_t size() const = 0;  // elements

  // The first position from `position` on at which a part may begin or end; `size()` at the latest.
  virtual std::uint64_t boundary(std::uint64_t position) const = 0;

  // Writes the elements of [begin, end), two boundaries, in an order of positions that is the job's own.
  virtual void write(std::uint64_t begin, std::uint64_t end) const = 0;
};

// The memory must outlive the job. `streaming`: past the cache where that is possible.
std::unique_ptr<Job> make_job(const Law& law, Stream stream, const Memory& memory, bool streaming);

// The same for a law under a mask.
std::unique_ptr<Job> make_masked_job(const Law& law, Stream stream, const Memory& memory, bool streaming);

// Writes positions [begin, end) of runs.
void write_runs(const Writer& writer, const Runs& runs, std::uint64_t begin, std::uint64_t end, bool streaming);

// Elements of the memory.
std::uint64_t size_of(const Memory& memory);

// Elements that a thread takes at a time of `total`: few enough to stop soon and to share evenly, enough to keep two
// threads off the same huge page most of the time.
std::uint64_t part_elements(std::uint64_t total, std::size_t item_size, int threads);

// `verify` for a law under a mask.
std::optional<Difference> verify_masked(const Law& law, Stream stream, const Memory& memory,
                                        const Execution& execution);

}  // namespace weightfill
