// Sharing a range among threads, with progress and cancelling.
#pragma once

#include <cstdint>
#include <functional>

#include "weightfill/fill.hpp"

namespace weightfill {

// Calls body(begin, end) for consecutive parts of [0, total) that are `chunk` long. Each thread takes the next part
// when it is done with one, so a slow core does not hold the others up. The calling thread takes part and calls
// execution.tick. False if `tick` stopped it: parts not yet begun are left out. What `body` or `tick` throws stops it
// too, and is thrown from here when all threads have ended. If a thread cannot be started, the others do its part.
// Threads are started for this call only: nothing is left behind that a fork could lose.
bool share(std::uint64_t total, std::uint64_t chunk, const Execution& execution,
           const std::function<void(std::uint64_t begin, std::uint64_t end)>& body);

}  // namespace weightfill
