"""Arrays in files are read in blocks, and a file that is cut meanwhile is an error that names it."""

import itertools
import os
import re

import numpy as np
import pytest

import weightfill as wf
from weightfill._checkpoints.compared import verify_stored
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._cli import run
from weightfill._files.npy import stored_npy
from weightfill._files.stored import OpenFile
from weightfill._initializers.orthogonal import Orthogonal
from weightfill._plan import Plan

NORMAL = wf.Normal(std=0.02)
SHAPE = (60, 7, 11)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr("weightfill._files.blockwise._BLOCK_BYTES", 1000)


@pytest.fixture
def cutting(monkeypatch):
    """Has a file cut in half before something is read from it the second time."""

    def cut(path):
        read, calls = OpenFile.read, itertools.count(1)

        def reading(self, buffer, offset):
            if next(calls) == 2:
                os.truncate(path, os.path.getsize(path) // 2)
            read(self, buffer, offset)

        monkeypatch.setattr(OpenFile, "read", reading)

    return cut


def message(path, size):
    return f"file must stay whole while it is read, got {path}, cut to {size:,} bytes"


@pytest.mark.parametrize("threads", [1, 2])
def test_checkpoint_that_is_cut_while_it_is_verified_is_an_error(tmp_path, cutting, threads):
    plan = Plan({"*": NORMAL}, seed=42)
    *_, path, _ = plan.write(tmp_path / "m.safetensors", {"a": 10, "b": SHAPE}, shard_bytes=100)
    cutting(path)
    with pytest.raises(ValueError, match=f"^{re.escape(message(path, path.stat().st_size // 2))}$"):
        verify_checkpoint(tmp_path / "m.safetensors.index.json", plan, threads=threads)


def test_checkpoint_that_is_cut_before_a_tensor_made_as_a_whole_is_an_error(tmp_path, cutting):
    plan = Plan({"*": Orthogonal()}, seed=42)
    (path,) = plan.write(tmp_path / "m.safetensors", {"a": (10, 10), "b": (40, 50)})
    cutting(path)
    with pytest.raises(ValueError, match="^file must stay whole while it is read, got "):
        verify_checkpoint(path, plan)


@pytest.mark.parametrize(
    "arguments", [["verify", "--init", "normal", "--std", "0.02", "--seed", "42"], ["inspect"]], ids=str
)
def test_table_that_is_cut_while_it_is_read_is_an_error_of_one_line(tmp_path, monkeypatch, cutting, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    np.save("t.npy", wf.create(SHAPE, NORMAL, seed=42))
    cutting("t.npy")
    assert run([arguments[0], "t.npy", *arguments[1:]]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"weightfill: {message('t.npy', os.path.getsize('t.npy'))}\n")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("threads", [1, 3])
def test_stored_table_is_verified_as_an_array_is(tmp_path, order, dtype, threads):
    tensor = wf.Tensor((100, *SHAPE[1:]), NORMAL, seed=42, stream="t", dtype=dtype)
    how = {"start": (30, 0, 0), "threads": threads}
    values = tensor.fill(np.empty(SHAPE, dtype, order=order), **how)
    for places in ((), ((0, 0, 0),), ((59, 6, 10),), ((7, 6, 1), (9, 0, 3), (7, 5, 2))):
        changed = values.copy(order)
        for place in places:
            changed[place] = 3
        np.save(tmp_path / "t.npy", changed)
        stored = stored_npy(tmp_path / "t.npy")
        assert stored.fortran == (order == "F")
        assert verify_stored(stored, tensor, **how) == tensor.verify(changed, **how)
        np.testing.assert_array_equal(stored.whole(), changed)
        blocks = np.concatenate([block.copy() for block in stored.blocks()])
        np.testing.assert_array_equal(blocks, changed.reshape(-1, order=order))


def test_table_that_is_replaced_while_it_is_read_stays_the_old_one(tmp_path):
    path = tmp_path / "t.npy"
    np.save(path, wf.create(SHAPE, NORMAL, seed=42))
    stored = stored_npy(path)
    np.save(tmp_path / "other.npy", np.zeros(3))
    os.replace(tmp_path / "other.npy", path)
    assert verify_stored(stored, wf.Tensor(SHAPE, NORMAL, seed=42))
