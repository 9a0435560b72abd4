"""What a table holds, summed up block by block, so that none has to stay in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from weightfill import _core
from weightfill.dtypes import TARGET_DTYPES


class Summary:
    """Mean, standard deviation, minimum and maximum of all numbers among the elements added so far."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self.least, self.greatest = math.inf, -math.inf

    def add(self, block: npt.NDArray[Any], threads: int) -> None:
        """Read the block once."""
        number = TARGET_DTYPES[block.dtype].number
        total, nan, _, mean, std, least, greatest = _core.summarize(block, number, threads, None)
        count = total - nan
        if not count:
            return
        # Chan, Golub, LeVeque 1983: sums of squares about two means, joined without cancellation.
        both = self.count + count
        apart = mean - self.mean
        self.squares += std * std * count + apart * apart * self.count * count / both
        self.mean += apart * count / both
        self.count = both
        self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)

    def numbers(self) -> dict[str, float | None]:
        """Return mean, std, min and max; None if there was no element."""
        if not self.count:
            return dict.fromkeys(("mean", "std", "min", "max"))
        std = math.sqrt(self.squares / self.count)
        return {"mean": self.mean, "std": std, "min": self.least, "max": self.greatest}
