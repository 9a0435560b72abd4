# Compiles with the Clang and the C libraries that the PyPI package ziglang carries, for other systems and older ones:
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/zig.cmake -DWEIGHTFILL_ZIG_TARGET=aarch64-macos ...
# A target names the CPU, the system and perhaps its C library: x86_64-linux-gnu.2.17 runs with glibc 2.17 and newer.
# Without an option of its own, zig compiles for what every CPU of the architecture has.
set(WEIGHTFILL_ZIG_TARGET "" CACHE STRING "What to compile for, as `zig c++ -target` names it")
if(NOT WEIGHTFILL_ZIG_TARGET MATCHES "^(x86_64|aarch64)-(linux|macos|windows)")
  message(FATAL_ERROR "WEIGHTFILL_ZIG_TARGET must be a CPU (x86_64, aarch64) and a system (linux, macos, windows), "
                      "got '${WEIGHTFILL_ZIG_TARGET}'; pass for example -DWEIGHTFILL_ZIG_TARGET=x86_64-linux-gnu.2.17")
endif()
set(cpu ${CMAKE_MATCH_1})
set(system_of_linux Linux)
set(system_of_macos Darwin)
set(system_of_windows Windows)
set(system ${system_of_${CMAKE_MATCH_2}})
if(NOT "${system} ${cpu}" STREQUAL "${CMAKE_HOST_SYSTEM_NAME} ${CMAKE_HOST_SYSTEM_PROCESSOR}")
  set(CMAKE_SYSTEM_NAME ${system})
  set(CMAKE_SYSTEM_PROCESSOR ${cpu})
endif()

find_program(WEIGHTFILL_ZIG zig REQUIRED)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WEIGHTFILL_ZIG_TARGET WEIGHTFILL_ZIG)

# CMake wants each tool to be one file. zig compiles its C++ library once for each set of options that it links with, for
# minutes: so CMake's trials are not linked, but for the very first, which has the -O3 that later options may replace.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(tools ${CMAKE_BINARY_DIR}/zig)
foreach(tool IN ITEMS "c++ -target ${WEIGHTFILL_ZIG_TARGET} -O3" "ar" "ranlib")
  string(REGEX MATCH "^[^ ]+" name ${tool})
  file(WRITE ${tools}/${name} "#!/bin/sh\nexec '${WEIGHTFILL_ZIG}' ${tool} \"$@\"\n")
  file(CHMOD ${tools}/${name} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endforeach()
set(CMAKE_CXX_COMPILER ${tools}/c++)
set(CMAKE_AR ${tools}/ar CACHE FILEPATH "")
set(CMAKE_RANLIB ${tools}/ranlib CACHE FILEPATH "")
