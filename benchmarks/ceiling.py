"""The ceiling of tasks that take turns, of fresh memory, and fills with an instruction set of their own."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy.typing as npt

from benchmarks.memory import Bytes, fresh
from weightfill._run.isa import forced
from weightfill.benchmark import Task, seconds, write_at_ceiling


def ceiling(out: Bytes, threads: int) -> Task:
    """Return a task that writes `out` as fast as the machine can."""
    return partial(write_at_ceiling, out, threads=threads)


def first_touch(size: int, threads: int) -> float:
    """Return the seconds of the same in fresh huge pages: each page is allocated by the first store into it."""
    out = fresh(size)
    return seconds(ceiling(out, threads))


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
