#include "reading/codes.hpp"

#include <array>
#include <cstring>
#include <mutex>

#include "laws/formats.hpp"
#include "writing/parallel.hpp"
#include "writing/runs.hpp"

namespace weightfill {
namespace {

constexpr std::uint64_t kPart = std::uint64_t{1} << 20;  // elements: 32 bits count them

// Neighbours of one code would wait for each other's counter: with few codes each has four.
constexpr std::size_t kTables[] = {4, 1};

template <class Code>
void count_run(const Run& run, std::uint32_t* counts) {
  constexpr std::size_t tables = kTables[sizeof(Code) - 1], codes = std::size_t{1} << (8 * sizeof(Code));
  const auto count_one = [&](std::uint64_t i, std::size_t table) {
    Code code;
    std::memcpy(&code, run.data + static_cast<std::int64_t>(i) * run.byte_stride, sizeof code);
    ++counts[table * codes + code];
  };
  std::uint64_t i = 0;
  for (; i + tables <= run.count; i += tables)
    for (std::size_t table = 0; table < tables; ++table) count_one(i + table, table);
  for (; i < run.count; ++i) count_one(i, 0);
}

}  // namespace

const std::vector<float>& values_of_codes(Dtype dtype) {
  static const auto make = [](Dtype type) {
    std::vector<float> values(code_count(type));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(decode(type, static_cast<std::uint32_t>(i)));
    return values;
  };
  // Never destroyed: threads may still read at the end of the process.
  static const auto& tables = *new auto([] {
    std::array<std::vector<float>, kDtypes> all;
    for (const DtypeRow& row : kDtypeRows) all[static_cast<std::size_t>(row.dtype)] = make(row.dtype);
    return all;
  }());
  return tables[static_cast<std::size_t>(dtype)];
}

std::optional<std::vector<std::uint64_t>> count_codes(const Memory& memory, const Execution& execution) {
  const Runs runs(memory, true);
  const std::size_t codes = code_count(memory.dtype);
  std::vector<std::uint64_t> total(codes);
  if (runs.size() == 0) return total;
  std::mutex mutex;
  const auto read = [&](std::uint64_t begin, std::uint64_t end) {
    std::vector<std::uint32_t> part(codes == 256 ? kTables[0] * codes : kTables[1] * codes);
    runs.each(begin, end, [&](const Run& run, std::uint64_t) {
      codes == 256 ? count_run<std::uint8_t>(run, part.data()) : count_run<std::uint16_t>(run, part.data());
    });
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < part.size(); ++i) total[i % codes] += part[i];
  };
  if (!share(runs.size(), kPart, execution, read)) return {};
  return total;
}

}  // namespace weightfill
