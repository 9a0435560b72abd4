// Allocations that fail, one after the other, in the calling thread and in those that it starts: the verb throws
// std::bad_alloc when all its threads have ended, or makes do without a thread and is right.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <new>
#include <vector>

#if defined(_WIN32)
#include <malloc.h>
#endif

#include "check.hpp"
#include "weightfill/fill.hpp"

namespace {

std::atomic<std::int64_t> left{-1};  // allocations until one fails; none does while it is negative
std::atomic<bool> last_ones{false};  // whether all after it fail too

bool fails() {
  if (left.load() < 0) return false;
  const std::int64_t mine = left.fetch_sub(1);
  if (mine > 0) return false;
  if (last_ones) left.store(0);
  return mine == 0;
}

void* allocated(std::size_t size, std::size_t alignment) {
  if (fails()) throw std::bad_alloc();
#if defined(_WIN32)  // which frees aligned memory by a function of its own
  void* memory = _aligned_malloc(size, alignment);
#else
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
#endif
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) {
#if defined(_WIN32)
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}

}  // namespace

void* operator new(std::size_t size) { return allocated(size, 16); }
void* operator new(std::size_t size, std::align_val_t to) { return allocated(size, static_cast<std::size_t>(to)); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

using namespace weightfill;

namespace {

constexpr Stream kStream{42, 7};
constexpr std::int64_t kRows = 61, kColumns = 1999;
constexpr int kThreads = 3;

// A table with a gap behind every row, so that it has runs.
struct Table {
  explicit Table(Dtype type) : dtype(type), bytes(kRows * (kColumns + 1) * item()) {}

  std::size_t item() const { return item_size_of(dtype); }
  Memory memory() {
    const auto size = static_cast<std::int64_t>(item());
    return {bytes.data(), dtype, 0, {{kRows, (kColumns + 1) * size, kColumns}, {kColumns, size, 1}}};
  }

  Dtype dtype;
  std::vector<std::byte> bytes;
};

Law sparse(std::uint64_t kept) {
  return Law::named("normal", {0, 1}).under({1, kColumns, 1, Mask::Connections{kept, 11}});
}

// Runs `verb`, which says whether what it did is right, with every allocation failing once, alone and with all later
// ones.
void check(const char* name, const std::function<bool()>& verb) {
  int wrong = 0, thrown = 0, runs = 0;
  for (const bool all : {false, true}) {
    last_ones = all;
    for (std::int64_t k = 0;; ++k, ++runs) {
      bool right = true;
      left = k;
      try {
        right = verb();
      } catch (const std::bad_alloc&) {
        ++thrown;
      }
      const bool reached = left.exchange(-1) < (all ? 1 : 0);
      wrong += !right;
      if (!reached) break;
    }
  }
  CHECK(wrong == 0 && thrown > 0, "%s: %d failed allocations, %d thrown, %d wrong results", name, runs, thrown, wrong);
}

void all_verbs() {
  const Execution execution{kThreads, {}};
  const Law normal = Law::named("normal", {0, 1}), few = sparse(5), many = sparse(900);
  for (const auto& [name, of] : {std::pair{"plain", &normal}, {"few connections", &few}, {"many", &many}}) {
    REPORT("%s", name);
    const Law& law = *of;
    Table table(Dtype::float32), expected(Dtype::float32);
    const Memory memory = table.memory();
    fill(law, kStream, expected.memory(), execution);
    check("fill", [&] { return fill(law, kStream, memory, execution) && table.bytes == expected.bytes; });
    check("verify", [&] {
      const auto found = verify(law, kStream, memory, execution);
      return found && found->count == 0;
    });
    Table other(Dtype::bfloat16);
    const std::vector<Fill> fills{{law, 42, "a", memory}, {law, 42, "b", other.memory()}};
    check("fills", [&] { return fill(fills, execution); });
  }

  for (const std::uint64_t kept : {std::uint64_t{5}, std::uint64_t{900}}) {
    const Mask mask{1, kColumns, 1, Mask::Connections{kept, 11}};
    check("draw_slices", [&] { return draw_slices(mask, 42, kRows, kThreads)->dense == (kept == 900); });
  }

  std::vector<float> values(kRows * 900);
  std::vector<std::int32_t> columns(values.size());
  const SparseRows rows{0, kRows, Dtype::float32, values.data(), columns.data(), false};
  check("fill_sparse", [&] { return fill_sparse(many, kStream, rows, execution); });

  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16}) {
    Table table(dtype);
    const Memory memory = table.memory();
    fill(normal, kStream, memory, execution);
    check("summarize", [&] { return summarize(memory, execution)->count == kRows * kColumns; });
    check("histogram", [&] { return histogram(memory, -1, 1, 7, execution)->size() == 7; });
  }
}

}  // namespace

int main() {
  all_verbs();
  return failed_checks > 0;
}
