"""The same tasks in two Pythons, of environments with different versions of a package, that take turns."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from os import PathLike
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from weightfill._arguments.messages import listed, shown
from weightfill.benchmark._comparison import Comparison, checked_allowed, compare_values
from weightfill.benchmark._in_turns import checked_pairs, last_lines

_AT_LEAST = 3  # rounds

# Runs in both Pythons, which may have any version of weightfill, or none: knows nothing but the standard library. Its
# answers leave by a copy of stdout; what the tasks print goes to stderr.
_WORKER = """
import json, os, runpy, sys, time
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
tasks = runpy.run_path(sys.argv[0]).get("tasks")
if not isinstance(tasks, dict) or not tasks or not all(callable(task) for task in tasks.values()):
    raise SystemExit("the script must set tasks, a dict of functions without arguments, got %.200r" % (tasks,))
print(json.dumps([str(name) for name in tasks]), file=answers, flush=True)
ordered = list(tasks.values())
for line in sys.stdin:
    task = ordered[int(line)]
    began = time.perf_counter()
    task()
    print(time.perf_counter() - began, file=answers, flush=True)
"""


def compare_pythons(
    old: str | PathLike[str],
    new: str | PathLike[str],
    script: str | PathLike[str],
    *,
    tasks: Sequence[str] | None = None,
    pairs: int = 5,
    seconds_a_task: float = 0.3,
    allowed: float = 0.1,
) -> dict[str, Comparison]:
    """Compare how long tasks take in two Pythons, which are both running and take turns call by call.

    So what is compared is milliseconds apart, and noise of the machine meets both. A pair is a new process of each
    Python; its values are the shortest times of many calls, as everything else on the machine only makes calls longer.
    Which of the two begins changes from pair to pair. Tasks of a few milliseconds suit a busy machine best.

    Args:
        old: the Python of an environment with the old version of what is compared.
        new: the Python of an environment with the new version.
        script: a file of Python code, run by both as `python script` would, that sets `tasks`: a dict of names and
            functions without arguments. Make the memory that they fill in the script, outside of the functions.
        tasks: the names to compare; by default all that both have.
        pairs: how many times both Pythons are started, at least 3.
        seconds_a_task: how long a task is compared in each pair, about; 3 calls are the least. A first is not counted.
        allowed: the fall that is not worth mentioning, in [0, 1).

    Both inherit the environment: what PYTHONPATH names would come before what is installed.

    >>> import sys, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "speed.py")
    ...     _ = file.write_text("tasks = {'sorting': lambda: sorted(range(10**5))}")
    ...     results = compare_pythons(sys.executable, sys.executable, file, pairs=3, seconds_a_task=0.01)
    >>> list(results)
    ['sorting']

    Returns:
        The comparison of each task, by its name.

    Raises:
        RuntimeError: the script failed in one of the two, or set no tasks.
        TypeError: `pairs` is not an integer, or `allowed` is not a number.
        ValueError: `pairs` is less than 3, `allowed` is not in [0, 1), or no script has one of `tasks`.
    """
    allowed, pairs = checked_allowed(allowed), checked_pairs(pairs)
    times: dict[str, tuple[list[float], list[float]]] = {}
    for pair in range(pairs):
        with ExitStack() as running:
            before, after = (running.enter_context(_worker(python, Path(script))) for python in (old, new))
            for name in _chosen(before.tasks, after.tasks, tasks):
                both = _shortest(before, after, name, seconds_a_task, new_first=pair % 2 == 1)
                for of_side, took in zip(times.setdefault(name, ([], [])), both, strict=True):
                    of_side.append(took)
    return {name: compare_values(*both, smaller_is_faster=True, allowed=allowed) for name, both in times.items()}


class _Worker:
    """A running Python that does its tasks when it is told to."""

    def __init__(self, process: subprocess.Popen[str], python: str | PathLike[str], errors: IO[str]) -> None:
        self._process = process
        self._python = python
        self._errors = errors
        self.tasks: list[str] = json.loads(self._answer())

    def seconds(self, task: str) -> float:
        """Do a task once; return how long it took."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended, as the missing answer says; Windows does not call it a broken pipe
            self._process.stdin.write(f"{self.tasks.index(task)}\n")
            self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return line
        code = self._process.wait()
        self._errors.seek(0)
        raise RuntimeError(
            f"script must run in {os.fspath(self._python)}, got exit code {code}:\n{last_lines(self._errors.read())}"
        )


@contextmanager
def _worker(python: str | PathLike[str], script: Path) -> Iterator[_Worker]:
    command = [os.fspath(python), "-c", _WORKER, str(script.absolute())]
    with TemporaryFile("w+", errors="replace") as errors:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        try:
            yield _Worker(process, python, errors)
        finally:
            process.kill()
            process.communicate()


def _chosen(old: Sequence[str], new: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Return the tasks that both sides have, and of these the wanted ones."""
    have = [name for name in old if name in new]
    if wanted is not None and (missing := [name for name in wanted if name not in have]):
        raise ValueError(f"tasks must be of those that both Pythons have, {listed(have)}, got {shown(missing[0])}")
    return have if wanted is None else list(wanted)


def _shortest(old: _Worker, new: _Worker, task: str, seconds: float, *, new_first: bool) -> tuple[float, float]:
    """Return the shortest times of a task on both sides, of calls in turns; a first call is not counted."""
    order = (new, old) if new_first else (old, new)
    for side in order:
        side.seconds(task)
    ends, rounds = time.perf_counter() + seconds, list[tuple[float, float]]()
    while len(rounds) < _AT_LEAST or time.perf_counter() < ends:
        first, second = order[0].seconds(task), order[1].seconds(task)
        rounds.append((second, first) if new_first else (first, second))
    olds, news = zip(*rounds, strict=True)
    return min(olds), min(news)
