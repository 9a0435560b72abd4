"""A small model for the tests of the command line: its plan, its manifest and what they give."""

import json

import ml_dtypes
import numpy as np

import weightfill as wf

PLAN = """
seed = 42

[[rule]]
match = "*.bias"
init = "Zeros"

[[rule]]
match = "*"
init = "KaimingNormal"
"""
SHAPES = {"fc.weight": [64, 32], "fc.bias": [64], "head.weight": [10, 64]}
MODEL = ["model", "plan.toml", "--shapes", "manifest.json", "--out", "m.safetensors"]


def write_inputs(folder, plan=PLAN, shapes=SHAPES):
    (folder / "plan.toml").write_text(plan)
    (folder / "manifest.json").write_text(json.dumps(shapes))


def outputs(folder):
    return sorted({path.name for path in folder.iterdir()} - {"plan.toml", "manifest.json"})


def expected(seed=42, dtype="float32"):
    plan = wf.Plan(wf.Plan.from_toml(PLAN).rules, seed=seed)
    return plan.fill({name: np.empty(shape, getattr(ml_dtypes, dtype, dtype)) for name, shape in SHAPES.items()})


def holds(file, tensors):
    from safetensors.numpy import load_file  # here, as every test imports this module, and not every Python has it

    found = load_file(file)
    return found.keys() == tensors.keys() and all(found[n].tobytes() == t.tobytes() for n, t in tensors.items())
