// Fills, verifications and summaries by several threads at once, each with threads of its own. Small, so that it also
// runs under ThreadSanitizer.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "weightfill/fill.hpp"

using namespace weightfill;

namespace {

constexpr Stream kStream{42, 7};
constexpr int kCallers = 4;
constexpr std::int64_t kRows = 24, kColumns = 4099;

std::vector<Law> laws() {
  return {Law::constant(0.5), Law::uniform(-1, 1), Law::named("normal", {0, 0.5}),
          Law::named("truncated_normal", {0, 1, -0.5, 2})};
}

// Rows [begin, end) of a table of kRows x kColumns elements.
Memory rows_of(std::byte* table, Dtype dtype, std::int64_t begin, std::int64_t end) {
  const auto size = static_cast<std::int64_t>(item_size_of(dtype));
  return {table + begin * kColumns * size,
          dtype,
          static_cast<std::uint64_t>(begin * kColumns),
          {{end - begin, kColumns * size, static_cast<std::uint64_t>(kColumns)}, {kColumns, size, 1}}};
}

template <class Work>
void by_callers(Work work) {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) callers.emplace_back([&work, caller] { work(caller); });
  for (std::thread& thread : callers) thread.join();
}

std::vector<std::byte> table_of(Dtype dtype) { return std::vector<std::byte>(kRows * kColumns * item_size_of(dtype)); }

// Callers fill neighbouring parts of one table, with one law whose 64-bit tables are built by whoever comes first.
void parts_filled_at_once_make_the_whole() {
  int wrong = 0;
  for (int d = 0; d < kDtypes; ++d) {
    const auto dtype = static_cast<Dtype>(d);
    for (const Law& law : laws()) {
      std::vector<std::byte> parts = table_of(dtype), whole = table_of(dtype);
      by_callers([&](int caller) {
        fill(law, kStream, rows_of(parts.data(), dtype, caller * kRows / kCallers, (caller + 1) * kRows / kCallers),
             {2, {}});
      });
      fill(law, kStream, rows_of(whole.data(), dtype, 0, kRows), {1, {}});
      wrong += parts != whole;
    }
  }
  CHECK(wrong == 0, "parts of one table by %d callers: %d tables differ", kCallers, wrong);
}

// Callers with laws and tables of their own, verified and summarized by all of them together.
void callers_do_not_disturb_each_other() {
  const std::vector<Law> all = laws();
  std::vector<std::vector<std::byte>> tables(kCallers, table_of(Dtype::float32));
  std::atomic<int> wrong{0};
  by_callers([&](int caller) {
    const auto mine = static_cast<std::size_t>(caller);
    fill(all[mine], {42, mine}, rows_of(tables[mine].data(), Dtype::float32, 0, kRows), {3, {}});
  });
  by_callers([&](int) {
    for (std::size_t k = 0; k < tables.size(); ++k) {
      const Memory table = rows_of(tables[k].data(), Dtype::float32, 0, kRows);
      const auto difference = verify(all[k], {42, k}, table, {3, {}});
      const auto summary = summarize(table, {3, {}});
      wrong += !difference || difference->count != 0;
      wrong += !summary || summary->count != static_cast<std::uint64_t>(kRows * kColumns) || summary->nan != 0;
    }
  });
  CHECK(wrong == 0, "tables of their own: %d verifications or summaries failed", wrong.load());
}

// Ticks come to the thread that called, do not fall, and end with everything done.
void ticks_come_to_the_calling_thread() {
  std::atomic<int> wrong{0}, ticks{0};
  std::vector<std::vector<std::byte>> tables(kCallers, table_of(Dtype::float64));
  by_callers([&](int caller) {
    const auto here = std::this_thread::get_id();
    std::uint64_t last = 0;
    const Execution execution{4, [&](std::uint64_t done) {
                                wrong += std::this_thread::get_id() != here || done < last;
                                last = done;
                                ++ticks;
                                return true;
                              }};
    const Memory table = rows_of(tables[static_cast<std::size_t>(caller)].data(), Dtype::float64, 0, kRows);
    for (const Law& law : laws()) {
      last = 0;
      wrong += !fill(law, kStream, table, execution) || last != static_cast<std::uint64_t>(kRows * kColumns);
      last = 0;
      wrong += !verify(law, kStream, table, execution) || last != static_cast<std::uint64_t>(kRows * kColumns);
    }
  });
  CHECK(wrong == 0 && ticks >= 8 * kCallers, "%d ticks: %d wrong", ticks.load(), wrong.load());
}

// A stop ends the fill of the caller who asked for it, and no other.
void one_caller_can_stop() {
  std::vector<std::vector<std::byte>> tables(kCallers, table_of(Dtype::float32));
  const Law law = Law::named("normal", {0, 1});
  std::atomic<int> wrong{0};
  by_callers([&](int caller) {
    const bool stops = caller % 2 == 0;
    const Memory table = rows_of(tables[static_cast<std::size_t>(caller)].data(), Dtype::float32, 0, kRows);
    wrong += fill(law, kStream, table, {3, [&](std::uint64_t) { return !stops; }}) == stops;
  });
  CHECK(wrong == 0, "stops: %d callers with the wrong answer", wrong.load());
}

void words_may_be_drawn_while_others_fill() {
  std::atomic<int> wrong{0};
  std::vector<std::uint32_t> expected(5000);
  words(kStream, 3, expected.size(), expected.data());
  by_callers([&](int caller) {
    if (caller % 2 == 0) {
      std::vector<std::uint32_t> found(expected.size());
      words(kStream, 3, found.size(), found.data());
      wrong += found != expected;
    } else {
      std::vector<std::byte> table = table_of(Dtype::bfloat16);
      fill(Law::uniform(0, 1), kStream, rows_of(table.data(), Dtype::bfloat16, 0, kRows), {2, {}});
    }
  });
  CHECK(wrong == 0, "words: %d callers with others", wrong.load());
}

}  // namespace

int main() {
  for (const std::string_view isa : supported_isas()) {
    set_active_isa(isa);
    REPORT("instruction set %s", std::string(isa).c_str());
    parts_filled_at_once_make_the_whole();
    callers_do_not_disturb_each_other();
    ticks_come_to_the_calling_thread();
    one_caller_can_stop();
    words_may_be_drawn_while_others_fill();
  }
  return failed_checks > 0;
}
