"""How the elements of an array are distributed: counts in bins, and a line of blocks that shows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.messages import shown
from weightfill._reading.summary import Summary

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:-=+*#@"  # for an output that cannot show them
_SPREAD = 4.0  # standard deviations on either side of the mean


class Histogram:
    """Counts of finite elements in bins of one width, added up block by block.

    Elements below `low` count in the first bin, those at `high` or above in the last; NaN and infinities nowhere.

    Attributes:
        low: where the first bin begins.
        high: where the last bin ends; equal to `low` for elements that are all alike, which have a single bin.
        counts: number of elements of each bin, uint64.

    Raises:
        ValueError: `low` and `high` are not finite or `low` is above `high`, or `bins` is not positive.

    >>> import numpy as np
    >>> histogram = Histogram(0.0, 4.0, bins=4)
    >>> histogram.add(np.float32([0, 1, 1.5, 3, 9, np.nan]), threads=1)
    >>> histogram.counts.tolist()
    [1, 2, 0, 2]
    >>> drawn(histogram.counts)
    '▄█ █'
    """

    def __init__(self, low: float, high: float, bins: int) -> None:
        if not math.isfinite(low):
            raise ValueError(f"low must be finite, got {low}")
        if not low <= high < math.inf:
            raise ValueError(f"high must be finite and at least low ({low}), got {high}")
        if not 0 < bins < 1 << 31:
            raise ValueError(f"bins must be from 1 to 2^31 - 1, got {shown(bins)}")
        self.low, self.high = low, high
        self.counts = np.zeros(bins if low < high else 1, np.uint64)

    @classmethod
    def around_mean(cls, summary: Summary, bins: int) -> Histogram:
        """Return one without counts for the elements of a summary: over mean +- 4 std, as far as there are elements.

        Raises:
            ValueError: the summary has no finite element.
        """
        if not summary.count:
            raise ValueError("summary must have a finite element, got none")
        reach = _SPREAD * summary.std
        low, high = max(summary.mean - reach, summary.least), min(summary.mean + reach, summary.greatest)
        if not (math.isfinite(reach) and low < high):  # sums that overflow; elements all alike but for rounding
            low, high = summary.least, summary.greatest
        return cls(low, high, bins)

    def add(self, block: npt.NDArray[Any], threads: int) -> None:
        """Read the block, of a dtype that the core fills, once."""
        number = CORE_DTYPES[block.dtype].number
        if self.low < self.high:
            self.counts += _core.histogram(block, number, self.low, self.high, len(self.counts), threads, None)
            return
        count, nan, infinite, *_ = _core.summarize(block, number, threads, None)
        self.counts += np.uint64(count - nan - infinite)


def coarser(counts: npt.NDArray[np.uint64], bins: int) -> npt.NDArray[np.uint64]:
    """Return the counts of `bins` bins, each of several neighbours; those of a single bin as they are.

    >>> coarser(np.array([1, 2, 3, 4], np.uint64), 2).tolist()
    [3, 7]
    """
    return counts if len(counts) == 1 else counts.reshape(bins, -1).sum(axis=1, dtype=np.uint64)


def drawn(counts: npt.NDArray[np.uint64], marks: str = BLOCKS) -> str:
    """Return one character a bin, as high as its share of the fullest bin; only an empty one is blank."""
    most = max(int(counts.max(initial=0)), 1)
    steps = len(marks) - 1
    return "".join(marks[-(-int(count) * steps // most)] for count in counts)
