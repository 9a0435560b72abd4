"""What a comparison of memory with the values of a tensor found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `verify`; true if every element is as expected.

    Attributes:
        differing: how many elements differ.
        total: how many were compared.
        index: the index of the first element that differs, in C order; None if nothing differs.
        expected: the value that `fill` writes there, in the dtype of the array; None if nothing differs.
        found: the value that is there; None if nothing differs.
    """

    differing: int
    total: int
    index: tuple[int, ...] | None = None
    expected: Any = None
    found: Any = None

    @property
    def equal(self) -> bool:
        """Whether every element is as expected."""
        return self.differing == 0

    def later(self, rows: int) -> Verification:
        """Return the result with this many more rows before the index."""
        return self if self.index is None else replace(self, index=(self.index[0] + rows, *self.index[1:]))

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        if self.equal:
            return f"all {self.total} elements are as expected"
        return (
            f"{self.differing} of {self.total} elements differ, "
            f"the first at {self.index}: expected {self.expected}, found {self.found}"
        )


def compared_with(target: npt.NDArray[Any], expected: npt.NDArray[Any]) -> Verification:
    """Compare two arrays bit by bit."""
    bits = f"u{target.dtype.itemsize}"
    apart = np.ascontiguousarray(target).view(bits) != np.ascontiguousarray(expected).view(bits)
    differing = int(np.count_nonzero(apart))
    if not differing:
        return Verification(0, target.size)
    index = tuple(map(int, np.unravel_index(int(apart.argmax()), target.shape)))
    return Verification(differing, target.size, index, expected[index], target[index])


def combined(results: Sequence[Verification]) -> Verification:
    """Return the result of all comparisons, which follow each other in C order."""
    first = next((result for result in results if not result), Verification(0, 0))
    return replace(first, differing=sum(r.differing for r in results), total=sum(r.total for r in results))
