"""The tasks that the check of speed compares, for `weightfill.benchmark.compare_pythons`.

Run by the Python of a release and by that of a checkout, so it uses only what both have: the public names.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

import weightfill as wf

NORMAL = wf.Normal(std=0.02)
BYTES = 2**23  # streamed past the caches; one thread fills them in less time than a busy system gives a process at once

memory = np.ones(2 * BYTES, np.uint8)
floats = memory[:BYTES].view(np.float32)
few = floats[:1024]
ids = np.random.default_rng(1).integers(0, 10**9, floats.size // 64)


def fill(out: npt.NDArray[Any], init: wf.Initializer = NORMAL, threads: int | None = 1) -> Callable[[], object]:
    """Return a task that fills; by one thread, as several are seldom all left alone on a busy machine."""
    return partial(wf.fill, out, init, seed=42, stream="item_table", threads=threads)


def fill_rows() -> None:
    """Fill the rows of a table by their ids."""
    out = floats.reshape(-1, 64)
    wf.fill_rows(out, NORMAL, ids, seed=42, stream="item_table", shape=(None, 64), threads=1)


def small_calls() -> None:
    """Fill little memory many times."""
    for _ in range(500):
        wf.fill(few, NORMAL, seed=42, stream="item_table")


tasks = {
    "constant float32": fill(floats, wf.Constant(0.02)),
    "uniform float32": fill(floats, wf.Uniform(-0.05, 0.05)),
    "normal float32": fill(floats),
    "truncated normal float32": fill(floats, wf.TruncatedNormal(std=0.02)),
    "Laplace float32": fill(floats, wf.Laplace(scale=0.02)),
    "normal float64": fill(floats.view(np.float64)),
    "normal bfloat16": fill(memory[: BYTES // 2].view(ml_dtypes.bfloat16)),
    "uniform float16": fill(memory[: BYTES // 2].view(np.float16), wf.Uniform(-0.05, 0.05)),
    "normal float32, transposed": fill(floats[: 2**18].reshape(-1, 512).T),
    "normal float32, rows by ids": fill_rows,
    "sparse float32": fill(floats.reshape(-1, 1024), wf.Sparse(16)),
    "normal float32, all threads": fill(memory.view(np.float32), threads=None),
    "500 calls on 1024 elements": small_calls,
}
