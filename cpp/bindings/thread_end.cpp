// Compiled without exceptions: pthread_cleanup_push is then no object with a destructor, but a place to jump to before
// the frames above are unwound. What unwinds them is libgcc, which would call the C++ runtime of this module. A static
// one, as in wheels that zig builds, does not understand it and crashes.
#include "thread_end.hpp"

#if defined(_WIN32)  // there a thread ends without unwinding its stack

void weightfill::sleep_at_exit(void (*call)(void*), void* argument) { call(argument); }

#else
#include <pthread.h>
#include <unistd.h>

void weightfill::sleep_at_exit(void (*call)(void*), void* argument) {
  pthread_cleanup_push(
      [](void*) {
        for (;;) pause();
      },
      nullptr);
  call(argument);
  pthread_cleanup_pop(0);
}

#endif
