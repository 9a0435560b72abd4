"""`weightfill record`: a model's own initialization as a plan and a manifest."""

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.cli.command_line import command_line

torch = pytest.importorskip("torch", reason="torch is not installed")

from safetensors.torch import load_file  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch as wt  # noqa: E402

FILES = ["--out", "plan.toml", "--shapes", "manifest.json"]
MODELS = """
import sys
import torch
from torch import nn

class Model(nn.Module):
    def __init__(self, size=8, name="x", parts=(), **more):
        super().__init__()
        print("built", size, name, parts, more)
        self.table = nn.Embedding(10, size, padding_idx=2)
        self.norm = nn.BatchNorm1d(size)
        self.head = nn.Linear(size, 10, bias=False)
        self.head.weight = self.table.weight
        self.register_buffer("ids", torch.arange(6).flip(0).reshape(2, 3))
        self.register_buffer("scale", torch.tensor([0.1, -0.0], dtype=torch.float64))
        self.register_buffer("mask", torch.ones(3, 3, dtype=torch.bool).tril())
        self.register_buffer("noise", torch.empty(5).normal_(0, 0.5))
        self.register_buffer("hidden", torch.empty(7).normal_(0, 0.25), persistent=False)

class Computed(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0, 1, 2000).sin())

def doubled():
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4)) if False else nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 8), 2, enable_nested_tensor=False)

SIZE = 3

def three():
    return SIZE

def broken():
    raise RuntimeError("no\\nwith a line")

def leaving():
    sys.exit(0)

def seen():
    norm = nn.BatchNorm1d(3)
    norm.running_var.fill_(0.5)
    norm.num_batches_tracked.fill_(3)
    return nn.Sequential(nn.Linear(3, 3), norm, nn.BatchNorm1d(3))

def waves():
    module = nn.Linear(2, 2)
    module.register_buffer("waves", torch.ones(3, dtype=torch.complex64))
    return module

def long():
    raise ValueError("x" * 100_000)

def pair():
    return nn.Linear(2, 2), 3

def nothing():
    pass

number = 3
"""


@pytest.fixture(autouse=True)
def _models(monkeypatch, tmp_path):
    """Has each test import the models of its own folder."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    (tmp_path / "cli_models.py").write_text(MODELS)
    yield
    for name in [name for name in sys.modules if name.startswith("cli_")]:
        del sys.modules[name]


def made(folder):
    """Return the folder's files that are none of its inputs."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix not in (".py", "") and path.name not in ("given.json", "typo.toml")
    )


def test_a_model_of_ones_own_is_written_as_it_is_materialized(command, tmp_path):
    code, out, err = command("record", "cli_models:Model", *FILES, "--seed", "7", "--arg", "size=4")
    assert (code, err) == (0, "built 4 x () {}\n")
    assert out.splitlines()[0].startswith("plan.toml: ")
    assert "manifest.json: 3 parameters and 7 buffers, " in out
    assert made(tmp_path) == ["manifest.json", "plan.toml"]
    text = (tmp_path / "plan.toml").read_text()
    assert text.splitlines()[:3] == [
        f"# Recorded by weightfill {wf.__version__}: how this code initializes its parameters.",
        "# cli_models:Model --arg size=4",
        f"# torch {version('torch')}",
    ]
    assert command("model", "plan.toml", "--shapes", "manifest.json", "--out", "m.safetensors")[0] == 0
    found = load_file("m.safetensors")

    import cli_models

    with wt.recording() as recorded:
        module = cli_models.Model(4)
    assert recorded.plan(module, seed=7).rules == tuple(rule._replace(optional=False) for rule in plan_in(text).rules)
    wt.materialize(module, plan_in(text))
    wanted = {name: tensor for name, tensor in module.state_dict().items() if name != "head.weight"}
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].numpy().tobytes() == tensor.numpy().tobytes(), name
    assert not found["table.weight"][2].any()
    code, out, _ = command("verify", "m.safetensors", "--plan", "plan.toml", "--shapes", "manifest.json")
    assert (code, out.splitlines()[-1]) == (0, "10 of 10 tensors have their initial values")


def plan_in(text):
    return wf.Plan.from_toml(text)


def test_arguments_are_read_as_json_or_python_or_text(command, tmp_path):
    given = ["--arg", "name=a=b", "--arg", "parts=[1, null]", "--arg", "flag=False", "--arg", "far=(1, 'x')"]
    assert command("record", "cli_models:Model", *FILES, *given)[2] == (
        "built 8 a=b [1, None] {'flag': False, 'far': (1, 'x')}\n"
    )
    (tmp_path / "given.json").write_text('{"size": 6, "name": "file", "ü": true}')
    code, _, err = command("record", "cli_models:Model", *FILES, "--config", "given.json", "--arg", "size=2", "--force")
    assert (code, err) == (0, "built 2 file () {'ü': True}\n")
    assert "seed" not in (tmp_path / "plan.toml").read_text()
    code, _, err = command("model", "plan.toml", "--shapes", "manifest.json", "--out", "m.safetensors")
    assert code == 2
    assert err.endswith(", got None; pass --seed, or write seed = into the plan\n")
    assert command("model", "plan.toml", "--shapes", "manifest.json", "--out", "m.safetensors", "--seed", "1")[0] == 0


