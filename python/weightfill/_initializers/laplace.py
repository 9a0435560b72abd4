"""The Laplace law."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from weightfill._initializers.base import Floats, PlainLaw, store_number
from weightfill._initializers.names import named

# How far from the mean, in scales, the outermost word lies: the logarithms of 2**32 and 2**64.
REACH = {32: 22.18070977791825, 64: 44.3614195558365}


@named(pair=True)
@dataclass(frozen=True, slots=True)
class Laplace(PlainLaw):
    """Laplace, with the density exp(-|x - mean| / scale) / (2 * scale): more weights near the mean and far from it.

    If you pass one parameter only, pass it by name. Values beyond 22.2 scales (44.4 in float64) never occur; the effect
    on the distribution is negligible. The standard deviation is sqrt(2) * scale. It is the prior under which the most
    probable weights are those of an L1 penalty (Williams, "Bayesian regularization and pruning using a Laplace prior",
    Neural Computation 7, 1995).

    Args:
        mean: mean of the values, finite.
        scale: mean distance of the values from `mean`, finite and greater than 0.

    >>> Laplace(scale=0.01)
    Laplace(mean=0.0, scale=0.01)

    Raises:
        TypeError: a parameter is not a number, or only one is given, by position.
        ValueError: a parameter is not finite, or `scale` is not positive.
    """

    core_name: ClassVar[str] = "laplace"
    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        store_number(self, "mean")
        if (scale := store_number(self, "scale")) <= 0:
            raise ValueError(f"scale must be greater than 0, got {scale}; use Constant(mean) for no spread")

    def parameters(self) -> tuple[float, ...]:
        """Return mean and scale."""
        return self.mean, self.scale

    def span(self, word_bits: int) -> tuple[float, float]:
        """Return the values of the outermost words."""
        return self.mean - REACH[word_bits] * self.scale, self.mean + REACH[word_bits] * self.scale

    def moments(self) -> tuple[float, float]:
        """Return the mean, and sqrt(2) scales."""
        return self.mean, math.sqrt(2) * self.scale

    def density(self, x: Floats) -> Floats:
        """Return exp(-|x - mean| / scale) / (2 * scale)."""
        result: Floats = np.exp(-np.abs(x - self.mean) / self.scale) / (2 * self.scale)
        return result

    def rescaled(self, change: Callable[[float], float]) -> Laplace:
        """Return the law with mean and scale changed."""
        return Laplace(change(self.mean), change(self.scale))
