"""KeepValues: parameters that a plan leaves as they are, of arrays, files and documents."""

import re

import numpy as np
import pytest
from safetensors.numpy import save_file

import weightfill as wf

PLAN = wf.Plan({"*lora_A*": wf.KaimingUniform(), "*lora_B*": wf.Zeros(), "*": wf.KeepValues()}, seed=42)


def params():
    return {
        "fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fc.codes": np.arange(4, dtype=np.int8),
        "fc.lora_A.weight": np.empty((2, 3), np.float32),
        "fc.lora_B.weight": np.ones((2, 2), np.float32),
    }


def test_they_are_left_alone_and_the_others_filled():
    given, expected = params(), params()
    given["fc.weight"].setflags(write=False)
    done = []
    assert PLAN.fill(given, progress=lambda *state: done.append(state)) is given
    for name in ("fc.weight", "fc.codes"):
        assert (given[name] == expected[name]).all()
    lora = wf.create((2, 3), wf.KaimingUniform(), seed=42, stream="fc.lora_A.weight")
    assert (given["fc.lora_A.weight"] == lora).all()
    assert not given["fc.lora_B.weight"].any()
    assert done[-1] == (10, 10)


def test_a_plan_of_nothing_else_does_nothing():
    given = params()
    wf.Plan({"*": wf.KeepValues()}).fill(given)
    assert all((given[name] == array).all() for name, array in params().items() if name != "fc.lora_A.weight")


def test_its_rule_must_match_as_any_other():
    with pytest.raises(ValueError, match=re.escape("rules must all match a parameter, got '*base*'")):
        wf.Plan({"*base*": wf.KeepValues(), "*": wf.Zeros()}).fill({"fc.weight": np.empty(3, np.float32)})


def test_it_stands_in_documents_and_texts():
    assert wf.Plan.from_toml(PLAN.to_toml()) == PLAN
    assert 'init = "KeepValues"' in PLAN.to_toml()
    assert wf.Plan({"*": "keep_values"}).rules[0].init == wf.KeepValues()


def test_explain_shows_it():
    shown = PLAN.explain({"fc.weight": (2, 3), "fc.lora_A.weight": (1, 3), "fc.lora_B.weight": (2, 1)})
    row = {row["parameter"]: row for row in shown.rows()}["fc.weight"]
    assert (row["rule"], row["distribution"], row["bytes"]) == ("*", "KeepValues()", "24")


def test_files_are_compared_but_for_it(tmp_path):
    given = {name: array for name, array in params().items() if name != "fc.codes"}
    save_file(PLAN.fill(given), tmp_path / "model.safetensors")
    for shapes in (None, {name: array.shape for name, array in given.items()}):
        found = wf.verify_checkpoint(tmp_path / "model.safetensors", PLAN, shapes=shapes)
        assert found
        assert str(found) == "2 of 2 tensors have their initial values, 1 of KeepValues() not compared"
        assert found["fc.weight"].kept
        assert not found["fc.weight"].equal
        assert str(found["fc.weight"]) == "not compared, as its rule is KeepValues()"
    save_file({**given, "fc.lora_B.weight": np.ones((2, 2), np.float32)}, tmp_path / "other.safetensors")
    found = wf.verify_checkpoint(tmp_path / "other.safetensors", PLAN)
    assert not found
    assert str(found).endswith("1 of 2 tensors have their initial values, 1 of KeepValues() not compared")


MESSAGE = (
    "init must be one that makes values, got KeepValues(), which leaves those that are there; let Plan.fill or "
    "weightfill.torch.initialize fill the other parameters in memory, or give this one another rule"
)


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: wf.Tensor((2, 3), wf.KeepValues(), seed=1),
        lambda folder: wf.create((2, 3), wf.KeepValues(), seed=1),
        lambda folder: wf.fill(np.empty(3, np.float32), wf.KeepValues()),
        lambda folder: wf.verify(np.empty(3, np.float32), wf.KeepValues()),
        lambda folder: wf.create(4, wf.Blocks((wf.KeepValues(), wf.Zeros()), 2), seed=1),
        lambda folder: wf.create((4, 2), wf.Padded(wf.KeepValues(), 1), seed=1),
        lambda folder: wf.create((4, 2), wf.Scaled(wf.KeepValues(), 2.0), seed=1),
        lambda folder: PLAN.tensors({"fc.weight": (2, 3), "lora_A": (2, 2), "lora_B": (2, 2)}),
        lambda folder: PLAN.write(folder / "m.safetensors", {"fc.weight": (2, 3), "lora_A": (2, 2), "lora_B": (2, 2)}),
    ],
)
def test_it_makes_no_values(make, tmp_path):
    with pytest.raises(ValueError, match=re.escape(MESSAGE)):
        make(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ValueError, match=re.escape("'fc.weight', KeepValues(): init must be one that makes")):
        PLAN.write(tmp_path / "m.safetensors", {"lora_A": (2, 2), "lora_B": (2, 2), "fc.weight": (2, 3), "z": 4})
