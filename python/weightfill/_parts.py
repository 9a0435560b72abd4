"""Parts of a tensor that an index or a window means, beyond what the core writes in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.indices import Along, closed
from weightfill._arguments.windows import INDICES, strides_of
from weightfill._run.allocation import empty

Array: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = npt.NDArray[np.uint64]

# write(out, first, strides, rows) writes a part of the tensor into new memory: element (i, j, ...) of `out` is the one
# with index first + i * strides[0] + j * strides[1] + ...; without strides, the rows with these numbers.
Write: TypeAlias = Callable[[Array, int, tuple[int, ...] | None, Rows | None], None]

_BLOCK = 1 << 22  # elements of full rows under a mask that are made at a time


def plain_part(axes: list[Along], dtype: np.dtype[Any], write: Write) -> Array:
    """Make the part that an index means of a tensor without a mask: of any steps, in one call of `write`.

    Args:
        axes: what the index means along each axis.
        dtype: of the tensor.
        write: writes elements of the tensor.
    """
    rows = axes[0].rows if axes else None
    kept = [axis for axis in axes if axis.kept]
    first = sum(axis.begin * axis.stride for axis in axes) % INDICES
    made = empty(tuple(axis.length for axis in kept), dtype)
    strides = tuple(axis.step * axis.stride % INDICES for axis in kept)
    write(made, first, strides, None if rows is None else rows.reshape(-1))
    return made


def masked_part(axes: list[Along], shape: tuple[int | None, ...], dtype: np.dtype[Any], write: Write) -> Array:
    """Make the part that an index means of a tensor under a mask.

    The core knows the places of a mask in windows without steps and in full rows; the part is cut from one of these.

    Args:
        axes: what the index means along each axis.
        shape: of the tensor; an open first dimension is None.
        dtype: of the tensor.
        write: writes elements of the tensor.
    """
    if not axes or (axes[0].rows is None and abs(axes[0].step) == 1):
        cut = _cut_from_window(axes, dtype, write)
    else:
        cut = _cut_from_rows(axes, closed(shape[1:]), dtype, write)
    return np.array(cut, order="C")


def _cut_from_window(axes: list[Along], dtype: np.dtype[Any], write: Write) -> Array:
    """Make the smallest window that has the part, and cut it."""
    starts = [min(axis.begin, axis.begin + (axis.length - 1) * axis.step) for axis in axes]
    window = empty(tuple((axis.length - 1) * abs(axis.step) + 1 if axis.length else 0 for axis in axes), dtype)
    first = sum(start * axis.stride for start, axis in zip(starts, axes, strict=True)) % INDICES
    write(window, first, tuple(axis.stride % INDICES for axis in axes), None)
    return window[tuple(slice(None, None, axis.step) if axis.kept else 0 for axis in axes)]


def _cut_from_rows(axes: list[Along], row_shape: tuple[int, ...], dtype: np.dtype[Any], write: Write) -> Array:
    """Make the full rows that have the part, some at a time, and cut them."""
    rows, *others = axes
    numbers = (rows.begin + rows.step * k for k in range(rows.length))
    ids = np.fromiter(numbers, np.uint64, rows.length) if rows.rows is None else rows.rows.reshape(-1)
    made = empty((rows.length, *(axis.length for axis in others if axis.kept)), dtype)
    cut = (slice(None), *(axis.of_array() for axis in others))
    block = max(1, _BLOCK // max(1, rows.stride))
    for begin in range(0, rows.length, block):
        some = ids[begin : begin + block]
        full = empty((some.size, *row_shape), dtype)
        write(full, 0, None, some)
        made[begin : begin + block] = full[cut]
    return made


def window_of(whole: Array, part: tuple[int, ...], first: int) -> Array:
    """Return the window of shape `part` whose first element has the index `first` in an array that is not empty."""
    start = np.unravel_index(first, whole.shape)
    return whole[tuple(slice(begin, begin + count) for begin, count in zip(start, part, strict=True))]


def element_at(box: tuple[slice, ...], first: int, strides: tuple[int, ...]) -> int:
    """Return the index of a box's first element, in a tensor whose part begins with the element of index `first`."""
    element: int = first + sum(axis.start * stride for axis, stride in zip(box, strides, strict=True))
    return element % INDICES


def places_of(shape: tuple[int, ...], part: tuple[int, ...], first: int, rows: Rows | None) -> list[Rows]:
    """Return the indices along each axis of a window whose first element has the index `first`, or of some rows.

    Args:
        shape: of the tensor, which is not empty.
        part: the shape of the window, or of the rows.
        first: index of the first element of the window.
        rows: numbers of rows, instead of `first`.
    """
    starts = [first // stride % count for stride, count in zip(strides_of(shape), shape, strict=True)]
    ranges = zip(starts, part, strict=True)
    along = [np.arange(count, dtype=np.uint64) + np.uint64(start) for start, count in ranges]
    return along if rows is None else [rows, *along[1:]]
