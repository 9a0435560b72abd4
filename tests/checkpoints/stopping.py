"""Writers that are stopped before one of their calls: `python -m tests.checkpoints.stopping` forks one for each line.

A fork takes as long as its process is large: from one that holds NumPy and weightfill alone it takes 8 ms, from that of
the tests 60. A line of stdin is a JSON object of the arguments of `write`; a line of stdout is how the writer ended.
"""

import errno
import json
import os
import signal
import subprocess
import sys

import weightfill as wf
from tests.repository import ROOT

PUBLISHING = ("link", "replace", "rename", "fchmod")
STEPS = ("pwrite", "posix_fallocate", "unlink", "open", "close", *PUBLISHING)
NEW = wf.Plan({"*": wf.Normal()}, seed=42)
SHAPES = {"a": 10, "b": (2, 5), "c": 10, "d": 3}
FINISHED, STOPPED, BROKEN = 0, 1, 2  # exit codes of a writer


class Stopper:
    """Has processes write NEW, each stopped before its call number `step` that touches a file."""

    def __init__(self):
        program = [sys.executable, "-m", "tests.checkpoints.stopping"]
        self._process = subprocess.Popen(
            program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __call__(self, step, path, how, replace, stop="kill", calls=STEPS, times=1):
        """Whether the writer was stopped; False if it came to its end before."""
        how = {**how, "replace": replace}
        print(json.dumps([step, str(path), how, stop, calls, times]), file=self._process.stdin)
        ended = int(self._process.stdout.readline())
        assert ended in (FINISHED, STOPPED, -signal.SIGKILL)
        return ended != FINISHED

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait() == 0


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt():
    signal.raise_signal(signal.SIGINT)


def fail():
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def write(step, path, how, stop, calls, times):
    """Write NEW and leave this process; what `stop` names happens before `times` calls from number `step` on."""
    left = step

    def stopping(call):
        def wrapped(*arguments, **keywords):
            nonlocal left
            left -= 1
            if -times <= left < 0:
                {"kill": kill, "interrupt": interrupt, "fail": fail}[stop]()
            return call(*arguments, **keywords)

        return wrapped

    try:
        for name in calls:
            if hasattr(os, name):
                setattr(os, name, stopping(getattr(os, name)))
        NEW.write(path, SHAPES, threads=1, **how)
    except (KeyboardInterrupt, OSError):
        os._exit(STOPPED)
    except BaseException:
        os._exit(BROKEN)
    os._exit(FINISHED)


def main():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            write(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
