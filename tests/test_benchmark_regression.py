"""The command that compares two versions by saved benchmark runs, on runs made up here."""

import importlib
import json
import random
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT


@pytest.fixture
def save(tmp_path):
    """Writes a run with these shares of the ceiling, by case, as pytest-benchmark saves it; returns its path."""

    def write(name, shares):
        benchmarks = [
            {"name": case, "fullname": f"test_fill.py::{case}", "extra_info": {"share_of_ceiling": share}, "stats": {}}
            for case, share in shares.items()
        ]
        path = tmp_path / name
        path.write_text(json.dumps({"machine_info": {}, "benchmarks": benchmarks}))
        return path

    return write


@pytest.fixture
def benchmark_command(capsys, monkeypatch):
    """Runs the command, or another one of the benchmarks; returns exit code, stdout and stderr."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # within which pytest-benchmark measures nothing

    def run(*arguments, name="regression"):
        try:
            code = importlib.import_module(f"benchmarks.{name}").main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
        return code, *capsys.readouterr()

    return run


def test_equal_runs_pass(save, benchmark_command):
    old, new = save("old.json", {"a": 0.9, "b": 0.6}), save("new.json", {"a": 0.9, "b": 0.6})
    code, out, err = benchmark_command(old, new)
    assert (code, err) == (0, "")
    assert "0 of 2 cases fell by more than 10%" in out


def test_fall_beyond_ten_percent_fails_and_is_marked(save, benchmark_command):
    old, new = save("old.json", {"a": 0.9, "b": 0.6}), save("new.json", {"a": 0.9, "b": 0.53})
    code, out, _ = benchmark_command(old, new)
    assert code == 1
    lines = out.splitlines()
    assert lines[1].split() == ["test_fill.py::b", "0.600", "0.530", "-11.7%", "-11.7%", "to", "-11.7%", "FELL"]
    assert lines[2].split() == ["test_fill.py::a", "0.900", "0.900", "+0.0%", "+0.0%", "to", "+0.0%", "holds"]
    assert lines[-1] == "1 of 2 cases fell by more than 10%, 0 are too noisy to say"


def test_fall_within_ten_percent_passes(save, benchmark_command):
    assert benchmark_command(save("old.json", {"a": 0.8}), save("new.json", {"a": 0.73}))[0] == 0


def test_rise_passes(save, benchmark_command):
    code, out, _ = benchmark_command(save("old.json", {"a": 0.4}), save("new.json", {"a": 0.8}))
    assert code == 0
    assert "+100.0%" in out


@pytest.mark.parametrize(("allowed", "code"), [("5", 1), ("20", 0)])
def test_allowed_fall_can_be_chosen(save, benchmark_command, allowed, code):
    assert benchmark_command(save("old.json", {"a": 0.8}), save("new.json", {"a": 0.72}), "--allow", allowed)[0] == code


def test_shares_of_shortest_times_can_be_compared(tmp_path, benchmark_command):
    paths = []
    for name, minima in (("old.json", 0.9), ("new.json", 0.5)):
        info = {"share_of_ceiling": 0.4, "share_of_ceiling_minima": minima}
        paths.append(tmp_path / name)
        paths[-1].write_text(json.dumps({"benchmarks": [{"fullname": "a", "extra_info": info}]}))
    assert benchmark_command(*paths)[0] == 0
    assert benchmark_command(*paths, "--of", "minima")[0] == 1


def test_cases_of_only_one_run_are_named_and_do_not_fail(save, benchmark_command):
    old, new = save("old.json", {"a": 0.9, "gone": 0.5}), save("new.json", {"a": 0.9, "added": 0.1})
    code, out, _ = benchmark_command(old, new)
    assert code == 0
    assert "only in OLD: test_fill.py::gone" in out
    assert "only in NEW: test_fill.py::added" in out
    assert "0 of 1 cases" in out


def test_cases_without_a_share_are_left_out(save, benchmark_command):
    old, new = save("old.json", {"a": 0.9, "call": None}), save("new.json", {"a": 0.9, "call": None})
    code, out, _ = benchmark_command(old, new)
    assert code == 0
    assert "call" not in out


def test_missing_file_cannot_be_compared(save, benchmark_command, tmp_path):
    code, out, err = benchmark_command(tmp_path / "nowhere.json", save("new.json", {"a": 0.9}))
    assert (code, out) == (2, "")
    assert "nowhere.json must be a saved run" in err


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"benchmarks": {}}', '{"benchmarks": [1]}', b"\xff\xfe"])
def test_other_files_cannot_be_compared(save, benchmark_command, tmp_path, text):
    path = tmp_path / "old.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, _, err = benchmark_command(path, save("new.json", {"a": 0.9}))
    assert code == 2
    assert err.startswith(f"error: {path} must ")


@pytest.mark.parametrize("share", [0, -0.5, float("nan"), float("inf"), "0.5", True])
def test_shares_must_be_positive_numbers(save, benchmark_command, share):
    code, _, err = benchmark_command(save("old.json", {"a": share}), save("new.json", {"a": 0.9}))
    assert code == 2
    assert "share_of_ceiling of test_fill.py::a in" in err
    assert f"must be a positive number, got {share!r}" in err


def test_run_without_shares_cannot_be_compared(save, benchmark_command):
    code, _, err = benchmark_command(save("old.json", {"a": None}), save("new.json", {"a": 0.9}))
    assert code == 2
    assert "must have cases with 'share_of_ceiling' in their extra_info, got none" in err


def test_runs_without_common_cases_cannot_be_compared(save, benchmark_command):
    code, _, err = benchmark_command(save("old.json", {"a": 0.9}), save("new.json", {"b": 0.9}))
    assert code == 2
    assert "OLD and NEW must have cases in common, got none" in err


def test_one_pair_is_judged_by_the_quartiles_of_its_rounds(tmp_path, benchmark_command):
    def saved(name, share, rounds):
        path = tmp_path / name
        info = {"share_of_ceiling": share, "shares_of_rounds": rounds}
        path.write_text(json.dumps({"benchmarks": [{"fullname": "a", "extra_info": info}]}))
        return path

    steady = saved("steady.json", 0.6, [0.59, 0.6, 0.6, 0.6, 0.61])
    fallen = saved("fallen.json", 0.4, [0.39, 0.4, 0.4, 0.4, 0.41])
    noisy = saved("noisy.json", 0.4, [0.2, 0.3, 0.4, 0.7, 0.8])
    assert benchmark_command(steady, steady)[0] == 0
    assert benchmark_command(steady, fallen)[0] == 1
    code, out, _ = benchmark_command(steady, noisy)
    assert code == 3
    assert "too noisy to say" in out
    assert "0 of 1 cases fell by more than 10%, 1 are too noisy to say" in out
    assert "python -m benchmarks.pairs with more --repeats" in out


@pytest.fixture
def save_pairs(save, tmp_path):
    """Saves runs of both sides, five pairs of ten cases: shares of 0.6 times drift, noise and the change."""

    def write(noise, change):
        source = random.Random(1)
        for side, factor in (("old", 1.0), ("new", change)):
            (tmp_path / side).mkdir(exist_ok=True)
            for pair in range(5):
                drift = 1 - 0.1 * pair  # the same for both runs of a pair
                shares = {f"case {n}": 0.6 * drift * factor * source.gauss(1, noise) for n in range(10)}
                save(f"{side}/{pair}.json", shares)
        return tmp_path / "old", tmp_path / "new"

    return write


def test_the_same_version_in_noise_is_never_said_to_have_fallen(save_pairs, benchmark_command):
    code, out, _ = benchmark_command(*save_pairs(noise=0.15, change=1.0))
    assert code == 3
    assert "0 of 10 cases fell" in out


def test_pairs_take_the_drift_of_the_machine_out(save_pairs, benchmark_command):
    assert benchmark_command(*save_pairs(noise=0.01, change=1.0))[0] == 0
    code, out, _ = benchmark_command(*save_pairs(noise=0.01, change=0.8))
    assert code == 1
    assert "10 of 10 cases fell" in out


def test_sides_must_have_as_many_runs(save_pairs, benchmark_command):
    old, new = save_pairs(noise=0.01, change=1.0)
    (new / "4.json").unlink()
    code, _, err = benchmark_command(old, new)
    assert code == 2
    assert "OLD and NEW must have as many runs, a pair each, got 5 and 4" in err


def test_folder_without_runs_cannot_be_compared(benchmark_command, tmp_path):
    code, _, err = benchmark_command(tmp_path, tmp_path)
    assert code == 2
    assert "got a folder without *.json" in err


@pytest.mark.parametrize("rounds", ["0.5", [0.5, "much"], [0.5, -1]])
def test_shares_of_rounds_must_be_positive_numbers(tmp_path, benchmark_command, rounds):
    path = tmp_path / "run.json"
    info = {"share_of_ceiling": 0.5, "shares_of_rounds": rounds}
    path.write_text(json.dumps({"benchmarks": [{"fullname": "a", "extra_info": info}]}))
    code, _, err = benchmark_command(path, path)
    assert code == 2
    assert "shares_of_rounds of a in" in err


def test_pairs_run_both_interpreters_in_turns_and_are_compared(tmp_path, benchmark_command, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    pairs = importlib.import_module("benchmarks.pairs")
    ran = []

    def run(python, expression, saved):
        ran.append((str(python), expression, saved.relative_to(tmp_path).as_posix()))
        share = {"share_of_ceiling": 0.5 if str(python) == "new/python" else 0.6}
        saved.write_text(json.dumps({"benchmarks": [{"fullname": "a", "extra_info": share}]}))
        return 0

    monkeypatch.setattr(pairs, "run", run)
    arguments = ["old/python", "new/python", "--repeats", 3, "--out", tmp_path / "runs", "-k", "4KB"]
    code, out, _ = benchmark_command(*arguments, name="pairs")
    assert [(python, saved) for python, _, saved in ran] == [
        ("old/python", "runs/old/001.json"),
        ("new/python", "runs/new/001.json"),
        ("new/python", "runs/new/002.json"),
        ("old/python", "runs/old/002.json"),
        ("old/python", "runs/old/003.json"),
        ("new/python", "runs/new/003.json"),
    ]
    assert {expression for _, expression, _ in ran} == {"4KB"}
    assert code == 1
    assert "1 of 1 cases fell" in out
    assert "--out must be a new folder" in benchmark_command(*arguments, name="pairs")[2]


def test_a_run_that_fails_ends_the_pairs_and_is_shown(tmp_path, benchmark_command):
    python = Path(sys.executable)
    code, out, err = benchmark_command(python, python, "--out", tmp_path / "runs", "-k", "no_such_case", name="pairs")
    assert code != 0
    assert out == ""
    assert "no benchmarks have been run" in err


def test_pairs_need_repeats(tmp_path, benchmark_command):
    code, _, err = benchmark_command("a", "b", "--repeats", 2, "--out", tmp_path / "runs", name="pairs")
    assert code == 2
    assert "--repeats must be at least 3, got 2" in err


@pytest.mark.parametrize("allowed", ["-1", "100", "nan", "much"])
def test_allowed_fall_must_be_a_percentage(save, benchmark_command, allowed):
    run = save("run.json", {"a": 0.9})
    code, _, err = benchmark_command(run, run, f"--allow={allowed}")
    assert code == 2
    assert "--allow" in err
