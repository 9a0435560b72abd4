"""Windows: which part of a larger tensor an array holds."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown

INDICES = 2**64  # an element's index in its tensor is below this

MOST_DIMENSIONS = 64  # of NumPy's arrays

ShapeLike: TypeAlias = int | np.integer[Any] | Sequence[int]


def checked_shape(shape: ShapeLike, argument: str = "shape") -> tuple[int, ...]:
    """Return a shape as a tuple of ints.

    Raises:
        TypeError: it is neither an integer nor a sequence of integers.
        ValueError: a dimension is negative, or there are more than 2**64 elements.
    """
    if type(shape) is tuple and set(map(type, shape)) == {int}:  # as most are: what follows takes time beside a fill
        result = shape
    else:
        dimensions = (shape,) if isinstance(shape, int | np.integer) else shape
        if isinstance(dimensions, tuple | list) and None in dimensions:
            raise TypeError(
                f"{argument} must have only integers, got {shown(shape)}; an open first dimension is for fill_rows"
            )
        result = _integers(dimensions, argument, shape)
    if len(result) > MOST_DIMENSIONS:
        raise ValueError(f"{argument} must have at most {MOST_DIMENSIONS} dimensions, got {len(result)}")
    if min(result, default=0) < 0:
        raise ValueError(f"{argument} must have no negative dimension, got {shown(shape)}")
    if math.prod(result) > INDICES:
        raise ValueError(f"{argument} must have at most 2**64 elements, got {shown(shape)}")
    return result


def _integers(values: Iterable[int | np.integer[Any]], argument: str, given: object) -> tuple[int, ...]:
    try:  # sets have no order, a mapping or bytes is no shape, and an iterator can be read once
        if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str | bytes | bytearray | memoryview):
            raise TypeError
        items = list(values)
    except TypeError:
        raise TypeError(f"{argument} must be a tuple of integers, got {shown(given)}") from None
    return tuple(as_integer(item, argument, "a tuple of integers", within=given) for item in items)


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Return how far apart neighbours along each axis are, in elements of the full tensor in C order."""
    return tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))


def window(
    part: tuple[int, ...], shape: ShapeLike | None, start: ShapeLike | None, argument: str
) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Place a part into a larger tensor.

    Args:
        part: the shape of the part, which is that of `argument`.
        shape: the shape of the full tensor.
        start: the index of the part's first element in the full tensor; all zeros if None.
        argument: the name of the part, for messages.

    Returns:
        The shape as a tuple, the index in C order of the part's first element, and the strides of the full tensor.

    Raises:
        TypeError: `start` is given without `shape`, or one of the two is not a tuple of integers.
        ValueError: the part does not lie within the tensor.
    """
    if shape is None:
        raise TypeError(
            f"shape must be given with start, got None; pass the shape of the full tensor, start={shown(start)}"
        )
    whole = checked_shape(shape)
    if len(whole) != len(part):
        raise ValueError(f"shape must have as many dimensions as {argument}, {len(part)}, got {shown(shape)}")
    if start is None:
        begin = (0,) * len(whole)
    else:
        begin = _integers((start,) if isinstance(start, int | np.integer) else start, "start", start)
    if len(begin) != len(whole):
        raise ValueError(f"start must have as many dimensions as shape, {len(whole)}, got {shown(start)}")
    for axis, (first, count, limit) in enumerate(zip(begin, part, whole, strict=True)):
        if first < 0:
            raise ValueError(f"start must have no negative index, got {shown(start)}")
        if first + count > limit:
            raise ValueError(
                f"shape must contain the window, got {limit} elements along axis {axis} for a window of "
                f"{count} from {first}: shape={whole}, start={begin}, {argument}.shape={part}"
            )
    strides = strides_of(whole)
    return whole, sum(map(operator.mul, begin, strides)) % INDICES, tuple(stride % INDICES for stride in strides)
