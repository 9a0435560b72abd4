"""What a plan tells about itself, and about the parameters of a model."""

import math

import pytest

import weightfill as wf
from tests.models.small_plan import RULES, SHAPES


def test_an_explanation_has_rule_law_fans_and_bytes_of_every_parameter():
    explanation = wf.Plan(RULES, seed=1).explain(SHAPES, "bfloat16")
    found = {p.name: p for p in explanation}
    assert list(found) == list(SHAPES)
    assert found["h.0.attn.weight"].law == wf.Normal(std=0.5)
    assert found["h.0.attn.weight"].fans == (8, 24)
    assert found["h.0.attn.weight"].nbytes == 2 * 8 * 24
    assert found["h.0.proj.weight"].law == wf.Normal(std=0.02 / math.sqrt(24))
    assert found["h.0.rec"].law is None
    assert explanation.elements == sum(math.prod(shape) for shape in SHAPES.values())
    assert explanation.nbytes == 2 * explanation.elements
    text = str(explanation)
    assert "3 of 8 along axis 1" in text
    assert "zero in row 0" in text
    assert f"{len(SHAPES)} parameters" in text


def test_an_explanation_names_the_parameter_that_does_not_fit():
    with pytest.raises(ValueError, match=r"'v', rule '\*': shape must have at least 2 dimensions"):
        wf.Plan({"*": wf.KaimingNormal()}, seed=1).explain({"v": (5,)})
    with pytest.raises(ValueError, match=r"'v', rule '\*': init must stay within"):
        wf.Plan({"*": wf.Normal(std=20000)}, seed=1).explain({"v": (5,)}, "float16")


def test_notebooks_show_tables():
    plan = wf.Plan([("<*>", wf.Zeros()), wf.Rule("*", wf.Normal(std=0.02), optional=True)], seed=42)
    assert plan._repr_html_() == (
        "<table><thead><tr><th>rule</th><th>initializer</th><th></th></tr></thead><tbody>"
        "<tr><td>&lt;*&gt;</td><td>Zeros()</td><td></td></tr>"
        "<tr><td>*</td><td>Normal(mean=0.0, std=0.02)</td><td>optional</td></tr></tbody></table><p>seed 42</p>"
    )
    found = plan.explain({"<b>": 3})._repr_html_()
    assert found.count("<tr>") == 2
    assert "<td>&lt;b&gt;</td><td>3</td><td>float32</td><td>&lt;*&gt;</td><td>Constant(value=0)</td>" in found
    assert found.endswith("<p>1 parameter, 3 elements, 12 bytes</p>")


def test_an_explanation_says_which_units_are_equal():
    rules = {
        "*.bias": wf.Zeros(),
        "*ln*": wf.Ones(),
        "h.*.c_proj.weight": wf.Zeros(),
        "fc.weight": wf.Constant(0.5),
        "row": wf.Zeros(),
        "*": wf.Normal(),
    }
    shapes = {"fc.weight": (500, 20), "fc.bias": 500, "h.0.ln.weight": 20, "row": (1, 9), "x": (4, 4)}
    shapes |= {f"h.{layer}.c_proj.weight": (768, 20) for layer in range(3)}
    explanation = wf.Plan(rules, seed=1).explain(shapes)
    assert {p.name: p.equal_units for p in explanation if p.equal_units} == {
        "fc.weight": 500,
        **{f"h.{layer}.c_proj.weight": 768 for layer in range(3)},
    }
    why = "; meant at the end of a residual branch and for LoRA's B, a trap elsewhere, as training keeps them equal"
    assert explanation.remarks() == [
        f"fc.weight: 500 equal units, from Constant(value=0.5){why}",
        f"h.0.c_proj.weight (and 2 others): 768 equal units, from Zeros(){why}",
    ]
    assert str(explanation).splitlines()[-3:-1] == explanation.remarks()
