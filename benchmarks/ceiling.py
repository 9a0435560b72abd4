"""The ceiling: streaming stores into the same memory, by the same number of threads, with the widest instructions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from benchmarks.memory import Bytes, fresh
from benchmarks.timing import Task, seconds
from weightfill import _core

SMALLEST = 2**24  # bytes; what is smaller stays in the caches, which streaming stores pass by
FOR_SMALL = 2**28  # the bytes whose ceiling stands beside what is smaller


def ceiling(out: Bytes, threads: int) -> Task:
    """Return a task that writes `out`, which starts at a cache line, as fast as the machine can."""
    widest = _core.supported_isas()[-1]

    def task() -> None:
        with forced(widest):
            _core.streaming_ceiling(out, threads)

    return task


def first_touch(size: int, threads: int) -> float:
    """Return the seconds of the same in fresh huge pages: each page is allocated by the first store into it."""
    out = fresh(size)
    return seconds(ceiling(out, threads))


@contextmanager
def forced(isa: str) -> Iterator[None]:
    """Make `isa` the active one for a while."""
    before = _core.active_isa()
    _core.set_active_isa(isa)
    try:
        yield
    finally:
        _core.set_active_isa(before)


def fill_with(isa: str | None, fill: Task) -> Task:
    """Return a task that fills with this instruction set active; None leaves the active one."""
    if isa is None:
        return fill

    def task() -> None:
        with forced(isa):
            fill()

    return task


def rate(out: npt.NDArray[Any], seconds: float) -> float:
    """Return GB/s, GB of 10^9 bytes."""
    return out.nbytes / seconds / 1e9
