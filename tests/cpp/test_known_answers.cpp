// The published known answers of Philox4x32-10: the scalar reference, and the words of every instruction set where a
// stream has them.
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "weightfill/fill.hpp"

using namespace weightfill;

namespace {

struct Known {
  PhiloxBlock counter, answer;
  std::uint32_t key[2];
};

std::vector<Known> read_answers(const std::string& path) {
  std::vector<Known> answers;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    fields >> std::hex;
    Known known;
    for (std::uint32_t& word : known.counter) fields >> word;
    for (std::uint32_t& word : known.key) fields >> word;
    for (std::uint32_t& word : known.answer) fields >> word;
    if (fields) answers.push_back(known);
  }
  return answers;
}

std::uint64_t joined(std::uint32_t low, std::uint32_t high) { return low | std::uint64_t{high} << 32; }

void every_isa_gives_the_known_words(const std::vector<Known>& answers) {
  for (const std::string_view isa : supported_isas()) {
    set_active_isa(isa);
    int compared = 0, wrong = 0;
    for (const Known& known : answers) {
      const std::uint64_t block = joined(known.counter[0], known.counter[1]);
      if (block >> 62) continue;  // word numbers have 64 bits here
      PhiloxBlock found;
      words({joined(known.key[0], known.key[1]), joined(known.counter[2], known.counter[3])}, 4 * block, 4,
            found.data());
      ++compared;
      wrong += found != known.answer;
    }
    CHECK(compared > 0 && wrong == 0, "%s: %d of %d known answers differ", std::string(isa).c_str(), wrong, compared);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string data = argc > 1 ? argv[1] : "tests/data";
  const std::vector<Known> answers = read_answers(data + "/philox.txt");
  CHECK(answers.size() == 3, "%zu known answers", answers.size());
  int wrong = 0;
  for (const Known& known : answers) wrong += philox4x32(known.counter, known.key[0], known.key[1]) != known.answer;
  CHECK(wrong == 0, "scalar reference: %d known answers differ", wrong);
  every_isa_gives_the_known_words(answers);
  return failed_checks > 0;
}
