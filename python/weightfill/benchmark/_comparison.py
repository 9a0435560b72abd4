"""Whether something became slower: values of two versions, measured in pairs, and what they allow to be said."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median, stdev
from typing import Any, Literal

from weightfill._arguments.messages import shown

Verdict = Literal["holds", "fell", "too noisy"]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """How fast a new version is beside an old one.

    Attributes:
        old: what the old version reached, the median of all pairs, in the unit that was measured.
        new: what the new version reached.
        change: the new speed as a multiple of the old one: 0.9 is 10 % slower.
        low: the lower end of the confidence interval of `change`.
        high: its upper end.
        confidence: of the interval.
        pairs: how many pairs were measured.
        allowed: the fall that is not worth mentioning: 0.1 is 10 %.
    """

    old: float
    new: float
    change: float
    low: float
    high: float
    confidence: float
    pairs: int
    allowed: float

    @property
    def verdict(self) -> Verdict:
        """What the interval says about the allowed fall.

        'fell' if it lies below completely, 'holds' if it lies above completely, 'too noisy' if it has both sides: then
        measure more pairs, or on a quieter machine.
        """
        if self.high < 1 - self.allowed:
            return "fell"
        return "holds" if self.low >= 1 - self.allowed else "too noisy"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, and the verdict, in types that JSON has."""
        return {**asdict(self), "verdict": self.verdict}

    def to_json(self) -> str:
        """Return the same as a line of JSON."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        low, high = self.low - 1, self.high - 1
        return f"{self.verdict}: {self.change - 1:+.1%} [{low:+.1%} to {high:+.1%}] from {self.pairs} pairs"


def compare_values(
    old: Sequence[float],
    new: Sequence[float],
    *,
    smaller_is_faster: bool = False,
    allowed: float = 0.1,
) -> Comparison:
    """Compare what two versions reached, value by value: the first of both are a pair, and so on.

    The values of a pair were measured right after each other, so what slows the machine for minutes slows both. The
    interval is Student's, of the mean of the logarithms of the pairs' ratios.

    Args:
        old: shares, rates or times of the old version.
        new: as many of the new one.
        smaller_is_faster: whether the values are times.
        allowed: the fall that is not worth mentioning, in [0, 1).

    >>> print(compare_values([0.60, 0.54, 0.62], [0.61, 0.55, 0.62]))
    holds: +1.2% [-1.3% to +3.7%] from 3 pairs
    >>> print(compare_values([1.0, 1.1, 0.9], [2.0, 2.2, 1.9], smaller_is_faster=True))
    fell: -50.9% [-54.6% to -46.9%] from 3 pairs

    Raises:
        TypeError: a value is not a number.
        ValueError: there are fewer than 2 pairs, the sides differ in length, a value is not positive, or `allowed` is
            not in [0, 1).
    """
    allowed = checked_allowed(allowed)
    for argument, values in (("old", old), ("new", new)):
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{argument} must be numbers, got {shown(value)}")
            if not 0 < value < math.inf:
                raise ValueError(f"{argument} must be positive numbers, got {shown(value)}")
    if len(old) != len(new):
        raise ValueError(f"new must have as many values as old, a pair each, got {len(new)} and {len(old)}")
    if len(old) < 2:
        raise ValueError(f"old must have at least 2 values, got {len(old)}; measure more pairs")
    slower, faster = (new, old) if smaller_is_faster else (old, new)
    logarithms = [math.log(b / a) for a, b in zip(slower, faster, strict=True)]
    middle = mean(logarithms)
    reach = students_t(len(old) - 1, CONFIDENCE) * stdev(logarithms) / math.sqrt(len(old))
    low, high = math.exp(middle - reach), math.exp(min(middle + reach, 700.0))
    return Comparison(median(old), median(new), math.exp(middle), low, high, CONFIDENCE, len(old), allowed)


def checked_allowed(allowed: float) -> float:
    """Return `allowed` if it is a part of a speed.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not in [0, 1).
    """
    if isinstance(allowed, bool) or not isinstance(allowed, int | float):
        raise TypeError(f"allowed must be a number in [0, 1), got {shown(allowed)}")
    if not 0 <= allowed < 1:
        raise ValueError(f"allowed must be in [0, 1), got {shown(allowed)}; 0.1 allows a fall of 10 %")
    return float(allowed)


def students_t(freedom: int, confidence: float) -> float:
    """Return the t within +-t of which Student's variable of so many degrees of freedom lies with this probability.

    Halves an interval of the angle atan(t / sqrt(freedom)), in which the probability is a finite sum (Abramowitz and
    Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4).

    >>> round(students_t(4, 0.95), 3)
    2.776
    """
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    cosine, odd = math.cos(angle), freedom % 2
    term = total = cosine if odd else 1.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if not odd:
        return math.sin(angle) * total
    return (angle + (math.sin(angle) * total if freedom > 1 else 0.0)) * 2 / math.pi
