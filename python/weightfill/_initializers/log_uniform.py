"""The log-uniform law, and what models make of its values."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

import numpy as np

from weightfill._arguments.choices import check_choice
from weightfill._initializers.base import Floats, PlainLaw, store_number
from weightfill._initializers.names import named

_STEPS = 1 << 16  # of a quadrature
WIDEST = 1e30  # high / low, up to which the tables are as exact as they should be
_TRANSFORMS = (None, "inverse_softplus")  # as the core numbers them


@named()
@dataclass(frozen=True, slots=True)
class LogUniform(PlainLaw):
    """exp(u) with u uniform between log(low) and log(high): every factor of 10 is as likely as any other.

    `low <= x <= high` holds in every dtype, also after rounding. With `then="inverse_softplus"` each value x becomes
    log(exp(x) - 1), from which the softplus in a model, log(1 + exp(y)), makes x again; the bounds are transformed
    likewise. The transform is part of the table that values are drawn from, so it costs nothing.

    Step sizes of state space models begin so: in Mamba the bias of `dt_proj` is LogUniform(1e-3, 1e-1,
    then="inverse_softplus") (Gu and Dao, "Mamba: Linear-time sequence modeling with selective state spaces", 2023,
    section 3.6; `dt` and `inv_dt` of mamba_simple.py in its code).

    Args:
        low: the smallest value before the transform, greater than 0.
        high: the largest value before the transform, greater than `low` and at most 1e30 times `low`.
        then: what becomes of each value: None for nothing, or "inverse_softplus".

    >>> LogUniform(1e-3, 1e-1, then="inverse_softplus")
    LogUniform(low=0.001, high=0.1, then='inverse_softplus')

    Raises:
        TypeError: a bound is not a number, or `then` is no text.
        ValueError: a bound is not finite, `low` is not positive and below `high`, `high` is more than 1e30 times `low`,
            or there is no transform of this name.
    """

    core_name: ClassVar[str] = "log_uniform"
    bounded: ClassVar[bool] = True
    low: float
    high: float
    _: KW_ONLY
    then: Literal["inverse_softplus"] | None = None

    def __post_init__(self) -> None:
        low, high = store_number(self, "low"), store_number(self, "high")
        if low < sys.float_info.min:
            rule = "must be greater than 0" if low <= 0 else f"must be at least {sys.float_info.min:.2e}"
            raise ValueError(f"low {rule}, got {low}; use Uniform for values down to 0")
        if not low < high:
            raise ValueError(f"low must be less than high, got low={low}, high={high}")
        if high / low > WIDEST:
            raise ValueError(
                f"high must be at most {WIDEST:g} times low, got low={low}, high={high}; draw two narrower laws"
            )
        if self.then is not None:
            check_choice(self.then, _TRANSFORMS[1:], "then")

    def parameters(self) -> tuple[float, ...]:
        """Return both bounds, before the transform, and its number."""
        return self.low, self.high, float(_TRANSFORMS.index(self.then))

    def span(self, word_bits: int) -> tuple[float, float]:
        """Return both bounds, transformed."""
        return self._transformed(self.low), self._transformed(self.high)

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation of the values, transformed, by quadrature."""
        low, high = math.log(self.low), math.log(self.high)
        x = np.exp(low + (np.arange(_STEPS) + 0.5) * ((high - low) / _STEPS))
        values = x if self.then is None else x + np.log(-np.expm1(-x))
        return float(values.mean()), float(values.std())

    def density(self, x: Floats) -> Floats:
        """Return 1 / (x log(high / low)) between the bounds; times the slope of softplus for what it makes x of."""
        low, high = self.span(64)
        width = math.log(self.high / self.low)
        inside = np.clip(x, low, high)
        if self.then is None:
            likely = 1 / (inside * width)
        else:
            before = np.logaddexp(0, inside)  # softplus; its slope is exp(y) / (1 + exp(y))
            likely = np.exp(inside - before) / (before * width)
        return np.where(inside == x, likely, 0.0)

    def rescaled(self, change: Callable[[float], float]) -> LogUniform:
        """Return the law between the bounds changed; ValueError if values are transformed."""
        if self.then is not None:
            raise ValueError(f"of must have no transform, got {self}; what it draws, scaled, is no law of this kind")
        return LogUniform(change(self.low), change(self.high))

    def _transformed(self, x: float) -> float:
        return x if self.then is None else x + math.log(-math.expm1(-x))
