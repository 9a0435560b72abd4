"""Which elements of a tensor a view of its storage covers, as a box: a range for each axis."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from torch import Tensor


class Place(NamedTuple):
    """Where the elements of a strided tensor lie in its storage, counted in elements."""

    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def end(self) -> int:
        """One beyond the last element."""
        if 0 in self.shape:
            return self.offset
        return self.offset + 1 + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_dense(self) -> bool:
        """Whether the elements lie beside each other, each in a place of its own, in whatever order."""
        return self.size == 1 or _merged(self) == [(1, self.size)]

    @property
    def order(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """Where the elements lie, and in which order: equal for places that differ in axes of one element only."""
        return self.offset, tuple((n, step) for n, step in zip(self.shape, self.stride, strict=True) if n > 1)

    def part(self, box: tuple[range, ...]) -> Place:
        """Return the place of a box of these elements."""
        offset = self.offset + sum(one.start * step for one, step in zip(box, self.stride, strict=True))
        stride = tuple(one.step * step for one, step in zip(box, self.stride, strict=True))
        return Place(offset, tuple(map(len, box)), stride)


def place_of(tensor: Tensor) -> Place:
    """Return the place of a tensor; of a scalar, that of a vector of one."""
    return Place(int(tensor.storage_offset()), tuple(tensor.shape) or (1,), tuple(tensor.stride()) or (1,))


def covered(outer: Place, inner: Place) -> tuple[range, ...] | None:
    """Return the box of the elements of `outer` that `inner` covers; None if they are no box.

    A box without elements has an empty range.

    >>> covered(Place(0, (4, 3), (3, 1)), Place(3, (3,), (1,)))
    (range(1, 2), range(0, 3))
    """
    everything = tuple(map(range, outer.shape))
    if inner == outer or not outer.size:
        return everything
    if not inner.size or inner.end <= outer.offset or outer.end <= inner.offset:
        return tuple(range(0) for _ in outer.shape)
    found = _box(inner, outer)
    if found is None and _box(outer, inner) is not None:
        return everything
    return found


def _box(inner: Place, outer: Place) -> tuple[range, ...] | None:
    """Return the box of `outer` that is `inner`; None if there is none."""
    sizes = zip(outer.stride, outer.shape, range(len(outer.shape)), strict=True)
    axes = sorted((one for one in sizes if one[1] > 1), reverse=True)
    if any(step < lower * size for (step, _, _), (lower, size, _) in itertools.pairwise(axes)):
        return None  # elements that lie in each other's way
    start, rest = [0] * len(outer.shape), inner.offset - outer.offset
    for step, _, axis in axes:
        start[axis], rest = divmod(rest, step) if step else (0, rest)
    if rest or any(not 0 <= first < size for first, size in zip(start, outer.shape, strict=True)):
        return None
    box = [range(first, first + 1) for first in start]
    for step, count in _merged(inner):
        while count > 1:
            fitting = [one for one in axes if 0 < one[0] <= step and step % one[0] == 0]
            if not fitting or len(box[fitting[0][2]]) > 1:
                return None
            lower, size, axis = fitting[0]
            stride, first = step // lower, start[axis]
            if first + stride * (count - 1) < size:
                box[axis], count = range(first, first + stride * (count - 1) + 1, stride), 1
            elif (
                first < stride < size and size % stride == 0 and count % (size // stride) == 0
            ):  # goes on in the next axis
                box[axis], step, count = range(first, size, stride), lower * size, count // (size // stride)
            else:
                return None
    return tuple(box)


def _merged(place: Place) -> list[tuple[int, int]]:
    """Return strides and counts, of axes that follow each other without a gap together."""
    merged: list[tuple[int, int]] = []
    for step, count in sorted(((s, n) for s, n in zip(place.stride, place.shape, strict=True) if n > 1), reverse=True):
        if merged and merged[-1][0] == step * count:
            merged[-1] = (step, merged[-1][1] * count)
        else:
            merged.append((step, count))
    return merged
