"""The figures of whole models, sparse and orthogonal weights and checkpoints, each with what this machine reaches."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np

import weightfill as wf
from benchmarks import gpt2
from benchmarks.cases import ALL_THREADS, SEED, STREAM
from benchmarks.ceiling import ceiling
from benchmarks.figure import BUDGET, Figure, at_least, run
from benchmarks.filling import checked_fill
from benchmarks.memory import Touched, available
from benchmarks.peers import installed
from benchmarks.timing import ratio, ratio_of_minima
from weightfill.benchmark import Task, seconds, take_turns

NORMAL = wf.Normal(std=0.02)
SIDE = 8192
IN_MEMORY = Path("/dev/shm")
# Prints the bytes by which writing a checkpoint raised the peak of the memory of its process.
WRITE = """
import sys
import weightfill as wf, weightfill._checkpoints.writing
from benchmarks import gpt2
plan = wf.Plan({"*": wf.Normal(std=0.02)}, seed=42)
plan.write(sys.argv[1] + "/small.safetensors", {"w": (8, 8)}, "bfloat16")
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
before = peak()
plan.write(sys.argv[1] + "/model.safetensors", gpt2.shapes(layers=int(sys.argv[2])), "bfloat16")
print((peak() - before) * 1024)
"""


class ModelFigures:
    """The measurements, in groups; models are as large as `size`, the bytes of a float32 table, allows."""

    def __init__(self, size: int) -> None:
        self._memory = Touched()
        most = min(size, available() // 2)
        fitting = (n for n in range(48, 1, -1) if 4 * gpt2.elements(gpt2.shapes(n)) <= most)
        self._layers = next(fitting, 1)

    def plan(self) -> Iterator[Figure]:
        """All parameters of a model against one table of as many elements; and many small ones."""
        shapes = gpt2.shapes(self._layers)
        table = self._memory(4 * gpt2.elements(shapes)).view(np.float32)
        params, place = {}, 0
        for name, shape in shapes.items():
            params[name] = table[place : place + math.prod(shape)].reshape(shape)
            place += math.prod(shape)
        plan = wf.Plan({"*": NORMAL}, seed=SEED)
        plan.fill(params)
        for name, out in params.items():
            assert wf.verify(out, NORMAL, seed=SEED, stream=name), name
        ours, theirs = take_turns(lambda: plan.fill(params), checked_fill(table, NORMAL), budget=BUDGET)
        name = f"Plan.fill, {len(shapes)} tensors of GPT-2 with {self._layers} layers, normal"
        yield at_least(name, 0.9, ours, theirs, "of one table's rate")

        count = 10_000
        small = {f"layers.{n // 4}.block.{n % 4}.weight": np.ones((32, 32), np.float32) for n in range(count)}
        rules = {"*.0.weight": wf.Zeros(), "*.3.weight": wf.Uniform(-0.05, 0.05), "*.weight": NORMAL}
        (times,) = take_turns(lambda: wf.Plan(rules, seed=SEED).fill(small), budget=BUDGET)
        best, middle, worst = (1e6 * t / count for t in (min(times), median(times), max(times)))
        name = f"a new plan, {count} tensors of 1,024, each"
        yield Figure(name, "<= 4 us", f"{middle:.2f} us", f"{best:.2f} us", f"up to {worst:.2f} us", middle <= 4)

    def sparse(self) -> Iterator[Figure]:
        """Dense and compressed matrices of few connections."""
        whole = self._memory(4 * SIDE * SIDE)
        out = whole.view(np.float32).reshape(SIDE, SIDE)
        init = wf.Sparse(connections=10)
        fill = partial(wf.fill, out, init, seed=SEED, stream=STREAM)
        fill()
        assert wf.verify(out, init, seed=SEED, stream=STREAM)
        ours, bare = take_turns(fill, ceiling(whole, ALL_THREADS), budget=BUDGET)
        yield at_least(f"Sparse(10), {SIDE} x {SIDE}, float32", 0.8, ours, bare)
        if installed("torch.nn.init"):
            tensor = import_module("torch").from_numpy(out)
            theirs = [seconds(lambda: import_module("torch.nn.init").sparse_(tensor, 1 - 10 / SIDE))]
            yield _times_faster("Sparse(10) / torch.nn.init.sparse_", 100, ours, theirs)
            columns = partial(wf.fill, out, wf.Sparse(10, axis=0), seed=SEED, stream=STREAM)
            (ours,) = take_turns(columns, budget=BUDGET)
            yield _times_faster("Sparse(10, axis=0) / torch.nn.init.sparse_", 100, ours, theirs)
        create = partial(wf.create_csr, (10**6, 10**6), init, seed=SEED)
        (times,) = take_turns(create, budget=BUDGET)
        best, middle, worst = min(times), median(times), max(times)
        name = "create_csr, 10^6 x 10^6, 10 connections"
        yield Figure(name, "<= 0.3 s", f"{middle:.3f} s", f"{best:.3f} s", f"up to {worst:.3f} s", middle <= 0.3)

    def orthogonal(self) -> Iterator[Figure]:
        """Square matrices, beside torch."""
        if not installed("torch.nn.init"):
            return
        out = self._memory(4 * 2048 * 2048).view(np.float32).reshape(2048, 2048)
        tensor = import_module("torch").from_numpy(np.empty_like(out))
        ours, theirs = take_turns(
            lambda: wf.fill(out, wf.Orthogonal(), seed=SEED, stream=STREAM),
            lambda: import_module("torch.nn.init").orthogonal_(tensor),
            budget=4 * BUDGET,
        )
        yield _times_faster("Orthogonal, 2048 x 2048 / torch.nn.init.orthogonal_", 1, ours, theirs)

    def checkpoint(self) -> Iterator[Figure]:
        """A model in bfloat16, into a file system in memory."""
        if not IN_MEMORY.is_dir():
            return
        shapes = gpt2.shapes(self._layers)
        size = 2 * gpt2.elements(shapes)
        bare = ceiling(self._memory(size // 64 * 64), ALL_THREADS)
        plan = wf.Plan({"*": NORMAL}, seed=SEED)
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
            path = f"{folder}/model.safetensors"
            write: Task = partial(plan.write, path, shapes, "bfloat16", replace=True)
            ours, bare_times = [], []
            for _ in range(4):
                bare_times.append(seconds(bare))
                ours.append(seconds(write))
                if len(ours) == 1:
                    assert wf.verify_checkpoint(path, plan)
                os.unlink(path)
            name = f"GPT-2 with {self._layers} layers, normal, bfloat16, to {IN_MEMORY}"
            yield at_least(name, 0.5, ours[1:], bare_times[1:])
            command = [sys.executable, "-c", WRITE, folder, str(self._layers)]
            grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        text = f"{grown / 2**20:.0f} MB"
        yield Figure(f"peak memory of writing these {size / 1e9:.1f} GB", "< 100 MB", text, "", "", grown < 100e6)


def _times_faster(name: str, wanted: float, ours: list[float], theirs: list[float]) -> Figure:
    reached, best = ratio(theirs, ours), ratio_of_minima(theirs, ours)
    text = f"{1e3 * median(ours):.1f} of {1e3 * median(theirs):.1f} ms"
    return Figure(name, f">= {wanted:g} times", f"{reached:.3g}", f"{best:.3g}", text, reached >= wanted)


if __name__ == "__main__":
    sys.exit(run("model_figures", __doc__, ModelFigures, ("plan", "sparse", "orthogonal", "checkpoint"), "8GB"))
