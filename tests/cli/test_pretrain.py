"""`weightfill pretrain`, called in this process and, where scikit-learn is missing, in another one."""

import json
import re
import signal
import subprocess
import threading

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.datasets import load_digits

from tests.cli.command_line import command_line
from weightfill import signals

DIGITS = load_digits().data / 16
ON_DIGITS = ["pretrain", "--digits", "--layers", "64,8x2", "--seed", "42", "--out", "s.safetensors", "--epochs", "1"]
ON_FILE = ["pretrain", "d.npy", "--layers", "64,8", "--seed", "42", "--out", "s.safetensors", "--epochs", "1"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("d.npy", DIGITS[:100])
    return lambda: sorted(path.name for path in tmp_path.iterdir())


def test_the_checkpoint_holds_what_the_function_gives(command):
    code, out, err = command(*ON_DIGITS, "--rate", "0.1", "--batch", "50")
    expected = signals.pretrain((64, 8, 8), DIGITS, seed=42, epochs=1, rate=0.1, batch=50)
    assert (code, err) == (0, "")
    *table, last = out.splitlines()
    assert table == str(expected).splitlines()
    assert last.startswith("s.safetensors: 4 tensors, ")
    found = load_file("s.safetensors")
    assert found.keys() == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_json_has_the_history(command, files):
    code, out, err = command(*ON_FILE, "--json")
    expected = signals.pretrain((64, 8), DIGITS[:100], seed=42, epochs=1)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report.pop("file") == "s.safetensors"
    assert report.pop("seconds") > 0
    assert report == json.loads(expected.to_json())


def test_an_existing_file_is_replaced_only_if_forced(command, files):
    (size,) = {command(*ON_FILE, "--force")[0] for _ in range(2)}
    assert size == 0
    assert command(*ON_FILE) == (2, "", "weightfill: s.safetensors exists; --force replaces a file\n")
    assert files() == ["d.npy", "s.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "64,0"], "--layers must be at least 1, got '64,0'; a layer without units passes nothing on"),
        (
            ["--layers", "63,5"],
            "data must have the shape (samples, 63), as the layers begin with 63 units, got (100, 64)",
        ),
        (
            ["--seed", "x"],
            "--seed must be a whole number from 0 to 2^64 - 1, got 'x'. Try 'weightfill pretrain --help'",
        ),
        (["--epochs", "-1"], "--epochs must be at least 0, got -1"),
        (["--rate", "0"], "--rate must be above 0 and finite, got 0.0"),
        (["--rate", "1e300"], "--rate must be smaller, got 1e+300: the weights of layer '0' are infinite"),
        (["--batch", "1"], "--batch must be at least 2, got 1"),
        (["--batch", "1K"], "--batch must be at most the number of samples, 100, got 1000"),
        (["--out", "s.npy"], "--out must end in .safetensors, got 's.npy'"),
        (["--digits"], "pretrain must be given a file or --digits, got both"),
    ],
)
def test_a_wrong_option_is_named(command, files, arguments, message):
    assert command(*ON_FILE, *arguments) == (2, "", f"weightfill: {message}\n")
    assert files() == ["d.npy"]


def test_wrong_data_are_named(command, files):
    given = [argument for argument in ON_FILE if argument != "d.npy"]
    assert command(*given)[2] == "weightfill: pretrain must be given a file or --digits, got neither\n"
    assert command(*given, "no.npy")[2] == "weightfill: no.npy: No such file or directory\n"
    np.save("grey.npy", 16 * DIGITS)
    assert command(*given, "grey.npy")[2] == (
        "weightfill: data must be in [0, 1], got values from 0 to 16, as the visible units are binary; "
        "pass (data - data.min()) / (data.max() - data.min())\n"
    )
    np.save("cube.npy", DIGITS.reshape(-1, 8, 8))
    assert command(*given, "cube.npy")[2] == (
        "weightfill: data must have 2 dimensions, samples and units, got the shape (1797, 8, 8); "
        "pass data.reshape(len(data), -1)\n"
    )


def test_ctrl_c_leaves_no_file(command, files):
    threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
    assert command(*ON_FILE, "--epochs", "1G") == (130, "", "weightfill: interrupted\n")
    assert files() == ["d.npy"]


def test_all_missing_options_are_named_at_once(command):
    assert command("pretrain", "--digits")[2] == (
        "weightfill: weightfill pretrain needs --layers, --seed and --out, as in: weightfill pretrain --digits "
        "--layers 64,100x2 --seed 42 --out stack.safetensors. Try 'weightfill pretrain --help'\n"
    )


def test_without_scikit_learn_the_way_out_is_said(files):
    program = command_line(*ON_DIGITS, before="import sys; sys.modules['sklearn'] = None")
    found = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == "weightfill: pretrain needs scikit-learn: pip install 'weightfill[signals]'\n"


def test_the_help_shows_that_a_file_may_be_left_out(command):
    shown = re.sub(r"\x1b\[[\d;]*m", "", command("pretrain", "--help")[1])  # typer colours it where PY_COLORS is set
    assert "Usage: weightfill pretrain [OPTIONS] [<file.npy>]" in shown