def test_the_summary_is_one_json_object(command):
    report = json.loads(command("record", "cli_models:Model", *FILES, "--json")[1])
    assert (report["parameters"], report["buffers"], report["seed"], report["values"]) == (3, 7, None, None)
    assert report["versions"] == {"torch": version("torch")}
    assert report["elements"] == 80 + 16 + 17 + 6 + 2 + 9 + 5


def test_what_no_rule_says_is_named_with_the_options_that_help(command, tmp_path):
    code, out, err = command("record", "cli_models:Computed", *FILES)
    assert (code, out) == (2, "")
    assert err.startswith(
        "weightfill: cli_models:Computed: module must have parameters that initializers describe, got 'weight', "
    )
    assert err.endswith("; keep the numbers by --computed keep, or give rules for them by --rules <plan.toml>\n")
    assert made(tmp_path) == []
    code, out, _ = command("record", "cli_models:Computed", *FILES, "--computed", "keep", "--seed", "1")
    assert code == 0
    assert made(tmp_path) == ["manifest.json", "plan.toml", "plan.values.safetensors"]
    assert "plan.values.safetensors: numbers that the code computes\n" in out
    assert command("model", "plan.toml", "--shapes", "manifest.json", "--out", "m.safetensors")[0] == 0
    assert (load_file("m.safetensors")["weight"] == torch.linspace(0, 1, 2000).sin()).all()
    assert command("record", "cli_models:Computed", *FILES, "--computed", "keep", "--force")[0] == 0
    (tmp_path / "own.toml").write_text('[[rule]]\nmatch = "weight"\ninit = "Normal"\n')
    assert command("record", "cli_models:Computed", *FILES, "--rules", "own.toml", "--force")[0] == 0
    err = command("record", "cli_models:doubled", *FILES, "--force")[2]
    assert "; draw each copy for itself by --copies draw, or give rules for them by --rules <plan.toml>\n" in err
    assert command("record", "cli_models:doubled", *FILES, "--copies", "draw", "--force")[0] == 0


def test_statistics_that_the_code_sets_are_in_the_manifest(command):
    assert command("record", "cli_models:seen", *FILES, "--seed", "1")[0] == 0
    assert command("model", "plan.toml", "--shapes", "manifest.json", "--out", "m.safetensors")[0] == 0
    found = {name: tensor.tolist() for name, tensor in load_file("m.safetensors").items() if "_" in name}
    assert found == {
        "1.running_mean": [0, 0, 0],
        "1.running_var": [0.5, 0.5, 0.5],
        "1.num_batches_tracked": 3,
        "2.running_mean": [0, 0, 0],
        "2.running_var": [1, 1, 1],
        "2.num_batches_tracked": 0,
    }


def test_a_buffer_that_no_checkpoint_can_have_is_refused_with_a_way_out(command):
    err = command("record", "cli_models:waves", *FILES)[2]
    assert err.endswith("; register a buffer that no checkpoint needs with persistent=False\n")


BAD = [
    (["cli_models:broken"], "cli_models:broken raised RuntimeError: no with a line ("),
    (["cli_models:leaving"], "cli_models:leaving raised SystemExit: 0 ("),
    (["cli_models:long"], f"cli_models:long raised ValueError: {'x' * 1000}... ("),
    (["cli_models:waves"], "cli_models:waves: shapes['waves']: dtype must be one of float32, "),
    (["cli_models:pair"], "cli_models:pair must return a torch.nn.Module, got a tuple; name a function of your own"),
    (["cli_models:three"], "cli_models:three must return a torch.nn.Module, got an int; name a function of your own"),
    (["cli_models:SIZE"], "module:function must name a function or class, got 'cli_models:SIZE', an int\n"),
    (["cli_models:nothing"], "cli_models:nothing must return a torch.nn.Module, got None; name a function of your own"),
    (["cli_models:Model", "--arg", "sise"], "--arg must be NAME=VALUE, such as --arg hidden_size=64, got 'sise'\n"),
    (["cli_models:Model", "--arg", "=3"], "--arg must be NAME=VALUE, such as --arg hidden_size=64, got '=3'\n"),
    (["cli_models:Model", "--arg", "a=1", "--arg", "a=2"], "--arg must give every name once, got a twice\n"),
    (["cli_models:Model", "--arg", "size=big"], "cli_models:Model raised TypeError: "),
    (["cli_models:nothing", "--arg", "a=1"], "cli_models:nothing raised TypeError: "),
    (
        ["cli_models:Modell"],
        "module:function must name a function of cli_models, got 'cli_models:Modell', which has no "
        "Modell; did you mean Model?\n",
    ),
    (["cli_model:Model"], "module:function must name a module that can be imported from "),
    (["torch.nm:Linear"], "module:function must name a module that can be imported from "),
    (["torch.nn"], "module:function must be as in models.resnet:build, got 'torch.nn'\n"),
    (["cli_models:Model", "--config", "none.json"], "none.json: No such file or directory\n"),
    (["cli_models:Model", "--config", "given.json"], "--config must be a JSON object, got given.json with a list\n"),
    (["cli_models:Model", "--config", "cli_models.py"], "--config must be a JSON object, got cli_models.py: "),
    (["cli_models:Model", "--copies", "drew"], "--copies must be one of 'refuse', 'draw', got 'drew'; did you mean "),
    (["cli_models:Model", "--computed", "x"], "--computed must be one of 'refuse', 'keep', got 'x'"),
    (["cli_models:Model", "--rules", "none.toml"], "none.toml: No such file or directory\n"),
    (
        ["cli_models:Model", "--rules", "typo.toml"],
        "cli_models:Model: rules must all match a parameter, got '*.wieght', which matches none; remove or correct it, "
        "or make it optional: Rule(pattern, init, optional=True), in TOML optional = true\n",
    ),
    (["cli_models:Model", "--seed", "-1"], "--seed "),
]


