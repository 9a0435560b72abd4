"""`weightfill table`: what it writes, what it reports, and what it refuses."""

import json
import re

import ml_dtypes
import numpy as np
import pytest

import weightfill as wf
from tests.cli.small_table import NORMAL, SMALL
from tests.folders import names


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_table_holds_what_fill_gives(command, dtype):
    code, out, err = command("table", *SMALL, *NORMAL, "--dtype", dtype, "--out", "t.npy")
    assert (code, err) == (0, "")
    assert "8,000 elements" in out
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    expected = wf.create((1000, 8), wf.Normal(std=0.02), seed=42, stream="items", dtype=kind)
    loaded = np.load("t.npy")
    assert ("ml_dtypes" in out) == (loaded.dtype != kind)
    assert loaded.view(kind).tobytes() == expected.tobytes()
    assert command("verify", "t.npy", *NORMAL, "--dtype", dtype)[0] == 0


@pytest.mark.parametrize(
    ("options", "init"),
    [
        (["zeros"], wf.Zeros()),
        (["ones"], wf.Ones()),
        (["constant", "--value", "2.5"], wf.Constant(2.5)),
        (["uniform", "--seed", "1"], wf.Uniform()),
        (["uniform", "--low", "-3", "--high", "-1", "--seed", "1"], wf.Uniform(-3, -1)),
        (["normal", "--mean", "1", "--seed", "1"], wf.Normal(mean=1)),
        (["truncated-normal", "--std", "0.02", "--seed", "1"], wf.TruncatedNormal(std=0.02)),
        (["truncated-normal", "--cutoff", "3", "--seed", "1"], wf.TruncatedNormal(cutoff=3)),
        (["truncated-normal", "--low", "0", "--high", "1", "--seed", "1"], wf.TruncatedNormal(low=0, high=1)),
        (["TruncatedNormal", "--seed", "1"], wf.TruncatedNormal()),
        (["truncated_normal", "--std", "2", "--seed", "1"], wf.TruncatedNormal(std=2)),
        (["kaiming-normal", "--seed", "1"], wf.KaimingNormal()),
        (['KaimingNormal(mode="fan_out", gain="tanh")', "--seed", "1"], wf.KaimingNormal(mode="fan_out", gain="tanh")),
        (["he_uniform", "--seed", "1"], wf.HeUniform()),
        (['Sinusoid(500.0, form="halves")'], wf.Sinusoid(500.0, "halves")),
        (
            ["DepthScaled(of=Normal(std=0.02), layers=12)", "--seed", "1"],
            wf.DepthScaled(wf.Normal(std=0.02), layers=12),
        ),
        (["orthogonal", "--seed", "1"], wf.Orthogonal()),
        (["Sparse(sparsity=0.5)", "--seed", "1"], wf.Sparse(sparsity=0.5)),
        (["identity"], wf.Identity()),
    ],
)
def test_every_initializer_can_be_asked_for(command, options, init):
    assert command("table", *SMALL, "--init", *options, "--out", "t.npy")[0] == 0
    np.testing.assert_array_equal(np.load("t.npy"), wf.create((1000, 8), init, seed=1))
    assert command("verify", "t.npy", "--init", *options)[0] == 0


def test_shards_are_parts_of_the_whole_table(command):
    command("table", *SMALL, *NORMAL, "--out", "whole.npy")
    for start, end in ((0, 300), (300, 301), (301, 1000), (1000, 1000)):
        shard = ["--start-row", start, "--end-row", end, "--out", f"{start}.npy"]
        assert command("table", *SMALL, *NORMAL, *map(str, shard))[0] == 0
        assert command("verify", f"{start}.npy", *NORMAL, "--rows", "1000", "--start-row", str(start))[0] == 0
    parts = [np.load(f"{start}.npy") for start in (0, 300, 301, 1000)]
    np.testing.assert_array_equal(np.concatenate(parts), np.load("whole.npy"))
    assert command("verify", "301.npy", *NORMAL, "--start-row", "302")[0] == 1


def test_blocks_give_the_table_that_one_fill_gives(command, monkeypatch):
    monkeypatch.setattr("weightfill._files.blockwise._BLOCK_BYTES", 1000)
    code, out, _ = command("table", *SMALL, *NORMAL, "--out", "t.npy", "--json")
    assert code == 0
    expected = wf.create((1000, 8), wf.Normal(std=0.02), seed=42, stream="items")
    np.testing.assert_array_equal(np.load("t.npy"), expected)
    report = json.loads(out)
    for name, value in (("mean", expected.mean()), ("std", expected.std())):
        assert report[name] == pytest.approx(value, rel=1e-4)
    assert (report["min"], report["max"]) == (expected.min(), expected.max())


