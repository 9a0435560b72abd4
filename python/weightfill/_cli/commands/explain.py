"""`weightfill explain`: say what a plan does to a model."""

from __future__ import annotations

import json
import re
from typing import Any

from weightfill._cli.names import layered
from weightfill._cli.options import All, Json
from weightfill._cli.plans import ModelDtype, PlanFile, PlanSeed, ShapesFile, plan_of, specs_of
from weightfill._cli.reports import counted
from weightfill._cli.tables import Column, Row, print_table, print_total, terminal_width
from weightfill._models.explanation import Explained, Explanation

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
    all_rows: All = False,
    as_json: Json = False,
) -> int:
    """Show what a plan does: the rule, distribution, fans and bytes of every parameter.

    Nothing is filled, so the size of the model does not matter. A terminal shows a table that fits its width, with one
    row for equal layers. A file or a pipe gets one line per parameter. --json has all digits of the numbers.
    The output does not depend on the seed.
    """
    explanation = plan_of(plan, seed, without=0).explain(specs_of(shapes, dtype))
    if not as_json:
        _print(explanation, all_rows)
        return 0
    report = {
        "plan": plan,
        "parameters": [_report(parameter) for parameter in explanation],
        "tensors": len(explanation),
        "elements": explanation.elements,
        "bytes": explanation.nbytes,
        "ties": explanation.ties,
        "known": explanation.known,
        "left_out": explanation.left,
    }
    print(json.dumps(report))
    return 0


def _print(explanation: Explanation, all_rows: bool) -> None:
    width = terminal_width()
    rows = [{"layers": "", **row} for row in explanation.rows()]
    if width is not None and not all_rows:
        rows = _grouped(explanation, rows)
    columns = [
        Column("parameter"),
        *([Column("layers", right=True, drop=5)] if any(row["layers"] for row in rows) else []),
        Column("shape"),
        Column("dtype", drop=3),
        Column("rule", drop=2),
        Column("distribution", narrow=_short),
        Column("fans", drop=1),
        Column("bytes", right=True, drop=4),
    ]
    print_table(columns, rows, _style, width)
    for remark in explanation.remarks():
        print_total(remark, width)
    print_total(
        f"{counted(len(explanation), 'parameter')}, {explanation.elements:,} elements, {explanation.nbytes:,} bytes"
        + (f", {len(rows)} kinds; --all shows each" if len(rows) < len(explanation) else ""),
        width,
    )


def _grouped(explanation: Explanation, rows: list[Row]) -> list[Row]:
    """Return one row for all layers that differ in their number only."""
    groups: dict[Any, list[int]] = {}
    for number, p in enumerate(explanation):
        groups.setdefault((layered(p.name), p.shape, p.dtype, p.pattern, p.init), []).append(number)
    parameters = list(explanation)
    result = []
    for numbers in groups.values():
        row = rows[numbers[0]]
        if len(numbers) > 1:
            nbytes = sum(parameters[number].nbytes for number in numbers)
            row = {**row, "parameter": layered(row["parameter"]), "layers": f"x{len(numbers)}", "bytes": f"{nbytes:,}"}
        result.append(row)
    return result


def _short(law: str) -> str:
    """Return a law without the names of its numbers, which get four digits."""
    bare = re.sub(r"\b[a-z_]+=", "", law)
    return re.sub(r"[0-9]+\.[0-9]+(?:e[+-]?[0-9]+)?", lambda number: f"{float(number[0]):.4g}", bare)


def _style(heading: str, row: Row) -> str:
    if row["distribution"].startswith("Constant"):
        return "dim"
    return {"layers": "cyan", "distribution": "green"}.get(heading, "")


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
    if parameter.equal_units:
        report["equal_units"] = parameter.equal_units
    return report if parameter.fans is None else {**report, **parameter.fans._asdict()}
