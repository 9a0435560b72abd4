"""Commands on whole models: `weightfill model`, `explain`, `verify --plan` and `inspect` of checkpoints."""

import contextlib
import json
import os
import pty
import signal
import subprocess

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import weightfill as wf
from tests.cli.command_line import command_line
from tests.cli.small_model import MODEL, PLAN, SHAPES, expected, holds, outputs, write_inputs

pytestmark = pytest.mark.usefixtures("small_model")


def damage(file, name):
    """Changes one bit of the first element of a tensor."""
    with open(file, "r+b") as opened:
        length = int.from_bytes(opened.read(8), "little")
        begin = json.loads(opened.read(length))[name]["data_offsets"][0]
        opened.seek(8 + length + begin)
        byte = opened.read(1)
        opened.seek(-1, 1)
        opened.write(bytes([byte[0] ^ 1]))


def test_model_holds_what_the_plan_fills(command, tmp_path):
    code, out, err = command(*MODEL)
    assert (code, err) == (0, "")
    first, last = out.splitlines()
    assert first == "m.safetensors"
    assert last.startswith("3 tensors, 2,752 elements, 11,008 bytes, ")
    assert last.endswith(" GB/s")
    assert outputs(tmp_path) == ["m.safetensors"]
    assert holds("m.safetensors", expected())


def test_report_of_a_model_is_one_json_object(command):
    code, out, err = command(*MODEL, "--json", "--dtype", "bfloat16", "--threads", "2", "--sync")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report.pop("seconds") > 0
    assert report.pop("gb_per_s") > 0
    assert report == {
        "plan": "plan.toml",
        "seed": 42,
        "files": ["m.safetensors"],
        "tensors": 3,
        "elements": 2752,
        "bytes": 5504,
        "left_out": [],
    }
    with safe_open("m.safetensors", "numpy") as file:
        assert {file.get_slice(name).get_dtype() for name in SHAPES} == {"BF16"}
    assert command("verify", "m.safetensors", "--plan", "plan.toml")[0] == 0


@pytest.mark.parametrize("plan", [PLAN, PLAN.replace("seed = 42", "")], ids=["with seed", "without seed"])
def test_seed_of_the_command_replaces_that_of_the_plan(command, tmp_path, plan):
    write_inputs(tmp_path, plan)
    assert command("explain", *MODEL[1:4], "--seed", "7")[0] == 0
    assert command(*MODEL, "--seed", "7")[0] == 0
    assert holds("m.safetensors", expected(seed=7))
    assert command("verify", "m.safetensors", "--plan", "plan.toml", "--seed", "7")[0] == 0
    assert command("verify", "m.safetensors", "--plan", "plan.toml", "--seed", "8")[0] == 1


def test_shapes_come_from_a_checkpoint_too(command, tmp_path):
    save_file({name: np.zeros(shape, np.float16) for name, shape in SHAPES.items()}, tmp_path / "old.safetensors")
    shapes = ["--shapes", "old.safetensors"]
    assert command("model", "plan.toml", *shapes, "--out", "m.safetensors")[0] == 0
    assert holds("m.safetensors", expected(dtype="float16"))
    assert command("model", "plan.toml", *shapes, "--out", "s.safetensors", "--shard-size", "3KB")[0] == 0
    again = ["model", "plan.toml", "--shapes", "s.safetensors.index.json", "--out", "again.safetensors"]
    assert command(*again)[0] == 0
    assert load_file("again.safetensors").keys() == SHAPES.keys()


