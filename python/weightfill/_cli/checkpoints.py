"""The part of `weightfill verify` that compares a checkpoint with its plan."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import weightfill as wf
from weightfill._arguments.messages import printable
from weightfill._checkpoints.verification import CheckpointVerification, TensorVerification, verify_checkpoint
from weightfill._cli.bars import bar
from weightfill._cli.plans import plan_of, specs_of
from weightfill._cli.reports import counted, difference, difference_text
from weightfill._cli.tables import Column, Row, print_table, print_total, terminal_width
from weightfill._files.safetensors_file import entries


def verify_model(
    file: str, plan: str, shapes: str | None, seed: int | None, limit: int, threads: int | None, as_json: bool
) -> int:
    """Compare a checkpoint with the plan in a file, and print up to `limit` tensors that differ; return the exit code.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is damaged, the plan does not fit the checkpoint, or `threads` is out of range.
    """
    rules = plan_of(plan, seed)
    parameters = None if shapes is None else specs_of(shapes, None)
    if limit < 0:
        raise ValueError(f"--limit must be at least 0, got {limit}")
    sizes = [(math.prod(entry.shape), entry.dtype) for entry in entries(file).values()]
    nbytes = sum(count * item.itemsize for count, item in sizes if item is not None)
    with bar("verifying", file, sum(count for count, _ in sizes), nbytes) as show:
        result = verify_checkpoint(file, rules, shapes=parameters, threads=threads, progress=partial(show, 0))
    if as_json:
        apart = [_report(name, tensor) for name, tensor in result.items() if not tensor]
        report = {"file": file, "plan": plan, "seed": rules.seed, "equal": result.equal, "tensors": len(result)}
        print(json.dumps({**report, "differing": len(apart), "differences": apart}))
    else:
        width = terminal_width()
        print_total(_conclusion(result, rules), width)
        names = [name for name, tensor in result.items() if not tensor]
        _print_apart({name: result[name] for name in names[:limit]}, width)
        if len(names) > limit:
            print(f"... {counted(len(names) - limit, 'more tensor')}; --limit {len(names)} names all")
    return 0 if result.equal else 1


def _report(name: str, tensor: TensorVerification) -> dict[str, Any]:
    if tensor.verification is None:
        return {"name": name, "problem": tensor.problem}
    return {"name": name, **difference(tensor.verification)}


def _conclusion(result: CheckpointVerification, rules: wf.Plan) -> str:
    equal = sum(1 for tensor in result.values() if tensor)
    text = f"{equal} of {len(result)} tensors have their initial values"
    random = [name for name, tensor in result.items() if tensor.verification is not None and _is_random(rules, name)]
    if len(random) > 1 and not any(result[name] for name in random):
        text += f"; all {len(random)} random ones differ: another seed or plan?"
    return text


def _is_random(rules: wf.Plan, name: str) -> bool:
    try:
        return rules.rule(name).init.random
    except ValueError:  # a buffer has its value without a rule
        return False


def _print_apart(tensors: Mapping[str, TensorVerification], width: int | None) -> None:
    """Print what differs: a table of the terminal's width, a line a tensor elsewhere."""
    if width is None:
        for name, tensor in tensors.items():
            print(f"{printable(name)}: {_text(tensor)}")
    elif tensors:
        columns = [Column("tensor"), Column("differ"), Column("first", drop=2), Column("expected", drop=1)]
        rows = [_row(name, tensor) for name, tensor in tensors.items()]
        print_table([*columns, Column("found", drop=1)], rows, lambda heading, row: "", width)


def _row(name: str, tensor: TensorVerification) -> Row:
    found = tensor.verification
    if found is None:
        return {"tensor": printable(name), "differ": tensor.problem, "first": "", "expected": "", "found": ""}
    values = [f"{float(value):.6g}" for value in (found.expected, found.found)]
    if values[0] == values[1]:
        values = [str(found.expected), str(found.found)]
    many = "all" if found.differing == found.total else f"{found.differing:,} of"
    return {
        "tensor": printable(name),
        "differ": f"{many} {found.total:,}",
        "first": str(found.index),
        "expected": values[0],
        "found": values[1],
    }


def _text(tensor: TensorVerification) -> str:
    return tensor.problem if tensor.verification is None else difference_text(tensor.verification)
