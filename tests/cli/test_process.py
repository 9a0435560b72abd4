"""The command in a process of its own: signals, terminals, little memory, and pipes that nobody reads."""

import contextlib
import os
import pty
import signal
import subprocess
import sys

import numpy as np
import pytest

import weightfill as wf
from tests.cli.command_line import command_line
from tests.cli.small_table import NORMAL
from tests.folders import names
from weightfill import _cli as cli

# The command, but its blocks never end: a signal arrives in their midst without waiting for a moment.
ENDLESS = """
import itertools, signal
from weightfill._checkpoints import written
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
blocks, write_block = written._blocks, written._write_block
first = itertools.count()
def told(*arguments):
    write_block(*arguments)
    if next(first) == 0:
        print("filling", flush=True)
written._blocks = lambda *arguments: itertools.cycle(blocks(*arguments))
written._write_block = told
"""


@pytest.mark.parametrize(
    ("number", "code", "left"), [(signal.SIGINT, 130, 0), (signal.SIGTERM, 143, 0), (signal.SIGKILL, -9, 1)]
)
def test_signal_leaves_no_file(tmp_path, number, code, left):
    path = tmp_path / "t.npy"
    arguments = ["table", "--rows", "1M", "--dim", "8", *NORMAL, "--out", str(path)]
    program = command_line(*arguments, before=ENDLESS)
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "filling\n"
        process.send_signal(number)
        assert process.stdout.read() == ""
        assert process.stderr.read().strip() == ("weightfill: interrupted" if number == signal.SIGINT else "")
    assert process.returncode == code
    assert len(names(tmp_path)) == left
    assert not path.exists()
    assert cli.run(arguments) == 0
    assert names(tmp_path) == ["t.npy"]


def test_bar_goes_to_a_terminal_only(tmp_path):
    arguments = ["table", "--rows", "1M", "--dim", "8", *NORMAL, "--out"]
    piped = subprocess.run(command_line(*arguments, tmp_path / "a.npy"), capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    ours, theirs = pty.openpty()
    program = command_line(*arguments, str(tmp_path / "b.npy"))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=theirs, env=environment) as shown:
        os.close(theirs)
        bar = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while piece := os.read(ours, 1 << 16):
                bar += piece
        out = shown.stdout.read()
    os.close(ours)
    assert shown.returncode == 0
    assert b"filling" in bar
    assert b"filling" not in out
    assert b"elements" in out


def test_table_larger_than_the_memory_allowed_is_written_and_verified(tmp_path):
    script = """
import resource, sys
from weightfill import _cli as cli
used = [int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmData:")][0]
resource.setrlimit(resource.RLIMIT_DATA, (used + (64 << 20),) * 2)
how = ["--init", "uniform", "--seed", "1", "--threads", "2"]
table = ["table", "--rows", "1M", "--dim", "100", *how, "--out", "t.npy"]
sys.exit(cli.run(table) or cli.run(["verify", "t.npy", *how]))
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "t.npy").stat().st_size == 400_000_128


def test_output_that_nobody_reads_is_not_a_difference(tmp_path):
    np.save(tmp_path / "t.npy", wf.create((1000, 8), wf.Normal(std=0.02), seed=42, stream="items"))
    reading, writing = os.pipe()
    os.close(reading)
    arguments = command_line("verify", "t.npy", *NORMAL)
    finished = subprocess.run(arguments, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (finished.returncode, finished.stderr) == (128 + signal.SIGPIPE, b"")
