"""What is no regular file is never read from: it might have no end, and never a beginning."""

import os
import re
import socket
import struct

import numpy as np
import pytest

import weightfill as wf
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._cli import run
from weightfill._files.npy import open_npy
from weightfill._files.safetensors_file import open_checkpoint
from weightfill._models.manifest import specs
from weightfill._plan import Plan

KINDS = ["fifo", "zeros", "link to zeros", "folder", "socket"]
PLAN = Plan({"*": wf.Ones()})


@pytest.fixture(params=KINDS)
def make(request, tmp_path, monkeypatch):
    """Makes something under a name that is no regular file."""
    monkeypatch.chdir(tmp_path)  # the address of a socket is short

    def make(name):
        if request.param == "fifo":
            os.mkfifo(name)
        elif request.param == "folder":
            os.mkdir(name)
        elif request.param == "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(name)
        else:
            zeros = "/dev/zero"
            os.symlink(zeros, "zeros")
            os.symlink("zeros" if request.param == "link to zeros" else zeros, name)
        return name

    return make


READERS = {
    "t.npy": [open_npy],
    "m.safetensors": [
        open_checkpoint,
        specs,
        lambda path: specs(None, like=path),
        lambda path: verify_checkpoint(path, PLAN),
    ],
    "m.safetensors.index.json": [open_checkpoint, specs, lambda path: verify_checkpoint(path, PLAN)],
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_regular_file_is_an_error_of_every_reader(make, name):
    make(name)
    for read in READERS[name]:
        with pytest.raises(
            ValueError, match=rf"^file must be a whole .*, got {re.escape(name)}: it is not a regular file$"
        ):
            read(name)


def test_shard_that_is_no_regular_file_is_an_error(make):
    *shards, index = PLAN.write("m.safetensors", {"a": 10, "b": 10}, shard_bytes=40)
    shards[0].unlink()
    make(str(shards[0]))
    with pytest.raises(ValueError, match=rf"got {shards[0]}: it is not a regular file$"):
        open_checkpoint(index)


COMMANDS = [
    ["inspect", "x.npy"],
    ["inspect", "x.safetensors.index.json"],
    ["verify", "x.npy", "--init", "zeros"],
    ["verify", "x.safetensors.index.json", "--plan", "plan.toml"],
    ["verify", "x.safetensors", "--plan", "x.toml"],
    ["model", "plan.toml", "--shapes", "x.json", "--out", "y.safetensors"],
    ["model", "plan.toml", "--shapes", "x.safetensors.index.json", "--out", "y.safetensors"],
    ["explain", "x.toml", "--shapes", "m.safetensors"],
]


def test_commands_end_with_one_line(make, tmp_path, capsys):
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "Zeros"\n')
    PLAN.write("x.safetensors", {"a": 10})
    PLAN.write("m.safetensors", {"a": 10})
    for name in ("x.npy", "x.safetensors.index.json", "x.toml", "x.json"):
        make(name)
        for arguments in COMMANDS:
            if name in arguments:
                code, (out, err) = run(arguments), capsys.readouterr()
                assert (code, out) == (2, "")
                assert re.fullmatch(rf"weightfill: .*{re.escape(name)}.* not a regular file\n", err)
        for made in (name, "zeros"):
            if os.path.lexists(made):
                os.rmdir(made) if os.path.isdir(made) else os.unlink(made)


@pytest.mark.parametrize("of", ["m.safetensors", "m.safetensors.index.json"])
@pytest.mark.parametrize("digit", ["0", "a"])
def test_what_has_a_hidden_name_by_chance_is_left_alone(make, of, digit):
    hidden = f".{of}.{digit * 16}.weightfill"
    make(hidden)
    if (of, digit) == ("m.safetensors", "0"):  # the lock of the name
        with pytest.raises(OSError, match=re.escape("m.safetensors")):
            PLAN.write("m.safetensors", {"a": 10, "b": 10}, shard_bytes=40, replace=True)
    else:
        for how in ({"shard_bytes": 40}, {}):
            PLAN.write("m.safetensors", {"a": 10, "b": 10}, replace=True, **how)
    assert os.path.lexists(hidden)


def test_index_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("weightfill._files.safetensors_file.MAX_INDEX_BYTES", 100)
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(" " * 101)
    with pytest.raises(ValueError, match=r"^file must be a whole index .*: it has more than 100 bytes$"):
        open_checkpoint(path)


def test_header_of_a_table_has_a_bound(tmp_path):
    path = tmp_path / "t.npy"
    with path.open("wb") as opened:
        opened.write(np.lib.format.magic(2, 0) + struct.pack("<I", 2**32 - 1))
        opened.truncate(2**33)
    with pytest.raises(
        ValueError, match=r"^file must be a whole \.npy file, got .*: it has a header of 4,294,967,295 bytes$"
    ):
        open_npy(path)