def test_integers_of_a_checkpoint_are_left_out_and_ties_are_kept(command, tmp_path):
    old = {name: np.zeros(shape, np.float16) for name, shape in SHAPES.items()} | {"ids": np.arange(3)}
    save_file(old, tmp_path / "old.safetensors", {"tied.weight": "head.weight"})
    index = {"weight_map": dict.fromkeys(old, "old.safetensors")}
    (tmp_path / "model.safetensors.index.fp16.json").write_text(json.dumps(index))
    shapes = ["--shapes", "model.safetensors.index.fp16.json"]
    code, out, err = command("model", "plan.toml", *shapes, "--out", "m.safetensors")
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == "left out, as not drawn: ids"
    assert holds("m.safetensors", expected(dtype="float16"))
    with safe_open("m.safetensors", "numpy") as opened:
        assert opened.metadata() == {"tied.weight": "head.weight", "format": "pt"}
    out = command("explain", "plan.toml", *shapes)[1]
    assert out.splitlines()[-3:-1] == ["tied.weight is tied to head.weight", "left out, as not drawn: ids"]
    report = json.loads(command("explain", "plan.toml", *shapes, "--json")[1])
    assert (report["ties"], report["left_out"]) == ({"tied.weight": "head.weight"}, ["ids"])
    assert command("verify", "m.safetensors", "--plan", "plan.toml", *shapes)[0] == 0


