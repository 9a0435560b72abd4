"""Orthogonal matrices beside torch's: LAPACK's QR is the limit, not memory."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import weightfill as wf
from benchmarks.cases import ALL_THREADS, SEED, STREAM
from benchmarks.peers import installed
from weightfill._initializers.orthogonal import Orthogonal
from weightfill.benchmark import Task

SHAPES = {"square": (2048, 2048), "tall": (4096, 1024), "wide": (1024, 4096), "conv": (512, 256, 3, 3)}
TORCH = "torch.nn.init"
NAMES = ("weightfill", TORCH) if installed(TORCH) else ("weightfill",)


def task(name: str, shape: tuple[int, ...]) -> Task:
    """Return a task that fills memory which is there already, once its values are known to be orthonormal."""
    out = np.zeros(shape, np.float32)
    if name == TORCH:
        torch = import_module("torch")
        torch.set_num_threads(ALL_THREADS)
        fill = partial(torch.nn.init.orthogonal_, torch.from_numpy(out))
    else:
        fill = partial(wf.fill, out, Orthogonal(), seed=SEED, stream=STREAM)
    fill()
    matrix = out.reshape(len(out), -1)
    gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    assert np.abs(gram - np.eye(len(gram), dtype=np.float32)).max() < 1e-5
    return fill


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", SHAPES)
def test_orthogonal(kind: str, name: str, benchmark: Any) -> None:
    benchmark.group = f"orthogonal {kind} {SHAPES[kind]}"
    benchmark.pedantic(task(name, SHAPES[kind]), rounds=10, warmup_rounds=1)
