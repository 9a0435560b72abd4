#include "kernels/dispatch.hpp"

#include <atomic>

#include "kernels/cpu.hpp"

namespace weightfill {

#if defined(__x86_64__)
namespace baseline {
const Kernels& kernels();
}
namespace avx2 {
const Kernels& kernels();
}
namespace avx512 {
const Kernels& kernels();
}
#elif defined(__aarch64__)
namespace neon {
const Kernels& kernels();
}
#else
#error "weightfill has kernels for x86-64 and AArch64"
#endif

namespace {

struct Candidate {
  const Kernels& kernels;
  bool supported;
};

// Narrowest first. The first runs on every CPU of its architecture.
const std::vector<Candidate>& candidates() {
#if defined(__x86_64__)
  static const Cpu cpu = this_cpu();
  static const std::vector<Candidate> list = {
      {baseline::kernels(), true}, {avx2::kernels(), cpu.avx2}, {avx512::kernels(), cpu.avx512}};
#else
  static const std::vector<Candidate> list = {{neon::kernels(), true}};
#endif
  return list;
}

std::atomic<const Kernels*>& active() {
  static std::atomic<const Kernels*> kernels = [] {
    const Kernels* widest = nullptr;
    for (const Candidate& c : candidates())
      if (c.supported) widest = &c.kernels;
    return widest;
  }();
  return kernels;
}

}  // namespace

const Kernels& active_kernels() { return *active().load(std::memory_order_acquire); }

std::vector<std::string_view> built_isas() {
  std::vector<std::string_view> names;
  for (const Candidate& c : candidates()) names.emplace_back(c.kernels.name);
  return names;
}

std::vector<std::string_view> supported_isas() {
  std::vector<std::string_view> names;
  for (const Candidate& c : candidates())
    if (c.supported) names.emplace_back(c.kernels.name);
  return names;
}

std::string_view active_isa() { return active_kernels().name; }

bool set_active_isa(std::string_view name) {
  for (const Candidate& c : candidates()) {
    if (!c.supported || name != c.kernels.name) continue;
    active().store(&c.kernels, std::memory_order_release);
    return true;
  }
  return false;
}

}  // namespace weightfill
