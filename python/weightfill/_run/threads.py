"""How many threads a fill uses. It changes the speed and no value."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown

MAX_THREADS = 1024
SMALL = 2**18  # elements: a fill of fewer ends before other threads would have started
VARIABLE = "WEIGHTFILL_THREADS"
LIMITS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "LOKY_MAX_CPU_COUNT")  # of OpenMP, and of joblib

_chosen: int | None = None


def set_threads(n: int | None) -> None:
    """Set the number of threads for all later fills of this process; None restores the default.

    The first of these that applies decides:

    1. `threads=` of a call
    2. `set_threads`
    3. WEIGHTFILL_THREADS
    4. the smallest of OMP_NUM_THREADS, OMP_THREAD_LIMIT, LOKY_MAX_CPU_COUNT (joblib) and the number of CPUs that this
       process may use (its affinity and the quota of its cgroup, which may be fewer than the machine has); for torch
       tensors also `torch.get_num_threads()`

    Small fills stay on the calling thread.

    Args:
        n: the number of threads, from 1 to 1024, or None.

    >>> set_threads(2)
    >>> get_threads()
    2
    >>> set_threads(None)

    Raises:
        TypeError: `n` is not an integer.
        ValueError: `n` is not in [1, 1024].
    """
    global _chosen
    _chosen = None if n is None else checked_threads(n, "n")


def get_threads() -> int:
    """Return the number of threads that a large fill uses by default.

    Raises:
        ValueError: the environment variable WEIGHTFILL_THREADS is not an integer in [1, 1024].
    """
    chosen = _chosen  # read once: another thread may set it meanwhile
    if chosen is not None:
        return chosen
    text = os.environ.get(VARIABLE)
    if text:
        if not text.strip().isdecimal():
            raise ValueError(f"{VARIABLE} must be an integer in [1, {MAX_THREADS}], got {shown(text)}")
        return checked_threads(int(text), VARIABLE)
    return min([available_cpus(), MAX_THREADS, *filter(None, map(_limit, LIMITS))])


def _limit(variable: str) -> int | None:
    """Return the limit that a variable sets, of a list the first; None for what is no limit, as OpenMP takes it."""
    text = os.environ.get(variable, "").partition(",")[0].strip()
    return int(text) or None if text.isdecimal() and len(text) < 10 else None


def checked_threads(n: int, argument: str) -> int:
    """Return `n` as an int if it is a possible number of threads."""
    n = as_integer(n, argument, f"an integer in [1, {MAX_THREADS}]")
    if not 1 <= n <= MAX_THREADS:
        raise ValueError(f"{argument} must be in [1, {MAX_THREADS}], got {shown(n)}")
    return n


def threads_for(size: int, threads: int | None) -> int:
    """Return the number of threads of a fill of `size` elements, for the argument `threads` of its caller."""
    if threads is not None:
        return checked_threads(threads, "threads")
    return 1 if size < SMALL else get_threads()


def threads_within(limit: Callable[[], int], size: int, threads: int | None) -> int | None:
    """Return the argument `threads` of a fill of `size` elements where a limit is less than the default number.

    Args:
        limit: called only where it could matter; who chose a number of threads for weightfill meant that one.
        size: elements.
        threads: the argument of the caller.
    """
    if threads is not None or size < SMALL or _chosen is not None or os.environ.get(VARIABLE):
        return threads
    most = limit()
    return most if most < get_threads() else None


def available_cpus() -> int:
    """Return the number of CPUs that this process may use, at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(cpus, _cgroup_quota())))


@lru_cache(maxsize=1)
def _cgroup_quota() -> float:
    return cgroup_quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))


def cgroup_quota(membership: Path, root: Path) -> float:
    """Return the CPUs' worth of time that the cgroups of a process may use; `float("inf")` without a limit.

    Args:
        membership: the process's /proc/PID/cgroup.
        root: where the cgroup file systems are mounted; both version 1 and version 2 are understood.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return math.inf
    quota = math.inf
    for line in lines:
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0" and not controllers:
            mounts = [root, root / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [root / "cpu", root / controllers]
        else:
            continue
        group = Path(path.lstrip("/"))
        # A limit binds the groups below it. Inside a container the path may be the host's, and only the root exists.
        quota = min([quota, *(_quota_of(mount / part) for mount in mounts for part in (group, *group.parents))])
    return quota


def _quota_of(folder: Path) -> float:
    try:
        if (file := folder / "cpu.max").exists():
            quota, period = file.read_text().split()
        else:
            quota, period = ((folder / name).read_text() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf
