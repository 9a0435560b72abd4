#include "writing/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "float_mode.hpp"

namespace weightfill {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTickInterval = std::chrono::milliseconds(50);

// Threads that are joined whatever happens.
class Crew {
 public:
  ~Crew() { join(); }

  // Starts up to n threads: those that the system has memory and room for.
  template <class Work>
  void start(std::uint64_t n, const Work& work) {
    try {
      threads_.reserve(static_cast<std::size_t>(n));
      while (threads_.size() < n) threads_.emplace_back([&work] { work(); });
    } catch (const std::exception&) {
      // those that run share the work
    }
  }

  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace

bool share(std::uint64_t total, std::uint64_t chunk, const Execution& execution,
           const std::function<void(std::uint64_t begin, std::uint64_t end)>& body) {
  const std::uint64_t parts = std::max<std::uint64_t>((total + chunk - 1) / chunk, 1);
  std::atomic<std::uint64_t> next{0}, done{0};
  std::atomic<bool> stopped{false};
  std::exception_ptr error;
  std::mutex mutex;  // of `error`

  const auto work = [&](auto&& between_parts) {
    const FloatMode mode;
    try {
      while (!stopped.load(std::memory_order_relaxed)) {
        const std::uint64_t part = next.fetch_add(1, std::memory_order_relaxed);
        if (part >= parts) break;
        const std::uint64_t begin = part * chunk, end = std::min(total, begin + chunk);
        body(begin, end);
        done.fetch_add(end - begin, std::memory_order_relaxed);
        between_parts();
      }
    } catch (...) {
      stopped.store(true, std::memory_order_relaxed);
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  const auto work_untold = [&] { work([] {}); };

  Crew others;
  others.start(std::min(static_cast<std::uint64_t>(std::max(execution.threads, 1)), parts) - 1, work_untold);
  if (execution.tick) {
    auto last = Clock::now();
    work([&] {
      const auto now = Clock::now();
      if (now - last < kTickInterval) return;
      last = now;
      if (!execution.tick(done.load(std::memory_order_relaxed))) stopped.store(true, std::memory_order_relaxed);
    });
  } else {
    work_untold();
  }
  others.join();
  if (error) std::rethrow_exception(error);
  if (execution.tick && !stopped && !execution.tick(done.load())) stopped = true;
  return !stopped;
}

}  // namespace weightfill
