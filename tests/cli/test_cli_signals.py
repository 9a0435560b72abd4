"""`weightfill signals` of stacks of layers; tests/frameworks/test_signals_command.py has torch models."""

import json
import os
import re
import shlex
import subprocess

import numpy as np
import pytest

import weightfill as wf
from tests.cli.command_line import command_line
from tests.repository import DOCS
from weightfill import signals
from weightfill._cli import tables
from weightfill._cli.commands import signals as command_module

STACK = ["signals", "--layers", "40,30x3,10", "--activation", "tanh"]
PLAN = 'seed = 3\n[[rule]]\nmatch = "*bias"\ninit = "zeros"\n[[rule]]\nmatch = "*"\ninit = "xavier_normal"\n'


def test_a_report_is_a_table_with_a_verdict(command):
    code, out, err = command(*STACK, "--init", "normal:std=0.01", "--seed", "5", "--samples", "200")
    report = signals.propagation("40,30x3,10", "tanh", wf.Normal(std=0.01), samples=200, seed=5)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == report.title
    assert lines[1].split()[:4] == ["layer", "mean", "std", "predicted"]
    assert [line.split()[0] for line in lines[2:6]] == [layer.name for layer in report.layers]
    assert lines[2].split()[2] == f"{report.layers[0].std:.4g}"
    assert lines[6:] == report.notes()


def test_json_is_that_of_the_report(command):
    out = command(*STACK, "--init", "Normal(std=0.5)", "--bias", "normal:mean=0.1,std=0.2", "--json")[1]
    report = signals.propagation("40,30x3,10", "tanh", wf.Normal(std=0.5), bias=wf.Normal(0.1, 0.2))
    assert json.loads(out) == json.loads(report.to_json())


def test_several_initializers_are_rows(command, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    options = ["--init", "xavier-normal", "--against", "normal:std=0.01", "--against", "plan.toml", "--png", "p.png"]
    code, out, err = command(*STACK, *options)
    assert (code, err) == (0, "")
    title, head, *rows, written = out.splitlines()
    assert title == "40,30x3,10 tanh"
    assert head.split()[0] == "init"
    assert [row.split()[0] for row in rows] == ["xavier-normal", "normal:std=0.01", "plan.toml"]
    assert "vanishes 0.054x a layer: std 0.01 is too small for tanh at 30 inputs; XavierNormal keeps it" in rows[1]
    assert written == "p.png: 4 layers"
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert list(json.loads(command(*STACK, *options, "--force", "--json")[1])) == [
        "xavier-normal",
        "normal:std=0.01",
        "plan.toml",
    ]
    assert command(*STACK, *options) == (2, "", "weightfill: p.png exists; --force replaces a file\n")


def test_a_batch_of_a_file_is_measured(command, tmp_path):
    batch = wf.create((50, 40), wf.Uniform(), seed=1)
    np.save(tmp_path / "batch.npy", batch)
    out = command(*STACK, "--init", "xavier-normal", "--batch", "batch.npy", "--json")[1]
    report = signals.propagation("40,30x3,10", "tanh", "xavier_normal", batch=batch)
    assert json.loads(out)["layers"][0]["std"] == report.layers[0].std


@pytest.mark.parametrize("width", [50, 80, 120, 200])
def test_tables_fit_the_terminal(command, monkeypatch, width):
    monkeypatch.setattr(command_module, "terminal_width", lambda: width)
    for options in ([], ["--against", "zeros", "--against", "normal:std=9"]):
        code, out, _ = command(*STACK, "--init", "normal:std=0.01", *options)
        assert code == 0
        assert max(map(tables.cell_len, out.splitlines())) <= width
        assert " std" in out or " last" in out or width == 50


def test_marks_are_digits_where_there_are_no_blocks():
    program = command_line(*STACK, "--init", "kaiming-normal", "--against", "normal:std=0.01", "--samples", "9")
    found = subprocess.run(program, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=True)
    assert "5" * 3 in found.stdout.decode("ascii")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "one of --layers and module:function must be given, got neither; as in: --layers 784,500x10,10"),
        (["a:b", "--layers", "3,4"], "one of --layers and module:function must be given, got both"),
        (["--layers", "3,4"], "--init or --plan must be given with --layers; as in: --init xavier-normal"),
        (["--layers", "3,4", "--init", "zeros", "--plan", "p.toml"], "--init must be left out with --plan, got zeros"),
        (["--layers", "3", "--init", "zeros"], "--layers must have an input and at least one layer, got '3'"),
        (
            ["--layers", "3,4", "--init", "normal:3"],
            "--init must be a name, or as in 'normal:std=0.01', got 'normal:3'",
        ),
        (
            ["--layers", "3,4", "--init", "normal:sdt=3"],
            "Normal must be given only mean and std, got sdt; did you mean",
        ),
        (["--layers", "3,4", "--init", "normall"], "--init must be the name of an initializer, got 'normall'"),
        (["--layers", "3,4", "--init", "zeros", "--against", "nope"], "--against must be the name of an initializer"),
        (["--layers", "3,4", "--init", "zeros", "--activation", "tan"], "--activation must be one of linear,"),
        (["--layers", "3,4", "--init", "zeros", "--bias", "nope"], "--bias must be the name of an initializer"),
        (["--layers", "3,4", "--init", "zeros", "--samples", "0"], "--samples must be at least 1, got 0"),
        (["--layers", "3,4", "--init", "zeros", "--png", "p.jpg"], "--png must end in .png, got 'p.jpg'"),
        (["--layers", "3,4", "--init", "zeros", "--input", "3"], "--input must be left out with --layers, which say"),
        (["--layers", "3,4", "--init", "zeros", "--batch", "no.npy"], "no.npy: No such file or directory"),
        (["a:b"], "one of --input and --tokens must be given with a model; as in: --input 32,3,224,224"),
        (["a:b", "--input", "3", "--batch", "x.npy"], "--batch must be left out with a model, got x.npy; --input has"),
        (["a:b", "--input", "3,x"], "--input must be sizes such as 32,3,224,224, got '3,x'"),
        (["a:b", "--tokens", "3"], "--tokens must be a shape and the number of tokens: 8,128,50257, got '3'"),
        (["a:b", "--input", "3", "--init", "zeros"], "--init and --against must be plans with a model, for which"),
    ],
)
def test_bad_input_is_one_line(command, arguments, problem):
    code, out, err = command("signals", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"weightfill: {problem}")
    assert err.count("\n") == 1


def test_commands_of_the_document_print_what_it_shows(command):
    text = (DOCS / "concepts" / "signals.md").read_text(encoding="utf-8").replace("\\\n", "")
    shown = re.findall(r"^    weightfill (signals --layers [^\n]*)\n\n```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    for arguments, expected in shown:
        code, out, err = command(*shlex.split(re.sub(r"--png \S+", "", arguments)))
        assert (code, err) == (0, "")
        for line, wanted in zip(out.splitlines(), expected.splitlines(), strict=True):
            for word, other in zip(line.split(), wanted.split(), strict=True):
                assert word == other or float(word) == pytest.approx(float(other), rel=2e-3, abs=1e-5)


def test_ctrl_c_leaves_no_picture(command, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(signals, "propagation", interrupted)
    code, out, err = command(*STACK, "--init", "zeros", "--png", "p.png")
    assert (code, out, err) == (130, "", "weightfill: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_help_has_examples(command):
    out = command("signals", "--help")[1]
    assert "--against" in out
    assert "--layers 784,500x10,10 --activation tanh" in out
