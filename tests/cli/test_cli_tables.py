"""Tables of `weightfill explain` and `weightfill inspect`: as wide as a terminal, and a line a tensor elsewhere."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import numpy as np
import pytest
from safetensors.numpy import save_file

import weightfill as wf
from tests.cli.command_line import command_line
from tests.repository import EXAMPLES
from weightfill import _cli as cli
from weightfill._arguments.messages import shortened
from weightfill._cli import checkpoints, tables
from weightfill._cli.commands import explain, inspect
from weightfill._cli.inspected import rebinned
from weightfill._cli.names import layered
from weightfill._reading.histogram import Histogram

MODELS = ["gpt2", "llama-8b", "dlrm"]


@pytest.fixture
def terminal(capsys, monkeypatch):
    """Runs the command as if its output went to a terminal of this width; returns the lines."""

    def run(width, *arguments, code=0):
        for module in (explain, inspect, checkpoints):
            monkeypatch.setattr(module, "terminal_width", lambda: width)
        assert cli.run(arguments) == code
        return capsys.readouterr().out.splitlines()

    return run


def explained(model):
    return ["explain", str(EXAMPLES / model / "plan.toml"), "--shapes", str(EXAMPLES / model / "manifest.json")]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("model", MODELS)
def test_no_line_is_wider_than_the_terminal(terminal, model, width):
    for options in ([], ["--all"]):
        lines = terminal(width, *explained(model), *options)
        assert max(map(len, lines)) <= width
        assert all(word in lines[0] for word in ("parameter", "shape", "distribution"))


def test_equal_layers_have_one_row_unless_all_are_asked_for(terminal):
    lines = terminal(80, *explained("gpt2"))
    assert len(lines) == 19
    assert "h.*.attn.c_proj.weight     x12  768 x 768    Normal(0, 0.004082)   28,311,552" in lines
    assert "wte.weight                      50257 x 768  Normal(0, 0.02)      154,389,504" in lines
    assert " ".join(" ".join(lines[-2:]).split()) == (
        "148 parameters, 124,439,808 elements, 497,759,232 bytes, 16 kinds; --all shows each"
    )
    every = terminal(80, *explained("gpt2"), "--all")
    assert len(every) == 150
    assert sum("c_proj.weight" in line for line in every) == 24


def test_a_narrow_row_has_the_numbers_of_every_distribution_without_their_names(terminal, tmp_path):
    plan = wf.Plan({"a": "Laplace(0, 0.12345)", "b": 'LogUniform(1e-3, 0.1, then="inverse_softplus")'}, seed=1)
    (tmp_path / "plan.toml").write_text(plan.to_toml())
    (tmp_path / "shapes.json").write_text('{"a": [3], "b": [3]}')
    lines = terminal(60, "explain", str(tmp_path / "plan.toml"), "--shapes", str(tmp_path / "shapes.json"))
    assert "Laplace(0, 0.1235)" in lines[1]
    assert "LogUniform(0.001, 0.1, 'inverse_softplus')" in lines[2]


def test_explain_needs_no_seed(terminal, tmp_path):
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "Normal"\n')
    (tmp_path / "shapes.json").write_text('{"a": [3]}')
    arguments = ["explain", str(tmp_path / "plan.toml"), "--shapes", str(tmp_path / "shapes.json")]
    assert "Normal(mean=0, std=1)" in terminal(80, *arguments)[1]
    (tmp_path / "plan.toml").write_text('seed = -1\n[[rule]]\nmatch = "*"\ninit = "Normal"\n')
    assert terminal(80, *arguments, code=2) == []


def test_layers_of_other_shapes_or_rules_are_kept_apart(terminal, tmp_path):
    plan, shapes = tmp_path / "plan.toml", tmp_path / "shapes.json"
    plan.write_text('seed = 1\n[[rule]]\nmatch = "h.0.*"\ninit = "Zeros"\n[[rule]]\nmatch = "*"\ninit = "Normal"\n')
    shapes.write_text(json.dumps({"h.0.w": [2], "h.1.w": [2], "h.2.w": [2], "h.3.w": [3], "v2.w": [2], "v3.w": [2]}))
    lines = terminal(80, "explain", str(plan), "--shapes", str(shapes))
    assert [line.split()[0] for line in lines[1:-1]] == ["h.0.w", "h.*.w", "h.3.w", "v2.w", "v3.w"]


@pytest.mark.parametrize("width", [72, 80, 120])
def test_inspect_fits_the_terminal_with_one_row_for_equal_layers(terminal, tmp_path, width):
    init = wf.Normal(std=0.02)
    tensors = {f"h.{n}.attn.w": wf.create((30, 40), init, seed=1, stream=str(n)) for n in range(12)}
    tensors |= {f"h.{n}.b": np.zeros(4, np.float32) for n in range(12)}
    tensors |= {"h.0.ids": np.arange(3), "h.1.ids": np.arange(3), "x" * 200: np.full(3, np.nan, np.float32)}
    save_file(tensors, tmp_path / "m.safetensors")
    lines = terminal(width, "inspect", str(tmp_path / "m.safetensors"))
    assert max(map(len, lines)) <= width
    assert sorted(line.split()[:2] for line in lines if "h.*" in line) == [
        ["h.*.attn.w", "x12"],
        ["h.*.b", "x12"],
        ["h.*.ids", "x2"],
    ]
    assert any("xxx...xxx" in line for line in lines)
    joined = np.concatenate([tensors[f"h.{n}.attn.w"] for n in range(12)])
    assert f"{joined.std():.4g}" in next(line for line in lines if line.startswith("h.*.attn.w"))
    assert len(terminal(width, "inspect", str(tmp_path / "m.safetensors"), "--all")) >= 28


def test_layers_of_other_deviations_show_from_where_to_where(terminal, tmp_path):
    stds = (0.1, 0.2, 0.3)
    save_file(
        {f"h.{n}.w": wf.create((100, 100), wf.Normal(std=s), seed=1) for n, s in enumerate(stds)},
        tmp_path / "m.safetensors",
    )
    (line,) = (line for line in terminal(100, "inspect", str(tmp_path / "m.safetensors")) if line.startswith("h.*.w"))
    assert "0.0991 to 0.297" in line


def test_other_programs_get_a_line_for_every_parameter_in_full(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert cli.run(explained("llama-8b")) == 0
    out = capsys.readouterr().out
    assert (
        out
        == str(
            wf.Plan.from_toml((EXAMPLES / "llama-8b/plan.toml").read_text()).explain(
                EXAMPLES / "llama-8b/manifest.json"
            )
        )
        + "\n"
    )
    assert "\x1b" not in out


def test_real_terminal_gets_colours_and_its_width():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    program = command_line(*explained("dlrm"))
    with subprocess.Popen(program, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm-256color"}) as shown:
        os.close(theirs)
        screen = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while piece := os.read(ours, 1 << 16):
                screen += piece
    os.close(ours)
    assert shown.returncode == 0
    text = screen.decode()
    assert "\x1b[32m" in text
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", text).split("\r\n")) <= 80


@pytest.mark.parametrize("width", [60, 80, 120])
def test_differences_fit_the_terminal(terminal, tmp_path, width):
    tensors = {f"model.layers.{n}.self_attn.q_proj.weight": np.zeros((1000, 500), np.float32) for n in range(12)}
    tensors["model.layers.0.steps"] = np.arange(3)
    save_file(tensors, tmp_path / "m.safetensors")
    (tmp_path / "plan.toml").write_text('seed = 1\n[[rule]]\nmatch = "*"\ninit = "Normal"\n')
    verify = ["verify", str(tmp_path / "m.safetensors"), "--plan", str(tmp_path / "plan.toml")]
    lines = terminal(width, *verify, "--limit", "20", code=1)
    assert max(map(len, lines)) <= width
    assert "".join(lines).startswith("0 of 13 tensors have their initial values; all 12 random ones differ")
    assert sum("all 500,000" in line for line in lines) == 12
    assert any("not compared, its dtype is I64" in line for line in lines)
    assert sum(" 0" in line and "found" not in line for line in lines) >= 12 or width == 60


def test_one_parameter_is_not_several(terminal, tmp_path):
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "Ones"\n')
    (tmp_path / "shapes.json").write_text('{"a": [2]}')
    for width in (None, 80):
        lines = terminal(width, "explain", str(tmp_path / "plan.toml"), "--shapes", str(tmp_path / "shapes.json"))
        assert lines[-1] == "1 parameter, 2 elements, 8 bytes"
    assert str(wf.Plan({"*": wf.Ones()}).explain({"a": 2})).endswith("\n1 parameter, 2 elements, 8 bytes")


def test_names_are_shortened_in_the_middle():
    assert shortened("abc", 3) == "abc"
    for longest in range(5, 20):
        assert len(shortened("model.layers.31.mlp.down_proj.weight", longest)) == longest
    assert layered("h.11.attn.c2.2.weight") == "h.*.attn.c2.*.weight"
    assert layered("11") == "*"


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-3.0, 1.0), (-1.0, 7.5), (-2.0, 2.0)])
def test_other_bins_keep_every_element(low, high):
    histogram = Histogram(-1.0, 1.0, 96)
    histogram.counts[:] = np.arange(96) ** 2
    assert rebinned(histogram, low, high, 96).sum() == histogram.counts.sum()
    alike = Histogram(0.5, 0.5, 96)
    alike.counts[:] = 7
    counts = rebinned(alike, low, high, 96)
    assert (counts.sum(), counts.max()) == (7, 7)
    assert rebinned(alike, 0.5, 0.5, 1).tolist() == [7]
    assert rebinned(alike, -1.0, 0.5, 96)[-1] == 7


def test_columns_that_say_least_go_first():
    columns = [tables.Column("name"), tables.Column("a", drop=2), tables.Column("b", drop=1), tables.Column("c")]
    rows = [{"name": "n" * 30, "a": "a" * 10, "b": "b" * 10, "c": "c" * 10}]
    for width, names in ((70, ["name", "a", "b", "c"]), (60, ["name", "a", "b", "c"]), (50, ["name", "a", "c"])):
        kept, shown = tables.fitted(columns, rows, width)
        assert [column.heading for column in kept] == names
        assert len(shown[0]["name"]) <= 30
    assert [column.heading for column in tables.fitted(columns, rows, 40)[0]] == ["name", "c"]
