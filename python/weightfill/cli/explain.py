"""`weightfill explain`: say what a plan does to a model."""

from __future__ import annotations

import json
from typing import Any

from weightfill.cli.options import Json
from weightfill.cli.plans import ModelDtype, PlanFile, PlanSeed, ShapesFile, plan_of, specs_of
from weightfill.explanation import Explained

EXAMPLES = """**Examples**

```
weightfill explain plan.toml --shapes manifest.json
weightfill explain plan.toml --shapes model.safetensors --dtype bfloat16 --json
```
"""


def explain(
    plan: PlanFile,
    shapes: ShapesFile,
    seed: PlanSeed = None,
    dtype: ModelDtype = None,
    as_json: Json = False,
) -> int:
    """Show for every parameter of a model the rule it gets, the law with its numbers, the fans and the bytes.

    Nothing is filled and no memory is needed, whatever the size of the model. --json has all digits of the numbers.
    A plan without a seed needs --seed, though no number depends on it.
    """
    explanation = plan_of(plan, seed).explain(specs_of(shapes, dtype))
    if not as_json:
        print(explanation)
        return 0
    report = {
        "plan": plan,
        "parameters": [_report(parameter) for parameter in explanation],
        "tensors": len(explanation),
        "elements": explanation.elements,
        "bytes": explanation.nbytes,
    }
    print(json.dumps(report))
    return 0


def _report(parameter: Explained) -> dict[str, Any]:
    report = {
        "name": parameter.name,
        "shape": parameter.shape,
        "dtype": parameter.dtype.name,
        "rule": parameter.pattern,
        "initializer": repr(parameter.init),
        "law": None if parameter.law is None else repr(parameter.law),
        "bytes": parameter.nbytes,
    }
    return report if parameter.fans is None else {**report, **parameter.fans._asdict()}
