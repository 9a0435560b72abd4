// CHECK(condition, format, ...) prints one line a check, with what was measured; REPORT only prints.
// main returns failed_checks > 0.
#pragma once

#include <cstdio>

inline int failed_checks = 0;

#define REPORT(...) (std::printf("        "), std::printf(__VA_ARGS__), std::printf("\n"), std::fflush(stdout))

#define CHECK(condition, ...)                       \
  do {                                              \
    const bool passed = (condition);                \
    std::printf(passed ? "ok      " : "FAILED  ");  \
    std::printf(__VA_ARGS__);                       \
    if (!passed) std::printf("  [%s]", #condition); \
    std::printf("\n");                              \
    std::fflush(stdout);                            \
    failed_checks += !passed;                       \
  } while (false)
