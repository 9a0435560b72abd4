"""Rows of a table by their ids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._arguments.windows import INDICES, ShapeLike, checked_shape

RowsShape: TypeAlias = Sequence[int | None]
OpenShape: TypeAlias = ShapeLike | RowsShape  # its first dimension may be None
Ids: TypeAlias = npt.NDArray[np.int64] | npt.NDArray[np.uint64] | Sequence[int]


def checked_ids(ids: Ids) -> npt.NDArray[np.int64] | npt.NDArray[np.uint64]:
    """Return `ids` as a 1-dimensional array, without a copy of an array.

    Raises:
        TypeError: they are not of dtype int64 or uint64.
        ValueError: they are not 1-dimensional, or no 64-bit integer type has them all.
    """
    array: npt.NDArray[Any] = np.asarray(ids, _dtype_of(ids) if isinstance(ids, list | tuple) else None)
    if array.dtype not in (np.int64, np.uint64):
        raise TypeError(f"ids must be integers of dtype int64 or uint64, got dtype {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"ids must be 1-dimensional, got an array of shape {array.shape}")
    return array


def _dtype_of(ids: Sequence[Any]) -> npt.DTypeLike | None:
    """Return the dtype of a sequence where NumPy's own choice would not be an integer one."""
    if not ids:
        return np.int64
    if not all(type(i) is int for i in ids) or max(ids) < 2**63:
        return None
    if min(ids) < 0 or max(ids) >= INDICES:
        raise ValueError(f"ids must be in [0, 2**64), got {min(ids) if min(ids) < 0 else max(ids)}")
    return np.uint64


def open_shape(shape: OpenShape) -> tuple[int | None, ...]:
    """Return a shape whose first dimension may be open (None); errors as of `checked_shape`."""
    if not isinstance(shape, tuple | list) or None not in shape:
        return checked_shape(shape)  # type: ignore[arg-type]  # which has no None
    if None in shape[1:]:
        raise TypeError(f"shape must have only integers after the first, got {shown(shape)}")
    return (None, *checked_shape(shape[1:]))


def checked_rows_shape(shape: RowsShape, out: npt.NDArray[Any], rows: int) -> tuple[int | None, ...]:
    """Return the table's shape, whose first dimension may be open (None), if `out` holds `rows` rows of it.

    Raises:
        TypeError: it is not a tuple of integers, but for an open first dimension.
        ValueError: it does not match `out` and the number of ids.
    """
    if not isinstance(shape, tuple | list):
        raise TypeError(f"shape must be a tuple such as (None, 128), got {shown(shape)}")
    if not shape:
        raise ValueError("shape must have at least 1 dimension, got ()")
    whole = open_shape(shape)
    check_rows(whole, shape, out, rows)
    return whole


def check_rows(whole: tuple[int | None, ...], shape: RowsShape, out: npt.NDArray[Any], rows: int) -> None:
    """Raise ValueError unless `out` holds so many rows of a table; `shape` is what messages show."""
    wanted = (rows, *whole[1:])
    if out.shape != wanted:
        raise ValueError(
            f"out must have the shape {wanted}, one row of shape={tuple(shape)} for each of {rows} ids, got {out.shape}"
        )


def core_rows(
    ids: npt.NDArray[np.int64] | npt.NDArray[np.uint64], shape: tuple[int | None, ...]
) -> npt.NDArray[np.uint64]:
    """Return `ids` as the core reads them, contiguous and unsigned; copies only what is not so in memory.

    Raises:
        ValueError: an id is not a row of the table, or an element of its row would have an index of 2**64 or more.
    """
    row = math.prod(count for count in shape[1:] if count is not None)  # only the first may be open
    end = INDICES // max(row, 1) if shape[0] is None else shape[0]
    if ids.size:
        smallest, largest = int(ids.min()), int(ids.max())
        if smallest < 0 or largest >= end:
            wrong = smallest if smallest < 0 else largest
            position = int((ids == ids.dtype.type(wrong)).argmax())
            where = f"got {wrong} at position {position}"
            if shape[0] is not None:
                raise ValueError(f"ids must be in [0, {end}), {where}")
            if wrong < 0:
                raise ValueError(f"ids must be at least 0, {where}")
            raise ValueError(
                f"ids must be below {end}, {where}; in rows of {row} elements larger ones have indices beyond 2**64"
            )
    return np.require(ids, requirements=["C", "A"]).view(np.uint64)
