"""The command line itself: commands and their help, completion, and errors that every command has."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import weightfill as wf
from tests.cli.command_line import command_line
from tests.cli.small_table import NORMAL, SMALL


def test_missing_options_are_named_at_once_with_an_example(command):
    code, out, err = command("table", "--dim", "8")
    assert (code, out) == (2, "")
    assert err == (
        "weightfill: weightfill table needs --rows, --init and --out, as in: weightfill table --rows 10M --dim 128 "
        "--out table.npy --init truncated-normal --std 0.02 --seed 42 --stream item_table. "
        "Try 'weightfill table --help'\n"
    )
    for arguments in (["verify"], ["verify", "t.npy"], ["fill"], ["model", "plan.toml"], ["explain"], ["inspect"]):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert re.fullmatch(r"weightfill: [^\n]+\n", err)
    assert command("fill")[2] == "weightfill: no such command 'fill'. Try 'weightfill --help'\n"
    assert command("tabel")[2] == "weightfill: no such command 'tabel'. Did you mean 'table'? Try 'weightfill --help'\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [("--init ka", "kaiming-normal kaiming-uniform"), ("--dtype float1", "float16"), ("--se", "--seed")],
)
def test_shells_complete_options_and_names(words, expected):
    environment = {
        **os.environ,
        "_WEIGHTFILL_COMPLETE": "complete_bash",
        "COMP_WORDS": f"weightfill table {words}",
        "COMP_CWORD": str(1 + len(words.split())),
    }
    shown = subprocess.run(command_line(), env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == expected.split()


def test_file_errors_are_one_line_and_exit_with_2(command, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.npy").mkdir()
    for out, problem in (
        ("none/t.npy", "none/t.npy: No such file or directory"),
        ("file/t.npy", "file/t.npy: Not a directory"),
        ("folder.npy", "folder.npy: Is a directory"),
    ):
        assert command("table", *SMALL, *NORMAL, "--out", out) == (2, "", f"weightfill: {problem}\n")
    assert command("verify", "none.npy", *NORMAL) == (2, "", "weightfill: none.npy: No such file or directory\n")
    code, out, err = command("verify", "file", *NORMAL)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"weightfill: file must be a whole \.npy file, got file: [^\n]+\n", err)
    np.save("scalar.npy", 1.0)
    assert command("verify", "scalar.npy", *NORMAL)[0] == 2
    np.save("integers.npy", np.arange(3))
    assert command("verify", "integers.npy", *NORMAL)[0] == 2
    np.save("swapped.npy", np.ones(3, ">f4"))
    assert command("verify", "swapped.npy", *NORMAL)[0] == 2
    np.save("single.npy", np.ones((3, 2), np.float32))
    assert command("verify", "single.npy", *NORMAL, "--dtype", "float64")[0] == 2
    assert command("verify", "single.npy", *NORMAL, "--rows", "2")[0] == 2
    assert command("verify", "single.npy", *NORMAL, "--start-row", "-1")[0] == 2


def test_info_says_what_runs(command):
    code, out, err = command("info", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["version"] == wf.__version__
    assert report["stream_version"] == 1
    assert report["target_active"] in report["targets_supported"]
    assert set(report["targets_supported"]) <= set(report["targets_built"])
    assert report["threads"] == wf.get_threads()
    assert report["ceiling_gb_per_s"] > 0
    code, out, _ = command("info")
    assert code == 0
    assert len(out.splitlines()) == len(report)
    assert f"target active     {report['target_active']}\n" in out


def test_the_package_can_be_run():
    done = subprocess.run(
        [sys.executable, "-m", "weightfill", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"weightfill {wf.__version__}\n", "")


def test_version_and_help(command):
    for option in ("--version", "-V"):
        assert command(option) == (0, f"weightfill {wf.__version__}\n", "")
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        code, out, err = command(*arguments)
        assert (code, err) == (0, "")
        assert all(name in out for name in ("table", "verify", "info"))
    for arguments in (["table", "--help"], ["table", "-h"], ["help", "table"]):
        code, out, _ = command(*arguments)
        assert code == 0
        out = re.sub(r"\x1b\[[\d;]*m", "", out)  # typer colours its help wherever PY_COLORS is set, to 0 as well
        assert all(line in out for line in ("─ What ─", "─ Which values ─", "─ Output ─"))
        assert "bool" not in out
    assert all(word in out for word in ("--start-row", "weightfill table --rows 10M", "ml_dtypes.bfloat16"))
    usage = re.sub(r"\x1b\[[\d;]*m", "", command("inspect", "-h")[1])
    assert "Usage: weightfill inspect [OPTIONS] <file>" in usage
