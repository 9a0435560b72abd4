"""Sparse tensors in blocks: files and windows that cut units, which are drawn once and take bounded memory."""

import json
import subprocess
import sys

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits
from weightfill import _core
from weightfill._files import blockwise
from weightfill._files.safetensors_file import open_checkpoint
from weightfill._initializers.sparse import drawn_once

CASES = [
    pytest.param(wf.Sparse(connections, axis=axis), shape, id=f"{connections} along {axis} of {shape}")
    for shape, axis in [((400, 300), 0), ((5, 70, 60), 1), ((3, 20_000), -1), ((300, 400), -1), ((70_000,), 0)]
    for connections in (1, shape[axis] // 2, shape[axis] - 1, shape[axis])
]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blockwise, "_BLOCK_BYTES", 8192)


@pytest.fixture
def slices_drawn(monkeypatch):
    """Slices drawn beforehand, in order."""
    counts, draw = [], _core.draw_slices

    def counting(**numbers):
        counts.append(numbers["slices"])
        return draw(**numbers)

    monkeypatch.setattr(_core, "draw_slices", counting)
    return counts


@pytest.mark.parametrize(("init", "shape"), CASES)
def test_a_checkpoint_has_the_values_of_the_whole_tensor(tmp_path, small_blocks, init, shape):
    plan = wf.Plan({"*": init}, seed=7)
    path = tmp_path / "m.safetensors"
    plan.write(path, {"w": shape, "v": shape}, threads=2)
    arrays = open_checkpoint(path)
    for name in ("w", "v"):
        assert_same_bits(np.array(arrays[name]), wf.create(shape, init, seed=7, stream=name))
    assert wf.verify_checkpoint(path, plan)
    other = wf.verify_checkpoint(path, wf.Plan({"*": init}, seed=8))
    assert not any(other.values())


def test_slices_that_blocks_cut_are_drawn_once_for_a_file(tmp_path, small_blocks, slices_drawn):
    plan = wf.Plan({"across": wf.Sparse(sparsity=0.5, axis=0), "long": wf.Sparse(), "*": wf.Sparse()}, seed=7)
    path = tmp_path / "m.safetensors"
    plan.write(path, {"across": (100, 300), "long": (3, 5000), "short": (300, 400), "small": (20, 30)}, threads=2)
    assert slices_drawn == [300, 3]
    assert wf.verify_checkpoint(path, plan)
    assert slices_drawn == [300, 3, 300, 3]


def test_only_what_blocks_cut_is_drawn_beforehand():
    how = {"seed": 1, "stream": "w", "block": 1000, "threads": 1}
    for init, shape in [
        (wf.Normal(), (100, 100)),
        (wf.Sparse(3, axis=0), (10, 10)),
        (wf.Sparse(3), (100, 1000)),
        (wf.Sparse(3, axis=0), (5000, 0)),
    ]:
        assert drawn_once(init, shape, **how) is init
    assert drawn_once(wf.Sparse(3, axis=0), (100, 1000), **how) != wf.Sparse(3, axis=0)


def test_a_window_of_a_long_unit_takes_a_bit_for_each_input():
    code = """
import json, resource, numpy as np, weightfill as wf
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
out = np.zeros((1, 2**16), np.float32)
wf.fill(out, wf.Sparse(sparsity=0.5), seed=1, threads=2)
before = peak()
wf.fill(out, wf.Sparse(sparsity=0.5), seed=1, shape=(1, 2**25), start=(0, 2**24), threads=2)
print(json.dumps([peak() - before, int(np.count_nonzero(out))]))
"""
    grown, kept = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert grown < 3 * 2**25 // 8  # lists took 8 bytes for each of 2**24 connections and more
    assert abs(kept - 2**15) < 5 * 2**7
