"""Indices into a tensor that is not made: which of its elements they mean, and in which shape."""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._arguments.windows import INDICES, strides_of


class Along(NamedTuple):
    """The elements of one axis that an index means: begin, begin + step, ...; `length` of them."""

    begin: int
    length: int
    step: int
    stride: int  # how far the index in the full tensor goes on with each element of the axis
    kept: bool = True  # whether the result has the axis; not of an integer
    rows: npt.NDArray[np.uint64] | None = None  # instead of begin and step, of any shape

    def of_array(self) -> slice | int:
        """Return the index that NumPy takes for the same elements of an array."""
        if not self.kept:
            return self.begin
        if not self.length:
            return slice(0, 0)  # whose begin may be -1, which NumPy would count from the end
        end = self.begin + self.length * self.step
        return slice(self.begin, None if end < 0 else end, self.step)


def axes_of(index: Any, shape: tuple[int | None, ...]) -> list[Along]:
    """Return what an index means along each axis: integers, slices, an ellipsis, arrays of integers at the first.

    Args:
        index: as between the brackets of a NumPy array.
        shape: of the tensor; an open first dimension is None.

    Raises:
        IndexError: the index is beyond the tensor, has too many entries, or an entry of another kind.
        TypeError: a bound of a slice is not an integer.
    """
    entries = _filled_up(index if isinstance(index, tuple) else (index,), len(shape))
    strides = strides_of([1 if count is None else count for count in shape])
    axes = []
    for axis, (entry, count, stride) in enumerate(zip(entries, shape, strides, strict=True)):
        if isinstance(entry, slice):
            axes.append(Along(*_range(entry, count, axis), stride))
        elif isinstance(entry, list | np.ndarray) and np.ndim(entry):
            if axis:
                raise IndexError(f"index must have arrays only at the first axis, got one at axis {axis}")
            rows = _rows(entry, count, stride)
            axes.append(Along(0, rows.size, 1, stride, rows=rows))
        else:
            axes.append(Along(_position(entry, count, axis, stride), 1, 1, stride, kept=False))
    return axes


def axis_within(axis: int, shape: tuple[int | None, ...]) -> int:
    """Return the number of an axis, counted from the first.

    Raises:
        ValueError: the shape has no such axis.
    """
    rank = len(shape)
    if not -rank <= axis < rank:
        raise ValueError(f"axis must be within the {rank} axes of shape {shape}, got {axis}")
    return axis % rank


def gives_array(index: Any) -> bool:
    """Whether an index gives an array even for a single element; without an ellipsis NumPy gives a scalar."""
    return any(entry is Ellipsis for entry in (index if isinstance(index, tuple) else (index,)))


def _filled_up(entries: tuple[Any, ...], rank: int) -> tuple[Any, ...]:
    """Return an entry for every axis."""
    given = [entry for entry in entries if entry is not Ellipsis]
    if len(given) < len(entries) - 1:
        raise IndexError("index must have at most one ellipsis")
    if any(entry is None for entry in given):
        raise IndexError("index must have no new axis (None); index the array that is made")
    if len(given) > rank:
        raise IndexError(f"index must have at most {rank} entries, one for each dimension, got {len(given)}")
    missing = (slice(None),) * (rank - len(given))
    at = next((k for k, entry in enumerate(entries) if entry is Ellipsis), len(entries))
    return (*entries[:at], *missing, *entries[at + 1 :])


def _range(entry: slice, count: int | None, axis: int) -> tuple[int, int, int]:
    """Return the begin, the number of elements and the step of a slice."""
    if count is None:
        if entry.stop is None or entry.step not in (None, 1):
            raise IndexError(f"index must have an end and no step along the open axis {axis}, got {shown(entry)}")
        begin, end = operator.index(entry.start or 0), operator.index(entry.stop)
        if begin < 0 or end < 0:
            raise IndexError(f"index must not be negative along the open axis {axis}, got {shown(entry)}")
        return begin, max(0, end - begin), 1
    begin, end, step = entry.indices(count)
    length = max(0, (end - begin + step - (1 if step > 0 else -1)) // step)
    return begin, length, step


def _position(entry: Any, count: int | None, axis: int, stride: int) -> int:
    try:
        if isinstance(entry, bool | np.bool_):
            raise TypeError
        position = operator.index(entry)
    except TypeError:
        raise IndexError(
            f"index must have integers, slices, an ellipsis, or an array of integers at the first axis, "
            f"got {shown(entry)} at axis {axis}"
        ) from None
    least, size = _bounds(count, stride)
    if not least <= position < size:
        raise IndexError(f"index must be in [{least}, {size}) along axis {axis}, got {position}")
    return position % size


def _rows(entry: Any, count: int | None, stride: int) -> npt.NDArray[np.uint64]:
    """Return the row numbers of an array of integers, of which negative ones count from the end."""
    ids = np.asarray(entry)
    if not ids.size and isinstance(entry, list):
        ids = ids.astype(np.int64)
    if ids.dtype.kind not in "iu":
        raise IndexError(
            f"index must have arrays of integers, got dtype {ids.dtype}; of a mask pass np.flatnonzero(mask)"
        )
    least, size = _bounds(count, stride)
    if ids.size:
        first, last = int(ids.min()), int(ids.max())
        if first < least or last >= size:
            raise IndexError(f"index must be in [{least}, {size}) along axis 0, got {first if last < size else last}")
        if first < 0:  # modulo 2**64, as a size may be beyond what int64 has
            positions = ids.astype(np.uint64)
            ids = np.where(ids < 0, positions + np.uint64(size % INDICES), positions)
    return np.ascontiguousarray(ids, np.uint64)


def _bounds(count: int | None, stride: int) -> tuple[int, int]:
    """Return the least index along an axis, and the number of its elements: for an open one, those below 2**64."""
    return (0, INDICES // max(stride, 1)) if count is None else (-count, count)


def size_of(shape: tuple[int | None, ...]) -> int:
    """Return the number of elements.

    Raises:
        ValueError: the first dimension is open.
    """
    return math.prod(closed(shape))


def closed(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return a shape whose first dimension is not open; errors as of `size_of`."""
    if None in shape:
        raise ValueError(f"shape must have a known first dimension, got {shape}; take rows of it: fill_rows, or t[ids]")
    return cast("tuple[int, ...]", shape)
