#include "kernels/dispatch.hpp"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

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

#if defined(__x86_64__)
// Conversions to float16. Clang 14 cannot be asked for it by name.
bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

struct Candidate {
  const Kernels& kernels;
  bool supported;
};

// Narrowest first. The first runs on every CPU of its architecture.
const std::vector<Candidate>& candidates() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  static const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && has_f16c();
  static const std::vector<Candidate> list = {
      {baseline::kernels(), true},
      {avx2::kernels(), avx2},
      {avx512::kernels(), avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")}};
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
