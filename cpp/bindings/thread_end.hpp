// Threads that end inside Python.
#pragma once

namespace weightfill {

// Calls into Python what may need the GIL. Where a daemon thread asks for it while the interpreter shuts down, CPython
// before 3.14 ends the thread by unwinding its stack, which aborts the process in a destructor and counts references
// without the GIL in others. Here the thread sleeps instead, as from 3.14 on, until the process has ended.
void sleep_at_exit(void (*call)(void*), void* argument);

template <class Call>
void sleep_at_exit(Call call) {
  sleep_at_exit([](void* c) { (*static_cast<Call*>(c))(); }, &call);
}

}  // namespace weightfill
