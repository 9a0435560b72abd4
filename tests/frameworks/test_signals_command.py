"""`weightfill signals` of torch models, which a function of the user's own makes."""

import json
import sys

import pytest

pytest.importorskip("torch", reason="torch is not installed")

PLAN = 'seed = 3\n[[rule]]\nmatch = "*bias"\ninit = "zeros"\n[[rule]]\nmatch = "*"\ninit = "xavier_normal"\n'
MODELS = """
import torch

def build():
    return torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(64, 5))

class Words(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = torch.nn.Embedding(50, 8), torch.nn.Linear(8, 50)

    def forward(self, ids):
        assert ids.dtype == torch.int64 and ids.min() >= 0 and ids.max() < 50
        return self.head(self.table(ids))

def broken():
    return 1 / 0

number = 3
"""


@pytest.fixture(autouse=True)
def _forget_models(monkeypatch):
    """Has each test import the models of its own folder."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    for name in [name for name in sys.modules if name.startswith("cli_")]:
        del sys.modules[name]


def test_a_torch_model_is_measured_by_a_plan(command, tmp_path):
    (tmp_path / "cli_models.py").write_text(MODELS)
    (tmp_path / "plan.toml").write_text(PLAN)
    code, out, err = command("signals", "cli_models:build", "--plan", "plan.toml", "--input", "6,2,6,6")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "Sequential, batch 6 x 2 x 6 x 6"
    read = json.loads(command("signals", "cli_models:Words", "--tokens", "3,7,50", "--json")[1])
    assert [layer["name"] for layer in read["layers"]] == ["table", "head"]
    code, out, err = command("signals", "cli_models:build", "--input", "6,3,6,6")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("weightfill: cli_models:build raised RuntimeError: ")
    both = command("signals", "cli_models:build", "--input", "6,2,6,6", "--against", "plan.toml")[1]
    assert [line.split()[0] for line in both.splitlines()[2:]] == ["as", "plan.toml"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nothing", "--input", "3"], "module:function must be as in models.resnet:build, got 'nothing'"),
        (["no_such:f", "--input", "3"], "module:function must name a module that can be imported from "),
        (
            ["cli_faulty:none", "--input", "3"],
            "module:function must name a function of cli_faulty, got 'cli_faulty:none'",
        ),
        (
            ["cli_faulty:number", "--input", "3"],
            "module:function must name a function or class, got 'cli_faulty:number'",
        ),
        (["cli_faulty:broken", "--input", "3"], "cli_faulty:broken raised ZeroDivisionError: division by zero ("),
        (["cli_needy:f", "--input", "3"], "cli_needy:f raised ModuleNotFoundError: No module named 'not_there' ("),
        (["cli_odd:f", "--input", "3"], "cli_odd:f raised SyntaxError: "),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, arguments, problem):
    (tmp_path / "cli_faulty.py").write_text("def broken():\n    return 1 / 0\nnumber = 3\n")
    (tmp_path / "cli_needy.py").write_text("import not_there\n")
    (tmp_path / "cli_odd.py").write_text("def f(:\n")
    code, out, err = command("signals", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"weightfill: {problem}")
    assert err.count("\n") == 1
