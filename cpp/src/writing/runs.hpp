// Memory as runs: stretches of elements that follow one another in the full tensor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "weightfill/fill.hpp"

namespace weightfill {

// `count` elements from index `first` on; element i at data + i * byte_stride.
struct Run {
  std::uint64_t first;
  std::uint64_t count;
  std::byte* data;
  std::int64_t byte_stride;
};

class Runs {
 public:
  // Merges axes that memory and index order allow. With `any_order`, axes may also be split and exchanged so that
  // neighbours in memory are written soon after one another; positions then no longer follow C order.
  Runs(const Memory& memory, bool any_order);

  std::uint64_t size() const { return size_; }  // elements
  bool contiguous() const;                      // one dense run
  Run whole() const;                            // of contiguous memory

  // Calls f(run, position) for the runs of the positions [begin, end).
  template <class F>
  void each(std::uint64_t begin, std::uint64_t end, F&& f) const {
    std::vector<std::uint64_t> at(axes_.size());
    std::uint64_t rest = begin;
    for (std::size_t a = axes_.size(); a-- > 0;) {
      at[a] = rest % static_cast<std::uint64_t>(axes_[a].count);
      rest /= static_cast<std::uint64_t>(axes_[a].count);
    }
    const Axis& inner = axes_.back();
    for (std::uint64_t position = begin; position < end;) {
      Run run = start(at);
      const std::uint64_t left = static_cast<std::uint64_t>(inner.count) - at.back();
      run.count = inner.index_stride == 1 ? std::min(left, end - position) : 1;
      f(run, position);
      position += run.count;
      at.back() += run.count;
      for (std::size_t a = axes_.size() - 1; a > 0 && at[a] == static_cast<std::uint64_t>(axes_[a].count); --a) {
        at[a] = 0;
        ++at[a - 1];
      }
    }
  }

 private:
  Run start(const std::vector<std::uint64_t>& at) const;
  void exchange();

  std::byte* data_;
  std::int64_t item_size_;
  std::uint64_t first_;
  std::uint64_t size_ = 1;
  std::vector<Axis> axes_;     // at least one; the last is the axis of the runs
  const std::uint64_t* rows_;  // for axes_[0]
};

}  // namespace weightfill
