"""Tensors that the core does not fill: made in one piece, or part by part, by their initializer."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.indices import size_of
from weightfill._arguments.windows import strides_of
from weightfill._initializers.base import WholeTensor
from weightfill._parts import places_of, window_of
from weightfill._verification import Verification, combined, compared_with

Array: TypeAlias = npt.NDArray[Any]
_COMPARED = 1 << 20  # elements that are compared at a time


class Whole(NamedTuple):
    """A tensor that its initializer makes; it was checked that there is one of this shape and dtype."""

    init: WholeTensor
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    seed: int
    stream: str

    def made(self, threads: int) -> Array:
        """Return the full array."""
        return self.init.tensor(self.shape, self.dtype, seed=self.seed, stream=self.stream, threads=threads)

    def write(
        self, out: Array, part: tuple[int, ...], first: int, rows: npt.NDArray[np.uint64] | None, threads: int
    ) -> None:
        """Write a window into memory of the shape `part`, or the rows with these numbers.

        Args:
            out: memory that can be written.
            part: the shape that it had when it was checked.
            first: the index of the window's first element in the full array.
            rows: numbers of rows, instead of `first`.
            threads: at least 1.
        """
        if 0 in part:
            return
        if self.init.by_parts:
            places = places_of(self.shape, part, first, rows)
            self.init.fill_part(out, places, self.shape, seed=self.seed, stream=self.stream, threads=threads)
            return
        made = self.made(threads)
        out[...] = window_of(made, part, first) if rows is None else made[rows]

    def compare(self, target: Array, part: tuple[int, ...], first: int, threads: int) -> Verification:
        """Compare memory of the shape `part` with a window, some rows at a time if these can be made alone."""
        if not (self.init.by_parts and part):
            expected = np.empty(part, self.dtype)
            self.write(expected, part, first, None, threads)
            return compared_with(target, expected)
        stride = strides_of(self.shape)[0]
        step = max(1, _COMPARED // max(1, size_of(part[1:])))
        found = []
        for begin in range(0, part[0], step):
            some = target[begin : begin + step]
            expected = np.empty(some.shape, self.dtype)
            self.write(expected, some.shape, first + begin * stride, None, threads)
            found.append(compared_with(some, expected).later(begin))
        return combined(found)
