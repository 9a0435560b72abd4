"""GPT-2 XL in bfloat16, written to a file system in memory, beside what that file system takes: bytes that are ready.

`share_of_plain` in the extra information is the rate of the checkpoint over that of as many bytes of one value that is
not zero, written in turns.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import weightfill as wf
from benchmarks.cases import ALL_THREADS, SEED
from benchmarks.ceiling import ceiling
from benchmarks.conftest import Measure
from benchmarks.memory import Touched
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._files.hidden_files import reserved_file
from weightfill._plan import Plan
from weightfill.benchmark import seconds

IN_MEMORY = Path("/dev/shm")  # Linux's own file system in memory
BLOCK = 2 << 20
ROUNDS = 5


def gpt2(layers: int = 48, width: int = 1600, vocabulary: int = 50257, context: int = 1024) -> dict[str, Any]:
    """Return the shapes of GPT-2; those of XL are the default, 580 tensors."""
    shapes: dict[str, Any] = {"wte.weight": (vocabulary, width), "wpe.weight": (context, width)}
    block = {
        "ln_1.weight": width,
        "ln_1.bias": width,
        "attn.c_attn.weight": (width, 3 * width),
        "attn.c_attn.bias": 3 * width,
        "attn.c_proj.weight": (width, width),
        "attn.c_proj.bias": width,
        "ln_2.weight": width,
        "ln_2.bias": width,
        "mlp.c_fc.weight": (width, 4 * width),
        "mlp.c_fc.bias": 4 * width,
        "mlp.c_proj.weight": (4 * width, width),
        "mlp.c_proj.bias": width,
    }
    shapes |= {f"h.{layer}.{name}": shape for layer in range(layers) for name, shape in block.items()}
    return shapes | {"ln_f.weight": width, "ln_f.bias": width}


SHAPES = gpt2()
PLAN = Plan({"*": wf.Normal(std=0.02)}, seed=SEED)
ELEMENTS = sum(math.prod(shape) if isinstance(shape, tuple) else shape for shape in SHAPES.values())


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as name:
        yield Path(name)


def write_plain(path: Path, size: int) -> None:
    """Write as many bytes as the checkpoint has, from as many threads, into reserved space."""
    block = b"\xa5" * BLOCK
    with reserved_file(path, size) as fd, ThreadPoolExecutor(ALL_THREADS) as pool:
        list(pool.map(lambda start: os.pwrite(fd, block[: size - start], start), range(0, size, BLOCK)))


def test_checkpoint_in_memory(folder: Path, benchmark: Any, memory: Touched, measure: Measure) -> None:
    path, other = folder / "model.safetensors", folder / "plain"
    out = memory(2 * ELEMENTS).view(ml_dtypes.bfloat16)
    bare = ceiling(out.view(np.uint8), ALL_THREADS)
    PLAN.write(path, SHAPES, "bfloat16")
    assert verify_checkpoint(path, PLAN)
    ceilings: list[float] = []
    plain: list[float] = []

    def setup() -> None:
        path.unlink(missing_ok=True)
        plain.append(seconds(lambda: write_plain(other, out.nbytes)))
        other.unlink()
        ceilings.append(seconds(bare))

    benchmark.pedantic(lambda: PLAN.write(path, SHAPES, "bfloat16"), setup=setup, rounds=ROUNDS)
    if benchmark.disabled:
        return
    measure.record(out, ceilings, out.nbytes, law="checkpoint", threads=ALL_THREADS)
    benchmark.extra_info["plain_gb_per_s"] = out.nbytes / median(plain) / 1e9
    benchmark.extra_info["share_of_plain"] = median(plain) / benchmark.stats.stats.median


def test_plain_bytes_in_memory(folder: Path, benchmark: Any, memory: Touched, measure: Measure) -> None:
    path = folder / "plain"
    out = memory(2 * ELEMENTS).view(ml_dtypes.bfloat16)
    bare = ceiling(out.view(np.uint8), ALL_THREADS)
    ceilings: list[float] = []

    def setup() -> None:
        path.unlink(missing_ok=True)
        ceilings.append(seconds(bare))

    benchmark.pedantic(lambda: write_plain(path, out.nbytes), setup=setup, rounds=ROUNDS)
    if not benchmark.disabled:
        measure.record(out, ceilings, out.nbytes, law="plain", threads=ALL_THREADS)


PEAK = """
import sys
import safetensors
from benchmarks.test_checkpoint import PLAN, SHAPES
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
before = peak()
PLAN.write(sys.argv[1], SHAPES, "bfloat16")
print(peak() - before)
"""


def test_peak_memory_of_a_checkpoint(folder: Path, benchmark: Any) -> None:
    command = [sys.executable, "-c", PEAK, str(folder / "model.safetensors")]
    run = benchmark.pedantic(lambda: subprocess.run(command, capture_output=True, text=True, check=True), rounds=1)
    peak = int(run.stdout)
    benchmark.extra_info["peak_bytes_above_the_interpreter"] = peak
    assert peak < 100e6
