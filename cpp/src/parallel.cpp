#include "parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "float_mode.hpp"

namespace weightfill {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTickInterval = std::chrono::milliseconds(50);

}  // namespace

bool share(std::uint64_t total, std::uint64_t chunk, const Execution& execution,
           const std::function<void(std::uint64_t begin, std::uint64_t end)>& body) {
  const std::uint64_t parts = std::max<std::uint64_t>((total + chunk - 1) / chunk, 1);
  std::atomic<std::uint64_t> next{0}, done{0};
  std::atomic<bool> stopped{false};

  const auto work = [&](auto&& between_parts) {
    const FloatMode mode;
    while (!stopped.load(std::memory_order_relaxed)) {
      const std::uint64_t part = next.fetch_add(1, std::memory_order_relaxed);
      if (part >= parts) break;
      const std::uint64_t begin = part * chunk, end = std::min(total, begin + chunk);
      body(begin, end);
      done.fetch_add(end - begin, std::memory_order_relaxed);
      between_parts();
    }
  };

  std::vector<std::thread> others;
  const auto wanted = static_cast<std::uint64_t>(std::max(execution.threads, 1));
  for (std::uint64_t i = 1; i < std::min(wanted, parts); ++i) {
    try {
      others.emplace_back([&] { work([] {}); });
    } catch (const std::system_error&) {
      break;  // no more threads to be had: those that run share the work
    }
  }
  if (execution.tick) {
    auto last = Clock::now();
    work([&] {
      const auto now = Clock::now();
      if (now - last < kTickInterval) return;
      last = now;
      if (!execution.tick(done.load(std::memory_order_relaxed))) stopped.store(true, std::memory_order_relaxed);
    });
  } else {
    work([] {});
  }
  for (std::thread& thread : others) thread.join();
  if (execution.tick && !stopped && !execution.tick(done.load())) stopped = true;
  return !stopped;
}

}  // namespace weightfill
