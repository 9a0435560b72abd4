"""Values: a small tensor whose numbers are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Floats, Indices
from weightfill._initializers.names import named
from weightfill._initializers.tables import Table
from weightfill._run.float_mode import in_float_mode

_SHOWN = 64  # numbers
Nested: TypeAlias = "float | tuple[Nested, ...]"


@named()
@dataclass(frozen=True, slots=True, repr=False)
class Values(Table):
    """The given numbers, element by element. Needs no seed.

    For tables that no formula has, such as anchors, filters or what a model has computed. They are kept as a number or
    nested tuples of float64, stand in a plan's TOML as such, and are rounded to float32 unless the dtype is float64,
    and from there once to a narrower dtype. So arrays of float32 and narrower dtypes come out with the same bits, but
    negative zeros are zeros. Large arrays belong into files.

    Args:
        values: a finite number, or an array, list or tuple of such numbers, of the tensor's shape.

    >>> create((2, 2), Values([[0.25, 0.5], [0.5, 1.0]]))
    array([[0.25, 0.5 ],
           [0.5 , 1.  ]], dtype=float32)
    >>> Values(np.eye(2))
    Values(values=((1.0, 0.0), (0.0, 1.0)))

    Raises:
        TypeError: `values` is none of these.
        ValueError: a number is not finite, or lists have different lengths. When it is used: the tensor has another
            shape, or a number is beyond the largest finite one of the dtype.
    """

    values: Nested

    def __post_init__(self) -> None:
        try:
            given = np.asarray(self.values)
        except ValueError as error:  # lists of different lengths
            raise ValueError(f"values must be an array of numbers, got {shown(self.values)}") from error
        if given.dtype.kind not in "iuf" and given.dtype not in CORE_DTYPES:
            raise TypeError(f"values must be an array of numbers, got {shown(self.values)}")
        array = _as_float64(given)
        if not np.isfinite(array).all():
            raise ValueError(f"values must be finite, got {shown(array[~np.isfinite(array)][0].item())}")
        object.__setattr__(self, "values", _frozen(array.tolist()))

    def __repr__(self) -> str:
        array = _array(self.values)
        if array.size <= _SHOWN:
            return f"Values(values={self.values!r})"
        return f"Values of shape {array.shape} from {array.min()} to {array.max()}"

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if the shape is not that of the values."""
        if _array(self.values).shape != shape:
            raise ValueError(f"shape must be that of values, {_array(self.values).shape}, got {shape}")

    def ends(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return the smallest and the largest value."""
        array = _array(self.values)
        return float(array.min()), float(array.max())

    def at(self, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
        """Return the values."""
        return _array(self.values)[np.ix_(*places)] if places else _array(self.values)


@in_float_mode
def _as_float64(given: npt.NDArray[Any]) -> Floats:
    """Return an array in float64, with zeros for negative zeros."""
    return given.astype(np.float64) + 0.0


def _frozen(content: Any) -> Nested:
    return tuple(map(_frozen, content)) if isinstance(content, list) else content


@lru_cache(maxsize=64)
def _array(values: Nested) -> Floats:
    array = np.array(values, np.float64)
    array.setflags(write=False)
    return array
