"""`weightfill verify` of tables."""

import json

import numpy as np
import pytest

import weightfill as wf
from tests.cli.small_table import NORMAL, SMALL


def test_verify_reports_how_many_differ_and_the_first(command):
    command("table", *SMALL, *NORMAL, "--out", "t.npy")
    table = np.load("t.npy", mmap_mode="r+")
    expected = float(table[5, 3])
    table[5, 3] = 7
    table[900, 0] = np.nan
    table.flush()
    code, out, err = command("verify", "t.npy", *NORMAL)
    assert (code, err) == (1, "")
    assert out.startswith("t.npy: 2 of 8,000 elements differ, the first at (5, 3): expected ")
    code, out, _ = command("verify", "t.npy", *NORMAL, "--json")
    assert code == 1
    assert json.loads(out) == {
        "file": "t.npy",
        "equal": False,
        "elements": 8000,
        "differing": 2,
        "first": {"index": [5, 3], "expected": expected, "found": 7.0},
    }


def test_verify_tells_another_seed_stream_or_initializer(command):
    command("table", *SMALL, *NORMAL, "--out", "t.npy")
    assert command("verify", "t.npy", *NORMAL, "--seed", "43")[0] == 1
    assert command("verify", "t.npy", *NORMAL, "--stream", "users")[0] == 1
    assert command("verify", "t.npy", *NORMAL, "--std", "0.03")[0] == 1
    code, out, _ = command("verify", "t.npy", *NORMAL, "--json")
    assert code == 0
    assert json.loads(out) == {"file": "t.npy", "equal": True, "elements": 8000, "differing": 0}


@pytest.mark.parametrize("shape", [(7,), (3, 4, 5)])
def test_verify_takes_tables_of_any_dimension(command, shape):
    np.save("t.npy", wf.create(shape, wf.Normal(std=0.02), seed=42, stream="items"))
    assert command("verify", "t.npy", *NORMAL)[0] == 0


def test_another_seed_is_said_to_be_one(command):
    command("table", *SMALL, *NORMAL, "--out", "t.npy")
    out = command("verify", "t.npy", *NORMAL, "--seed", "43")[1]
    assert out.endswith("\nmost elements differ: another seed, stream, --rows or initializer?\n")
