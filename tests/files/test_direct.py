"""Files written past the page cache have the same bytes, also where the system cannot do that."""

import errno
import json
import os

import numpy as np
import pytest

import weightfill as wf
from tests.cli.small_model import MODEL
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._cli import run
from weightfill._files.direct import PAGE, opened_directly, placed, write_directly
from weightfill._plan import Plan

PLAN = Plan({"o.*": wf.Orthogonal(), "*": wf.Normal()}, seed=42)
SHAPES = {"a": (300, 701), "b": (100, 1001), "o.w": (70, 90), "c": (5, 1), "s": (), "z": (0, 3), "d": (1023,)}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float8_e5m2"])
@pytest.mark.parametrize("block", [4 << 20, 100_000])
def test_checkpoint_has_the_same_bytes(tmp_path, monkeypatch, dtype, block):
    monkeypatch.setattr("weightfill._files.blockwise._BLOCK_BYTES", block)
    for shard_bytes in (None, 500_000):
        cached = PLAN.write(tmp_path / "m.safetensors", SHAPES, dtype, shard_bytes=shard_bytes)
        before = [file.read_bytes() for file in cached]
        for threads in (1, 3):
            how = {"shard_bytes": shard_bytes, "direct": True, "replace": True, "threads": threads}
            direct = PLAN.write(tmp_path / "m.safetensors", SHAPES, dtype, **how)
            assert [file.read_bytes() for file in direct] == before
        for file in cached:
            file.unlink()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOENT, errno.EACCES])
def test_file_system_that_cannot_gets_the_same_bytes(tmp_path, monkeypatch, number):
    opened = os.open

    def refuse(path, flags, *mode):
        if flags & getattr(os, "O_DIRECT", 0):
            raise OSError(number, os.strerror(number))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    (file,) = PLAN.write(tmp_path / "m.safetensors", SHAPES, direct=True)
    assert verify_checkpoint(file, PLAN)


def test_disk_of_larger_blocks_gets_the_same_bytes(tmp_path, monkeypatch):
    written, refused = os.pwrite, []
    with open(tmp_path / "x", "w+b") as opened, opened_directly(opened.fileno()) as direct:

        def refuse(fd, content, offset):
            if fd == direct != opened.fileno():
                refused.append(offset)
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return written(fd, content, offset)

        monkeypatch.setattr(os, "pwrite", refuse)
        content = placed(np.empty(6 * PAGE, np.uint8), 4 * PAGE, 100)
        content[:] = np.arange(len(content)) % 251
        write_directly(opened.fileno(), direct, content, 100)
        opened.seek(100)
        assert opened.read() == content.tobytes()
        if direct != opened.fileno():
            assert refused == [PAGE]


def test_full_disk_is_still_an_error(tmp_path, monkeypatch):
    def fail(fd, content, offset):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open(tmp_path / "x", "w+b") as opened, opened_directly(opened.fileno()) as direct:
        monkeypatch.setattr(os, "pwrite", fail)
        with pytest.raises(OSError, match="No space left"):
            write_directly(opened.fileno(), direct, placed(np.zeros(6 * PAGE, np.uint8), 4 * PAGE, 0), 0)


@pytest.mark.usefixtures("small_model")
def test_command_has_an_option(command, tmp_path):
    contents = []
    for more in ([], ["--direct", "--force"]):
        assert command(*MODEL, *more)[0] == 0
        contents.append((tmp_path / MODEL[-1]).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("init", ["normal", "uniform", "orthogonal", "'Sparse(3, axis=0)'"])
@pytest.mark.parametrize("rows", [(0, 300), (7, 201)])
def test_table_has_the_same_bytes_and_summary_past_the_page_cache(tmp_path, monkeypatch, capsys, init, rows):
    monkeypatch.setattr("weightfill._files.blockwise._BLOCK_BYTES", 3 * PAGE)
    arguments = f"--rows 300 --dim 37 --start-row {rows[0]} --end-row {rows[1]} --seed 1 --stream w --json".split()
    found = []
    for more in ("--threads 1", "--threads 5", "--threads 1 --direct", "--threads 5 --direct"):
        out = tmp_path / f"{len(found)}.npy"
        assert run(["table", "--init", init.strip("'"), *arguments, *more.split(), "--out", str(out)]) == 0
        report = json.loads(capsys.readouterr().out)
        found.append([out.read_bytes(), *(report[name] for name in ("mean", "std", "min", "max"))])
        values = np.load(out)
        whole = wf.create((300, 37), init.strip("'"), seed=1, stream="w")
        assert (values == whole[slice(*rows)]).all()
    assert all(one == found[0] for one in found)
