"""What an array holds, summed up block by block, so that none has to stay in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.dtypes import CORE_DTYPES


class Summary:
    """Moments, extremes and special values of the elements added so far.

    Attributes:
        total: number of elements.
        count: of these the finite ones, to which mean, standard deviation, minimum and maximum belong.
        zeros: elements that are +-0.
        nan: elements that are not a number.
        infinite: elements that are +-infinity.
        mean: of the finite elements; 0.0 if there is none.
        squares: sum of their squared distances from the mean; overflows for elements beyond about 1e150.
        least: the smallest finite element; infinity if there is none.
        greatest: the largest finite element; -infinity if there is none.

    >>> import numpy as np
    >>> summary = Summary()
    >>> summary.add(np.float32([1, 3, np.nan]), threads=1)
    >>> summary.add(np.float32([0, 4]), threads=1)
    >>> summary.mean, summary.least, summary.greatest, summary.zeros, summary.nan
    (2.0, 0.0, 4.0, 1, 1)
    """

    def __init__(self) -> None:
        self.total = self.count = self.zeros = self.nan = self.infinite = 0
        self.mean, self.squares = 0.0, 0.0
        self.least, self.greatest = math.inf, -math.inf

    @property
    def std(self) -> float:
        """Standard deviation of the finite elements, with divisor `count`; NaN if there is none."""
        return math.sqrt(self.squares / self.count) if self.count else math.nan

    def add(self, block: npt.NDArray[Any], threads: int) -> None:
        """Read the block, of a dtype that the core fills, once."""
        number = CORE_DTYPES[block.dtype].number
        part = Summary()
        part.total, part.nan, part.infinite, part.zeros, mean, std, least, greatest = _core.summarize(
            block, number, threads, None
        )
        part.count = part.total - part.nan - part.infinite
        if part.count:
            part.mean, part.squares, part.least, part.greatest = mean, std * std * part.count, least, greatest
        self.merge(part)

    def merge(self, other: Summary) -> None:
        """Add all elements that were added to another summary."""
        self.total += other.total
        self.zeros += other.zeros
        self.nan += other.nan
        self.infinite += other.infinite
        if not other.count:
            return
        # Chan, Golub, LeVeque 1983: sums of squares about two means, joined without cancellation.
        both = self.count + other.count
        apart = other.mean - self.mean
        self.squares += other.squares + apart * apart * self.count * other.count / both
        self.mean += apart * other.count / both
        self.count = both
        self.least, self.greatest = min(self.least, other.least), max(self.greatest, other.greatest)

    def numbers(self) -> dict[str, float | None]:
        """Return mean, std, min and max; None if there was no finite element."""
        if not self.count:
            return dict.fromkeys(("mean", "std", "min", "max"))
        return {"mean": self.mean, "std": self.std, "min": self.least, "max": self.greatest}
