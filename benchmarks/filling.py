"""Fills whose values are right: every one is verified before it is timed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import weightfill as wf
from benchmarks import reference
from benchmarks.cases import SEED, STREAM
from benchmarks.ceiling import fill_with
from weightfill.benchmark import Task

SAMPLES = 256  # elements recomputed without the core


def checked_fill(
    out: npt.NDArray[Any], init: wf.Initializer, threads: int | None = None, isa: str | None = None
) -> Task:
    """Return a task that fills `out`, once its result is known to be right.

    Every bit is compared by `verify` with the active instruction set; elements at both ends, also without the core.

    Raises:
        AssertionError: a value is wrong.
    """

    def fill() -> None:
        wf.fill(out, init, seed=SEED, stream=STREAM, threads=threads)

    task = fill_with(isa, fill)
    task()
    result = wf.verify(out, init, seed=SEED, stream=STREAM)
    assert result, f"{init}, {out.dtype}: {result}"
    part = min(SAMPLES // 2, out.size)
    for begin in (0, out.size - part):
        indices = np.arange(begin, begin + part)
        reference.check(out.flat[begin : begin + part], init, SEED, STREAM, indices)
    return task


def checked_fill_rows(out: npt.NDArray[Any], init: wf.Initializer, ids: npt.NDArray[np.int64]) -> Task:
    """Return a task that fills the rows of a table with an open first dimension, once they are known to be right.

    Raises:
        AssertionError: a value is wrong.
    """
    dim = out.shape[1]

    def task() -> None:
        wf.fill_rows(out, init, ids, seed=SEED, stream=STREAM, shape=(None, dim))

    task()
    rows, columns = np.linspace(0, len(ids) - 1, SAMPLES).astype(np.int64), np.arange(SAMPLES) % dim
    reference.check(out[rows, columns], init, SEED, STREAM, ids[rows] * dim + columns)
    return task
