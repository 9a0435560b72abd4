"""Work in threads, and a signal that comes at any moment of it."""

import subprocess
import sys

# A signal at the n-th line, call or return of the thread that waits, for every n from the first start to a second tick.
SIGNAL_AT_EVERY_MOMENT = """
import faulthandler, itertools, signal, sys, time
from weightfill._files.blockwise import in_threads

class Told(BaseException):
    pass

def tell(number, frame):
    raise Told

def work(block, buffer):
    time.sleep(0.001)
    return 1

def signalled_at(moment):
    moments = itertools.count(1)
    def trace(frame, event, argument):
        if next(moments) == moment:
            sys.settrace(None)
            signal.raise_signal(signal.SIGUSR1)
        return trace
    sys.settrace(trace)
    try:
        in_threads(itertools.repeat(0), work, 2, lambda done: seen.append(done))
    except Told:
        return len(seen)
    finally:
        sys.settrace(None)

signal.signal(signal.SIGUSR1, tell)
for moment in itertools.count(1):
    faulthandler.dump_traceback_later(60, exit=True)
    seen = []
    if signalled_at(moment) == 2:
        break
print(moment)
"""


def test_a_signal_ends_the_work_at_any_moment():
    told = subprocess.run([sys.executable, "-c", SIGNAL_AT_EVERY_MOMENT], capture_output=True, text=True, check=False)
    assert told.stderr == ""
    assert int(told.stdout) > 100  # moments
