// Every instruction set against the golden files of version 1 of the stream (tests/golden.py describes its lines).
//
//     test_golden [tests/data]
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "weightfill/fill.hpp"

using namespace weightfill;

namespace {

Dtype dtype_of(const std::string& name) {
  for (const DtypeRow& row : kDtypeRows)
    if (row.name == name) return row.dtype;
  throw std::invalid_argument(name);
}

struct Range {
  std::string law;
  Dtype dtype;
  Stream stream;
  std::uint64_t first;
  std::size_t count;
  std::vector<std::uint64_t> bits;
  bool is_sum = false;
  std::uint64_t checksum = 0;
};

void read_ranges(const std::string& path, std::vector<Range>& ranges) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    Range r;
    std::string dtype, name, number, arrow, value;
    fields >> r.law >> dtype >> r.stream.seed >> name >> number >> r.first >> r.count >> arrow;
    r.dtype = dtype_of(dtype);
    r.stream.number = std::stoull(number, nullptr, 16);
    while (fields >> value) {
      if (value == "sum") r.is_sum = true;
      else r.bits.push_back(std::stoull(value, nullptr, 16));
    }
    if (r.is_sum) r.checksum = r.bits.at(0);
    ranges.push_back(r);
  }
}

Law law_of(const std::string& text) {
  const std::string kind = text.substr(0, text.find('('));
  std::vector<double> p;
  std::istringstream numbers(text.substr(kind.size() + 1, text.size() - kind.size() - 2));
  for (std::string number; std::getline(numbers, number, ',');) p.push_back(std::stod(number));
  return Law::named(kind, p);
}

// The bits of a range's elements, filled by a number of threads.
std::vector<std::uint64_t> filled(const Range& r, const Law& law, int threads) {
  const std::size_t size = item_size_of(r.dtype);
  std::vector<std::byte> memory(r.count * size);
  fill(law, r.stream,
       {memory.data(), r.dtype, r.first, {{static_cast<std::int64_t>(r.count), static_cast<std::int64_t>(size), 1}}},
       {threads, {}});
  std::vector<std::uint64_t> bits(r.count);
  for (std::size_t i = 0; i < r.count; ++i) std::memcpy(&bits[i], memory.data() + i * size, size);  // little-endian
  return bits;
}

std::uint64_t checksum(const std::vector<std::uint64_t>& bits) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bits.size(); ++i) sum += (2 * i + 1) * bits[i];
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string data = argc > 1 ? argv[1] : "tests/data";
  std::vector<Range> ranges;
  for (const char* name : {"/stream_v1.txt", "/laws_v1.txt"}) read_ranges(data + name, ranges);
  CHECK(kStreamVersion == 1 && ranges.size() > 500, "version %d: %zu ranges", kStreamVersion, ranges.size());
  std::map<std::string, Law> laws;
  for (const Range& r : ranges) laws.try_emplace(r.law, law_of(r.law));
  for (const std::string_view isa : supported_isas()) {
    CHECK(set_active_isa(isa), "instruction set %s runs", std::string(isa).c_str());
    for (const auto& [text, law] : laws) {
      int wrong = 0, wrong_sums = 0;
      for (const Range& r : ranges) {
        if (r.law != text) continue;
        if (r.is_sum) wrong_sums += checksum(filled(r, law, 2)) != r.checksum;
        else wrong += filled(r, law, 1) != r.bits;
      }
      CHECK(wrong == 0 && wrong_sums == 0, "%s, %s: %d ranges and %d checksums differ", std::string(isa).c_str(),
            text.c_str(), wrong, wrong_sums);
    }
  }
  return failed_checks > 0;
}
