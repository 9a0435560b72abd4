"""What commands promise on every system: `pytest -p tests.systems.windows tests/cli/test_cli_anywhere.py`."""

import errno
import os
import signal
import sys

import numpy as np
import pytest

import weightfill as wf
from tests.cli.small_model import MODEL
from tests.folders import names
from weightfill import _cli as cli
from weightfill._run.interruption import ENDING

TABLE = ["table", "--rows", "1000", "--dim", "8", "--out", "t.npy"]
HOW = ["--init", "normal", "--std", "0.02", "--seed", "42", "--stream", "items"]


class Unread:
    """A standard output whose reader is gone, as this system says it."""

    encoding = "utf-8"

    def __init__(self, file):
        self.fileno = file.fileno

    def write(self, text):
        if hasattr(signal, "SIGPIPE"):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def flush(self):
        pass


def test_table_is_written_replaced_verified_and_inspected(command, tmp_path):
    for more in ([], ["--force", "--direct", "--sync"]):
        assert command(*TABLE, *HOW, *more)[::2] == (0, "")
        assert command("verify", "t.npy", *HOW)[::2] == (0, "")
    assert command("inspect", "t.npy")[::2] == (0, "")
    values = wf.create((1000, 8), wf.Normal(std=0.02), seed=42, stream="items")
    np.testing.assert_array_equal(np.load(tmp_path / "t.npy"), values)
    assert names(tmp_path) == ["t.npy"]


def test_file_that_exists_is_kept_without_force(command, tmp_path):
    (tmp_path / "t.npy").write_bytes(b"old")
    code, out, err = command(*TABLE, *HOW)
    assert (code, out, err) == (2, "", "weightfill: t.npy exists; --force replaces a file\n")
    assert (tmp_path / "t.npy").read_bytes() == b"old"


def test_table_larger_than_the_disk_is_refused_at_once(command, tmp_path):
    code, out, err = command("table", "--rows", str(1 << 40), "--dim", "1024", "--out", "t.npy", *HOW)
    assert (code, out) == (2, "")
    assert err.startswith("weightfill: t.npy needs 4.5 PB, ")
    assert names(tmp_path) == []


@pytest.mark.usefixtures("small_model")
def test_model_is_written_replaced_and_verified(command):
    for more in ([], ["--force"], ["--force", "--shard-size", "5KB"]):
        assert command(*MODEL, *more)[::2] == (0, "")
    assert command("verify", "m.safetensors.index.json", "--plan", "plan.toml")[::2] == (0, "")


def test_output_that_nobody_reads_ends_the_command_with_no_word(command, tmp_path, monkeypatch, capsys):
    assert command(*TABLE, *HOW)[0] == 0
    with open(tmp_path / "output", "w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", Unread(file))
        assert cli.run(["verify", "t.npy", *HOW]) == 141
    assert capsys.readouterr().err == ""


def test_signals_that_end_a_command_are_those_of_the_system(monkeypatch):
    handled = {}

    def handle(number, handler):
        assert number in signal.valid_signals()
        handled[number] = handler

    monkeypatch.setattr(signal, "signal", handle)
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)  # nohup lets the tests ignore SIGHUP
    monkeypatch.setattr(cli, "run", lambda arguments: 0)
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, getattr(sys, stream))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert handled.keys() == {signal.SIGINT, *ENDING}
    assert signal.SIGTERM in ENDING
    with pytest.raises(SystemExit) as ended:
        handled[signal.SIGTERM](signal.SIGTERM, None)
    assert ended.value.code == 143