def test_report_is_one_json_object(command):
    code, out, err = command(
        "table", "--rows", "1K", "--dim", "8", *NORMAL, "--out", "t.npy", "--end-row", "5_0", "--json"
    )
    assert (code, err) == (0, "")
    report = json.loads(out)
    expected = {
        "file": "t.npy",
        "shape": [50, 8],
        "dtype": "float32",
        "initializer": repr(wf.Normal(std=0.02)),
        "seed": 42,
        "stream": "items",
        "rows": 1000,
        "start_row": 0,
        "end_row": 50,
        "elements": 400,
        "bytes": 1600,
    }
    assert {name: report[name] for name in expected} == expected
    assert report["seconds"] > 0
    assert report["gb_per_s"] > 0


def test_empty_table_has_no_mean(command):
    code, out, _ = command("table", "--rows", "0", "--dim", "8", *NORMAL, "--out", "t.npy", "--json")
    assert code == 0
    assert np.load("t.npy").shape == (0, 8)
    report = json.loads(out)
    assert [report[name] for name in ("elements", "mean", "std", "min", "max")] == [0, None, None, None, None]
    assert command("verify", "t.npy", *NORMAL)[0] == 0


def test_threads_change_no_value(command):
    for threads in "123":
        assert command("table", *SMALL, *NORMAL, "--threads", threads, "--out", f"{threads}.npy")[0] == 0
    assert np.load("1.npy").tobytes() == np.load("2.npy").tobytes() == np.load("3.npy").tobytes()


