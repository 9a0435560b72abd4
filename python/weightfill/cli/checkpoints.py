"""The part of `weightfill verify` that compares a checkpoint with its plan."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Any

from weightfill.checkpoint import verify_checkpoint
from weightfill.checkpoint_verification import TensorVerification
from weightfill.cli.bars import bar
from weightfill.cli.plans import plan_of, specs_of
from weightfill.cli.reports import difference
from weightfill.safetensors_file import entries


def verify_model(file: str, plan: str, shapes: str | None, seed: int | None, threads: int | None, as_json: bool) -> int:
    """Compare a checkpoint with the plan in a file, and print every tensor that differs; return the exit code.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is damaged, the plan does not fit the checkpoint, or `threads` is out of range.
    """
    rules = plan_of(plan, seed)
    parameters = None if shapes is None else specs_of(shapes, None)
    with bar("verifying", sum(math.prod(entry.shape) for entry in entries(file).values())) as show:
        result = verify_checkpoint(file, rules, shapes=parameters, threads=threads, progress=partial(show, 0))
    if as_json:
        apart = [_report(name, tensor) for name, tensor in result.items() if not tensor]
        report = {"file": file, "plan": plan, "seed": rules.seed, "equal": result.equal, "tensors": len(result)}
        print(json.dumps({**report, "differing": len(apart), "differences": apart}))
    else:
        print(result)
    return 0 if result.equal else 1


def _report(name: str, tensor: TensorVerification) -> dict[str, Any]:
    if tensor.verification is None:
        return {"name": name, "problem": tensor.problem}
    return {"name": name, **difference(tensor.verification)}
