"""Numbers in reports."""

from __future__ import annotations

import math
from typing import Any

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
