"""Sparse matrices of few to all connections, along both axes, beside a plain normal fill and beside torch."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from statistics import median

import numpy as np

import weightfill as wf
from benchmarks.cases import SEED, STREAM
from benchmarks.figure import Figure, run
from benchmarks.memory import Touched
from benchmarks.peers import installed
from benchmarks.timing import ratio, ratio_of_minima, spread
from weightfill.benchmark import take_turns

SHARES = (0.001, 0.002, 0.005, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.95, 0.999)  # of connections
SPARSITIES = (0.1, 0.5, 0.9, 0.99)
MOST = 3  # plain fills that a sparse one may take
TIMES = 30  # faster than torch


class SparseFigures:
    """The measurements, in groups, on a square matrix of `size` bytes of float32."""

    def __init__(self, size: int) -> None:
        side = max(math.isqrt(size // 4), 64)
        self._memory = Touched()(4 * side * side)
        self._out = self._memory.view(np.float32).reshape(side, side)

    def plain(self) -> Iterator[Figure]:
        """Each number of connections, along each axis, against Normal for all elements."""
        side = len(self._out)
        plain = partial(wf.fill, self._out, wf.Normal(std=0.01), seed=SEED, stream=STREAM)
        for axis in (-1, 0):
            for connections in sorted({max(round(share * side), 1) for share in SHARES}):
                init = wf.Sparse(connections, axis=axis)
                fill = partial(wf.fill, self._out, init, seed=SEED, stream=STREAM)
                fill()
                assert wf.verify(self._out, init, seed=SEED, stream=STREAM), init
                assert (np.count_nonzero(self._out, axis=axis) == connections).all(), init
                ours, theirs = take_turns(fill, plain, budget=0.5)
                reached, best, (low, high) = (f(ours, theirs) for f in (ratio, ratio_of_minima, spread))
                text = f"{low:.2f} to {high:.2f}; {1e3 * median(ours):.1f} of {1e3 * median(theirs):.1f} ms"
                name = f"Sparse({connections}, axis={axis}), {side} x {side}"
                wanted = f"<= {MOST} plain normal fills"
                yield Figure(name, wanted, f"{reached:.2f}", f"{best:.2f}", text, reached <= MOST)

    def torch(self) -> Iterator[Figure]:
        """`sparse_` of weightfill.torch against torch's, on a matrix that torch fills in less than a second."""
        if not installed("torch.nn.init"):
            return
        own, ours_module, torch = (import_module(name) for name in ("torch.nn.init", "weightfill.torch", "torch"))
        side = min(len(self._out), 2048)
        tensor = torch.from_numpy(self._out[:side, :side].copy())
        for sparsity in SPARSITIES:
            zeros = math.ceil(sparsity * side)
            ours_module.sparse_(tensor, sparsity)
            assert (np.count_nonzero(tensor.numpy() == 0, axis=0) == zeros).all(), sparsity
            theirs, ours = take_turns(
                partial(own.sparse_, tensor, sparsity), partial(ours_module.sparse_, tensor, sparsity), budget=1
            )
            text = f"{1e3 * median(ours):.2f} of {1e3 * median(theirs):.1f} ms"
            reached, best = ratio(theirs, ours), ratio_of_minima(theirs, ours)
            name = f"sparse_(t, {sparsity:g}), {side} x {side} / torch"
            yield Figure(name, f">= {TIMES} times", f"{reached:.3g}", f"{best:.3g}", text, reached >= TIMES)


if __name__ == "__main__":
    sys.exit(run("sparse_figures", __doc__, SparseFigures, ("plain", "torch"), "256MB"))