def test_existing_file_is_refused_unless_forced(command, tmp_path):
    command("table", *SMALL, *NORMAL, "--out", "t.npy")
    before = (tmp_path / "t.npy").read_bytes()
    again = ["table", *SMALL, *NORMAL, "--seed", "43", "--out", "t.npy"]
    assert command(*again) == (2, "", "weightfill: t.npy exists; --force replaces a file\n")
    assert (tmp_path / "t.npy").read_bytes() == before
    assert command(*again, "--force", "--sync")[0] == 0
    assert (tmp_path / "t.npy").read_bytes() != before
    assert names(tmp_path) == ["t.npy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*NORMAL, "--rows", "-1"], "--rows must be from 0 to 9,223,372,036,854,775,807, got -1"),
        ([*NORMAL, "--dim", "0"], "--dim must be from 1 to 9,223,372,036,854,775,807, got 0"),
        ([*NORMAL, "--start-row", "1001"], "--start-row must be from 0 to 1,000, got 1,001"),
        ([*NORMAL, "--start-row", "9", "--end-row", "8"], "--end-row must be from 9 to 1,000, got 8"),
        ([*NORMAL, "--end-row", "1001"], "--end-row must be from 0 to 1,000, got 1,001"),
        ([*NORMAL, "--rows", "1e-6"], "--rows must be a whole number such as 10_000_000, 10M or 1e7, got '1e-6'"),
        ([*NORMAL, "--rows", "1,5"], "--rows must be a whole number such as 10_000_000, 10M or 1e7, got '1,5'"),
        ([*NORMAL, "--rows", "1.5"], "--rows must be a whole number such as 10_000_000, 10M or 1e7, got '1.5'"),
        ([*NORMAL, "--rows", "9" * 5000], "--rows must be a whole number such as 10_000_000, 10M or 1e7, got '999"),
        ([*NORMAL, "--rows", "M"], "--rows must be a whole number such as 10_000_000, 10M or 1e7, got 'M'"),
        ([*NORMAL, "--std", "wide"], "--std must be a number such as 0.02, got 'wide'"),
        ([*NORMAL, "--std", "-1"], "std must be"),
        ([*NORMAL, "--std", "nan"], "std must be"),
        ([*NORMAL, "--seed", "-1"], "--seed must be a whole number from 0 to 2^64 - 1, got '-1'"),
        ([*NORMAL, "--seed", "abc"], "--seed must be a whole number from 0 to 2^64 - 1, got 'abc'"),
        ([*NORMAL, "--seed", "18446744073709551616"], "--seed must be a whole number from 0 to 2^64 - 1"),
        ([*NORMAL, "--threads", "0"], "threads must be"),
        ([*NORMAL, "--dtype", "int8"], "--dtype must be one of float32, "),
        ([*NORMAL, "--init", "lognormal"], "did you mean Normal?"),
        ([*NORMAL, "--low", "0"], "--low must be left out with --init normal, got 0.0; it takes --mean and --std"),
        (["--init", "kaiming", "--seed", "1"], "did you mean KaimingNormal or KaimingUniform?"),
        (["--init", "KaimingNormal(", "--seed", "1"], "--init must be a name or a call such as 'KaimingNormal("),
        (["--init", 'KaimingNormal(mode="fanout")', "--seed", "1"], "did you mean 'fan_out'?"),
        (
            ["--init", "Normal(std=2)", "--std", "1", "--seed", "1"],
            "--std must be left out with --init 'Normal(std=2)'",
        ),
        (["--init", "__import__('os')", "--seed", "1"], "--init must be the name of an initializer"),
        (
            ["--init", "kaiming-normal", "--std", "1", "--seed", "1"],
            "got 1.0; it takes --gain and --mode and --truncated and --layout and --groups",
        ),
        (["--init", "Dirac"], "shape must"),
        ([*NORMAL, "--dtype", "fp33"], "--dtype must be one of float32, "),
        ([*NORMAL, "--colour", "red"], ". Try 'weightfill table --help'"),
        ([*NORMAL, "--stream"], "option '--stream' requires an argument. Try 'weightfill table --help'"),
        ([*NORMAL, "--std", "20000", "--dtype", "float16"], "float16"),
        ([*NORMAL, "--rows", "4T", "--dim", "4T"], "shape must have at most 2"),
        ([*NORMAL, "--rows", "1T", "--dim", "1K"], "t.npy needs 4 PB, "),
        (["--init", "normal"], "--seed is required for Normal(mean=0.0, std=1.0); give the whole model one seed"),
        (
            ["--init", "zeros", "--std", "1"],
            "--std must be left out with --init zeros, got 1.0; it takes none of these options",
        ),
        (["--init", "constant"], "--value must be given with --init constant"),
        (["--init", "uniform", "--low", "1", "--high", "1", "--seed", "1"], "low must be"),
        (["--init", "truncated-normal", "--cutoff", "2", "--low", "0", "--seed", "1"], "cutoff"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(command, tmp_path, arguments, message):
    code, out, err = command("table", "--out", "t.npy", *SMALL, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert re.fullmatch(r"weightfill: [^\n]+\n", err)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "rows", ["1500", "1_500", "1,500", "1.5K", "1.5k", "15e2", "1.5e3", "1.500e+3", "0.0015M", "+1500"]
)
def test_whole_numbers_are_taken_as_people_write_them(command, rows):
    code, out, err = command("table", "--rows", rows, "--dim", "1", "--init", "zeros", "--out", "t.npy", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["shape"] == [1500, 1]


@pytest.mark.parametrize("out", ["u.safetensors", "u.pt", "u", "-", "npy", ""])
def test_table_is_written_under_the_name_of_its_format_only(command, tmp_path, out):
    code, _, err = command("table", *SMALL, *NORMAL, "--out", out)
    assert code == 2
    assert ("must name a file, got ''" if not out else f"--out must end in .npy, got {out!r}") in err
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ("fp32", "float32"),
        ("half", "float16"),
        ("bf16", "bfloat16"),
        ("BF16", "bfloat16"),
        ("torch.bfloat16", "bfloat16"),
    ],
)
def test_dtypes_have_the_names_of_others(command, given, dtype):
    code, out, _ = command("table", *SMALL, *NORMAL, "--dtype", given, "--out", "t.npy", "--json")
    assert (code, json.loads(out)["dtype"]) == (0, dtype)
    assert command("verify", "t.npy", *NORMAL, "--dtype", given)[0] == 0


def test_tensors_made_as_a_whole_are_made_once(command, monkeypatch):
    monkeypatch.setattr("weightfill._files.blockwise._BLOCK_BYTES", 1000)
    made = []
    tensor = wf.Orthogonal.tensor
    monkeypatch.setattr(wf.Orthogonal, "tensor", lambda *a, **k: made.append(a) or tensor(*a, **k))
    assert command("table", *SMALL, "--init", "orthogonal", "--seed", "1", "--end-row", "900", "--out", "t.npy")[0] == 0
    assert len(made) == 1
    np.testing.assert_array_equal(np.load("t.npy"), wf.create((1000, 8), wf.Orthogonal(), seed=1)[:900])


def test_python_words_are_aliases(command, tmp_path):
    for option in ("--replace", "--force"):
        assert command("table", *SMALL, *NORMAL, "--out", "t.npy", option)[0] == 0
    assert names(tmp_path) == ["t.npy"]


def test_truncated_law_says_what_its_deviation_should_be(command):
    options = ["--init", "truncated-normal", "--std", "0.02", "--seed", "1", "--rows", "100K"]
    out = command("table", "--dim", "8", *options, "--out", "t.npy")[1]
    assert "std 0.01758, expected 0.01759 (0.02 before the cut), min" in out
    assert "mean 0.0" in command("table", "--dim", "8", *options, "--low", "0", "--out", "half.npy")[1]
    shown = command("table", "--dim", "8", *options, "--low", "0", "--out", "half.npy", "--force")[1]
    assert ", expected 0.0159577 (0 before the cut), std " in shown


def test_seed_and_stream_are_left_out_where_nothing_is_drawn(command):
    out = command("table", *SMALL, "--init", "zeros", "--out", "t.npy")[1]
    assert out.startswith("t.npy: 1,000 x 8 float32, Zeros()\n")
    assert command("verify", "t.npy", "--init", "zeros")[1] == "t.npy: all 8,000 elements are as Zeros() gives them\n"
