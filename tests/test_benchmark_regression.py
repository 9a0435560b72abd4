"""The command that compares two saved benchmark runs, on runs made up here."""

import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
def command(capsys, monkeypatch):
    """Runs the command; returns exit code, stdout and stderr."""
    monkeypatch.syspath_prepend(ROOT)
    regression = importlib.import_module("benchmarks.regression")

    def run(*arguments):
        try:
            code = regression.main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
        return code, *capsys.readouterr()

    return run


def test_equal_runs_pass(save, command):
    old, new = save("old.json", {"a": 0.9, "b": 0.6}), save("new.json", {"a": 0.9, "b": 0.6})
    code, out, err = command(old, new)
    assert (code, err) == (0, "")
    assert "0 of 2 cases fell by more than 10%" in out


def test_fall_beyond_ten_percent_fails_and_is_marked(save, command):
    old, new = save("old.json", {"a": 0.9, "b": 0.6}), save("new.json", {"a": 0.9, "b": 0.53})
    code, out, _ = command(old, new)
    assert code == 1
    lines = out.splitlines()
    assert lines[1].split() == ["test_fill.py::b", "0.600", "0.530", "-11.7%", "FELL"]
    assert lines[2].split() == ["test_fill.py::a", "0.900", "0.900", "+0.0%"]
    assert lines[-1] == "1 of 2 cases fell by more than 10%"


def test_fall_within_ten_percent_passes(save, command):
    assert command(save("old.json", {"a": 0.8}), save("new.json", {"a": 0.73}))[0] == 0


def test_rise_passes(save, command):
    code, out, _ = command(save("old.json", {"a": 0.4}), save("new.json", {"a": 0.8}))
    assert code == 0
    assert "+100.0%" in out


@pytest.mark.parametrize(("allowed", "code"), [("5", 1), ("20", 0)])
def test_allowed_fall_can_be_chosen(save, command, allowed, code):
    assert command(save("old.json", {"a": 0.8}), save("new.json", {"a": 0.72}), "--allow", allowed)[0] == code


def test_shares_of_shortest_times_can_be_compared(tmp_path, command):
    paths = []
    for name, minima in (("old.json", 0.9), ("new.json", 0.5)):
        info = {"share_of_ceiling": 0.4, "share_of_ceiling_minima": minima}
        paths.append(tmp_path / name)
        paths[-1].write_text(json.dumps({"benchmarks": [{"fullname": "a", "extra_info": info}]}))
    assert command(*paths)[0] == 0
    assert command(*paths, "--of", "minima")[0] == 1


def test_cases_of_only_one_run_are_named_and_do_not_fail(save, command):
    old, new = save("old.json", {"a": 0.9, "gone": 0.5}), save("new.json", {"a": 0.9, "added": 0.1})
    code, out, _ = command(old, new)
    assert code == 0
    assert "only in OLD: test_fill.py::gone" in out
    assert "only in NEW: test_fill.py::added" in out
    assert "0 of 1 cases" in out


def test_cases_without_a_share_are_left_out(save, command):
    old, new = save("old.json", {"a": 0.9, "call": None}), save("new.json", {"a": 0.9, "call": None})
    code, out, _ = command(old, new)
    assert code == 0
    assert "call" not in out


def test_missing_file_cannot_be_compared(save, command, tmp_path):
    code, out, err = command(tmp_path / "nowhere.json", save("new.json", {"a": 0.9}))
    assert (code, out) == (2, "")
    assert "nowhere.json must be a saved run" in err


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"benchmarks": {}}', '{"benchmarks": [1]}', b"\xff\xfe"])
def test_other_files_cannot_be_compared(save, command, tmp_path, text):
    path = tmp_path / "old.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, _, err = command(path, save("new.json", {"a": 0.9}))
    assert code == 2
    assert err.startswith(f"error: {path} must ")


@pytest.mark.parametrize("share", [0, -0.5, float("nan"), float("inf"), "0.5", True])
def test_shares_must_be_positive_numbers(save, command, share):
    code, _, err = command(save("old.json", {"a": share}), save("new.json", {"a": 0.9}))
    assert code == 2
    assert "share_of_ceiling of test_fill.py::a in" in err
    assert f"must be a positive number, got {share!r}" in err


def test_run_without_shares_cannot_be_compared(save, command):
    code, _, err = command(save("old.json", {"a": None}), save("new.json", {"a": 0.9}))
    assert code == 2
    assert "must have cases with 'share_of_ceiling' in their extra_info, got none" in err


def test_runs_without_common_cases_cannot_be_compared(save, command):
    code, _, err = command(save("old.json", {"a": 0.9}), save("new.json", {"b": 0.9}))
    assert code == 2
    assert "OLD and NEW must have cases in common, got none" in err


@pytest.mark.parametrize("allowed", ["-1", "100", "nan", "much"])
def test_allowed_fall_must_be_a_percentage(save, command, allowed):
    run = save("run.json", {"a": 0.9})
    code, _, err = command(run, run, f"--allow={allowed}")
    assert code == 2
    assert "--allow" in err