@pytest.mark.parametrize(("arguments", "problem"), BAD, ids=lambda value: " ".join(value)[:40])
def test_bad_input_is_one_line_and_leaves_no_file(command, tmp_path, arguments, problem):
    (tmp_path / "given.json").write_text("[1]")
    (tmp_path / "typo.toml").write_text('[[rule]]\nmatch = "*.wieght"\ninit = "Ones"\n')
    code, _, err = command("record", *arguments, *FILES)
    assert code == 2
    line = err.splitlines()[-1] + "\n"
    assert line.startswith(f"weightfill: {problem}")
    assert made(tmp_path) == []


def test_a_config_that_is_no_file_is_one_line(command):
    os.mkfifo("fifo")
    err = command("record", "cli_models:Model", *FILES, "--config", "fifo")[2]
    assert err.startswith(
        "weightfill: --config must be a JSON object, a regular file of at most 16,777,216 bytes, got fifo"
    )


def test_without_torch_there_is_one_line(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert command("record", "cli_models:Model", *FILES) == (
        2,
        "",
        "weightfill: record needs torch, which is not installed: pip install 'weightfill[torch]'\n",
    )


def test_nearest_modules_are_suggested(command):
    assert command("record", "cli_model:Model", *FILES)[2].endswith("; did you mean cli_models?\n")
    assert command("record", "torch.optin:Linear", *FILES)[2].endswith("; did you mean optim?\n")


def test_a_library_that_is_not_installed_is_not_taken_for_another(command):
    err = command("record", "torchaudios.models:resnet", *FILES)[2]
    assert err.endswith(", got 'torchaudios.models:resnet'; torchaudios is not installed, and not in this folder\n")


def test_files_are_checked_before_anything_is_built(command, tmp_path):
    build = ["record", "cli_models:broken"]
    assert command(*build, "--out", "plan.json", "--shapes", "m.json")[2] == (
        "weightfill: --out must end in .toml, got 'plan.json'\n"
    )
    assert command(*build, "--out", "p.toml", "--shapes", "m.toml")[2] == (
        "weightfill: --shapes must end in .json, got 'm.toml'\n"
    )
    (tmp_path / "plan.toml").write_text("mine")
    assert command(*build, *FILES)[2] == "weightfill: plan.toml exists; --force replaces a file\n"
    assert command(*build, "--out", "no/p.toml", "--shapes", "m.json")[2] == (
        "weightfill: no/p.toml: No such file or directory\n"
    )
    assert made(tmp_path) == ["plan.toml"]
    assert command("record", "cli_models:broken", *FILES, "--force")[0] == 2
    assert (tmp_path / "plan.toml").read_text() == "mine"


def test_a_library_that_needs_what_is_not_installed_is_one_line(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with open("given.json", "w") as file:
        file.write('{"model_type": "gpt2"}')
    code, _, err = command("record", "cli_models:Model", *FILES, "--config", "given.json")
    assert code == 2
    assert err.startswith("weightfill: --config with a model_type is one of transformers, got given.json and ")


def test_ctrl_c_while_the_model_is_built_leaves_no_file(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time\ndef build():\n    print('building', flush=True)\n    time.sleep(600)\n"
    )
    before = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = command_line("record", "slow:build", *FILES, before=before)
    with subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "building\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "weightfill: interrupted\n"
    assert process.returncode == 130
    assert made(tmp_path) == []
    assert [name for name in os.listdir(tmp_path) if name.endswith(".weightfill")] == []
