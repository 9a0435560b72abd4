"""Numbers in reports."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weightfill._initializers.laws import TruncatedNormal
from weightfill._verification import Verification


def json_number(value: Any) -> float | str:
    """Return a number as a float; as text if it is not finite, for which JSON has no number."""
    number = float(value)
    return number if math.isfinite(number) else str(number)


def difference(result: Verification) -> dict[str, Any]:
    """Return how many elements differ and the first that does, if any."""
    report: dict[str, Any] = {"elements": result.total, "differing": result.differing}
    if not result.equal:
        report["first"] = {
            "index": result.index,
            "expected": json_number(result.expected),
            "found": json_number(result.found),
        }
    return report


def difference_text(result: Verification) -> str:
    """Return how many elements differ, and the first that does."""
    return (
        f"{result.differing:,} of {result.total:,} elements differ, "
        f"the first at {result.index}: expected {result.expected}, found {result.found}"
    )


def counted(count: int, noun: str) -> str:
    """Return "1 tensor", "2 tensors" and so on."""
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


def expected_moments(law: TruncatedNormal) -> tuple[float, float]:
    """Return mean and standard deviation of a truncated normal law after the cut, good to six digits.

    >>> mean, std = expected_moments(TruncatedNormal(std=0.02))
    >>> f"{mean:.6g}, {std:.6g}"
    '0, 0.0175925'
    """
    low, high = ((bound - law.mean) / law.std for bound in law.bounds())
    peak = min(max(low, 0.0), high)
    reach = math.sqrt(peak * peak + 80)  # beyond, the density is below e^-40 of its largest
    low, high = max(low, -reach), min(high, reach)
    step = (high - low) / _STEPS
    x = low + (np.arange(_STEPS) + 0.5) * step
    weight = np.exp((peak * peak - x * x) / 2)
    weight /= weight.sum()
    mean = float(weight @ x) if low != -high else 0.0
    spread = math.sqrt(float(weight @ (x - mean) ** 2))
    return law.mean + law.std * mean, law.std * spread


_STEPS = 1 << 16
