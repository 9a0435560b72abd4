"""Ranges of a tensor's elements, cut into boxes: the windows that a fill can place."""

from __future__ import annotations

import math
from collections.abc import Iterator


def boxes_of(shape: tuple[int, ...], begin: int, end: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield (start, shape of the part) of the boxes that make up the elements [begin, end) of a tensor, in C order.

    There are at most 2 * len(shape) - 1 of them, or one for a scalar; each is contiguous in the tensor, and they follow
    one another without gaps.

    Args:
        shape: of the tensor.
        begin: C-order index of the first element, at least 0.
        end: C-order index after the last, at most the tensor's number of elements.

    >>> list(boxes_of((3, 4), 2, 9))
    [((0, 2), (1, 2)), ((1, 0), (1, 4)), ((2, 0), (1, 1))]
    """
    if begin >= end:
        return
    if len(shape) < 2:
        yield ((begin,), (end - begin,)) if shape else ((), ())
        return
    row = math.prod(shape[1:])
    (first, head), (last, tail) = divmod(begin, row), divmod(end, row)
    if first == last:
        yield from _in_row(first, shape, head, tail)
        return
    if head:
        yield from _in_row(first, shape, head, row)
        first += 1
    if first < last:
        yield (first, *(0,) * (len(shape) - 1)), (last - first, *shape[1:])
    yield from _in_row(last, shape, 0, tail)


def _in_row(
    index: int, shape: tuple[int, ...], begin: int, end: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    for start, part in boxes_of(shape[1:], begin, end):
        yield (index, *start), (1, *part)