@pytest.mark.parametrize("size", ["4K", "4KB", "4kb", "4_000B", "4000B", "0.004MB", "4e3B", "3.90625KiB"])
def test_shards_are_no_larger_than_asked(command, tmp_path, size):
    code, out, err = command(*MODEL, "--shard-size", size)
    assert (code, err) == (0, "")
    shards = [f"m-0000{number}-of-00002.safetensors" for number in (1, 2)]
    assert outputs(tmp_path) == [*shards, "m.safetensors.index.json"]
    assert out.splitlines()[:-1] == outputs(tmp_path)
    index = json.loads((tmp_path / "m.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 11008
    found = {name: load_file(shard)[name] for name, shard in index["weight_map"].items()}
    assert {name: array.tobytes() for name, array in found.items()} == {n: a.tobytes() for n, a in expected().items()}
    assert command("verify", "m.safetensors.index.json", "--plan", "plan.toml")[0] == 0


def test_existing_model_is_refused_unless_forced(command, tmp_path):
    command(*MODEL)
    before = (tmp_path / "m.safetensors").read_bytes()
    again = [*MODEL, "--seed", "43"]
    assert command(*again) == (2, "", "weightfill: m.safetensors exists; --force replaces a file\n")
    assert (tmp_path / "m.safetensors").read_bytes() == before
    assert command(*again, "--force")[0] == 0
    assert holds("m.safetensors", expected(seed=43))
    assert outputs(tmp_path) == ["m.safetensors"]


def test_explain_has_a_line_for_every_parameter_and_a_total(command, tmp_path):
    code, out, err = command("explain", "plan.toml", "--shapes", "manifest.json")
    assert (code, err) == (0, "")
    assert out == str(wf.Plan.from_toml(PLAN).explain({n: tuple(s) for n, s in SHAPES.items()})) + "\n"
    assert out.splitlines()[-1] == "3 parameters, 2,752 elements, 11,008 bytes"
    assert outputs(tmp_path) == []


def test_explain_in_json_has_an_object_for_every_parameter(command):
    code, out, err = command("explain", "plan.toml", "--shapes", "manifest.json", "--dtype", "bfloat16", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert {key: report[key] for key in ("plan", "tensors", "elements", "bytes")} == {
        "plan": "plan.toml",
        "tensors": 3,
        "elements": 2752,
        "bytes": 5504,
    }
    weight, bias, _ = report["parameters"]
    assert weight == {
        "name": "fc.weight",
        "shape": [64, 32],
        "dtype": "bfloat16",
        "rule": "*",
        "initializer": repr(wf.KaimingNormal()),
        "law": repr(wf.Normal(std=0.25)),
        "bytes": 4096,
        "fan_in": 32,
        "fan_out": 64,
    }
    assert (bias["law"], "fan_in" in bias) == ("Constant(value=0.0)", False)


def test_explain_says_which_units_are_equal(command, tmp_path):
    (tmp_path / "p.toml").write_text('seed = 1\n[[rule]]\nmatch = "*"\ninit = "zeros"\n')
    (tmp_path / "s.json").write_text('{"fc.weight": [500, 2], "fc.bias": [500]}')
    out = command("explain", "p.toml", "--shapes", "s.json")[1]
    assert "fc.weight: 500 equal units, from Zeros(); meant at the end of a residual branch" in out
    matrix, vector = json.loads(command("explain", "p.toml", "--shapes", "s.json", "--json")[1])["parameters"]
    assert matrix["equal_units"] == 500
    assert "equal_units" not in vector


def test_explain_needs_no_memory_and_no_law_for_tensors_made_as_a_whole(command, tmp_path):
    plan = 'seed = 1\n[[rule]]\nmatch = "q"\ninit = "Orthogonal"\n[[rule]]\nmatch = "*"\ninit = "Normal"\n'
    write_inputs(tmp_path, plan, {"q": [1 << 15, 1 << 30], "t": [1 << 50]})
    report = json.loads(command("explain", "plan.toml", "--shapes", "manifest.json", "--json")[1])
    assert report["parameters"][0]["law"] is None
    assert report["bytes"] == 4 * ((1 << 45) + (1 << 50))


def test_tensors_that_differ_are_listed(command, tmp_path):
    command(*MODEL)
    equal = command("verify", "m.safetensors", "--plan", "plan.toml")
    assert (equal[0], equal[2]) == (0, "")
    assert json.loads(command("verify", "m.safetensors", "--plan", "plan.toml", "--json")[1])["equal"] is True
    damage(tmp_path / "m.safetensors", "fc.bias")
    code, out, err = command("verify", "m.safetensors", "--plan", "plan.toml")
    assert (code, err) == (1, "")
    assert "fc.bias" in out
    assert "fc.weight" not in out
    code, out, _ = command("verify", "m.safetensors", "--plan", "plan.toml", "--json", "--threads", "2")
    assert code == 1
    report = json.loads(out)
    assert (report["file"], report["equal"], report["tensors"], report["differing"]) == ("m.safetensors", False, 3, 1)


def test_conclusion_comes_first_and_few_of_many_differences(command, tmp_path):
    write_inputs(tmp_path, shapes={f"h.{layer}.weight": [4, 4] for layer in range(12)} | {"b.bias": [3]})
    command(*MODEL)
    verify = ["verify", "m.safetensors", "--plan", "plan.toml"]
    code, out, err = command(*verify, "--seed", "43")
    assert (code, err) == (1, "")
    first, *named, last = out.splitlines()
    assert first == "1 of 13 tensors have their initial values; all 12 random ones differ: another seed or plan?"
    assert len(named) == 10
    assert named[0].startswith("h.0.weight: 16 of 16 elements differ, the first at (0, 0): expected ")
    assert last == "... 2 more tensors; --limit 12 names all"
    assert len(command(*verify, "--seed", "43", "--limit", "12")[1].splitlines()) == 13
    assert len(command(*verify, "--seed", "43", "--limit", "0")[1].splitlines()) == 2
    assert command(*verify, "--limit", "-1") == (2, "", "weightfill: --limit must be at least 0, got -1\n")
    assert command(*verify)[1] == "13 of 13 tensors have their initial values\n"


def test_many_shards_are_counted(command, tmp_path):
    write_inputs(tmp_path, shapes={f"h.{layer}.weight": [4, 4] for layer in range(12)} | {"b.bias": [3]})
    code, out, _ = command(*MODEL, "--shard-bytes", "64B")
    assert code == 0
    assert out.splitlines()[:4] == [
        "m-00001-of-00013.safetensors",
        "... 11 more files",
        "m-00013-of-00013.safetensors",
        "m.safetensors.index.json",
    ]


def test_tensors_that_a_checkpoint_should_have_are_compared_with_those_it_has(command, tmp_path):
    command(*MODEL)
    verify = ["verify", "m.safetensors", "--plan", "plan.toml", "--shapes", "wanted.json"]
    (tmp_path / "wanted.json").write_text(json.dumps(SHAPES))
    assert command(*verify)[0] == 0
    wanted = {"fc.weight": [64, 32], "fc.bias": [65], "tail.weight": [2, 2]}
    (tmp_path / "wanted.json").write_text(json.dumps(wanted))
    code, out, _ = command(*verify, "--json")
    assert code == 1
    problems = {tensor["name"]: tensor["problem"] for tensor in json.loads(out)["differences"]}
    assert problems.keys() == {"fc.bias", "tail.weight", "head.weight"}
    assert problems["tail.weight"] == "missing"


def test_tensors_that_cannot_be_compared_are_said_to_be_so(command, tmp_path):
    tensors = {**expected(), "steps.bias": np.arange(3)}
    save_file(tensors, tmp_path / "m.safetensors")
    code, out, err = command("verify", "m.safetensors", "--plan", "plan.toml")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "3 of 4 tensors have their initial values",
        "steps.bias: not compared, its dtype is I64",
    ]


def test_inspect_shows_the_tensors_of_checkpoints(command, tmp_path):
    save_file(
        {"w": np.full((3, 4), 0.5, np.float16), "ids": np.arange(3), "mask": np.ones(2, bool)},
        tmp_path / "m.safetensors",
    )
    code, out, err = command("inspect", "m.safetensors", "--json")
    assert (code, err) == (0, "")
    found = {tensor["name"]: tensor for tensor in json.loads(out)["tensors"]}
    assert {name: (tensor["dtype"], tensor["shape"]) for name, tensor in found.items()} == {
        "w": ("float16", [3, 4]),
        "ids": ("int64", [3]),
        "mask": ("bool", [2]),
    }
    assert (found["w"]["mean"], found["w"]["min"]) == (0.5, 0.5)
    assert "mean" not in found["ids"]
    assert command("inspect", "m.safetensors")[0] == 0


def test_inspect_shows_all_shards(command):
    command(*MODEL, "--shard-size", "4KB")
    code, out, _ = command("inspect", "m.safetensors.index.json", "--match", "fc*", "--json")
    assert code == 0
    tensors = {tensor["name"]: tensor for tensor in json.loads(out)["tensors"]}
    assert tensors.keys() == {"fc.weight", "fc.bias"}
    weight = expected()["fc.weight"]
    assert tensors["fc.weight"]["std"] == pytest.approx(weight.std(), rel=1e-5)
    assert tensors["fc.bias"]["zeros"] == 64


LARGE = {"table": [1 << 18, 128]}  # 128 MB: long enough for a bar

# Says when the first elements are written, and writes for ever, slowly enough for a signal to arrive meanwhile.
ENDLESS = """
import signal, sys
import weightfill._cli.bars as bars
import weightfill._cli.commands.model as model
from contextlib import contextmanager
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
@contextmanager
def endless(verb, file, elements, nbytes):
    def show(before, done, of):
        print("writing", flush=True)
        signal.pause()
    yield show
model.bar = endless
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_leaves_no_model(tmp_path, number, code):
    write_inputs(tmp_path, shapes=LARGE, plan='seed = 1\n[[rule]]\nmatch = "*"\ninit = "Normal"\n')
    program = command_line(*MODEL, before=ENDLESS)
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(number)
        process.stdout.read()
        assert process.stderr.read().strip() == ("weightfill: interrupted" if number == signal.SIGINT else "")
    assert process.returncode == code
    assert outputs(tmp_path) == []
    subprocess.run(command_line(*MODEL), cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert outputs(tmp_path) == ["m.safetensors"]


def shown_on_a_terminal(folder, *arguments):
    """Runs the command with a terminal for stderr; returns exit code, stdout and what the terminal got."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    program = command_line(*arguments)
    with subprocess.Popen(program, cwd=folder, stdout=subprocess.PIPE, stderr=theirs, env=environment) as shown:
        os.close(theirs)
        screen = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while piece := os.read(ours, 1 << 16):
                screen += piece
        out = shown.stdout.read()
    os.close(ours)
    return shown.returncode, out, screen


def test_bars_go_to_a_terminal_only(tmp_path):
    write_inputs(tmp_path, shapes=LARGE, plan='seed = 1\n[[rule]]\nmatch = "*"\ninit = "Normal"\n')
    for verb, arguments in (
        (b"writing", MODEL),
        (b"verifying", ["verify", "m.safetensors", "--plan", "plan.toml"]),
        (b"reading", ["inspect", "m.safetensors"]),
    ):
        code, out, screen = shown_on_a_terminal(tmp_path, *arguments)
        assert code == 0
        assert verb in screen
        assert verb + b" m.safetensors" in screen
        assert (b"/268.4 MB" if verb == b"reading" else b"/134.2 MB") in screen
        assert b"0:00:" in screen
        assert verb not in out
        assert out
