"""Values: a small tensor whose numbers are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Floats, Indices
from weightfill._initializers.names import named
from weightfill._initializers.tables import Table
from weightfill._run.float_mode import in_float_mode

_SHOWN = 8  # numbers


class Numbers:
    """An array of float64 that nobody changes: equal, and hashed, by its shape and its numbers."""

    __slots__ = ("_hash", "array")

    def __init__(self, array: Floats) -> None:
        self.array = array.copy()
        self.array.setflags(write=False)
        self._hash = hash((self.array.shape, self.array.tobytes()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Numbers):
            return NotImplemented
        return self is other or (self._hash == other._hash and np.array_equal(self.array, other.array))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Numbers], tuple[Floats]]:
        return Numbers, (self.array,)

    def __repr__(self) -> str:
        return repr(_in_tuples(self.array.tolist()))


@named()
@dataclass(frozen=True, slots=True, repr=False)
class Values(Table):
    """The given numbers, element by element. Needs no seed.

    For tables that no formula has, such as anchors, filters or what a model has computed. They are kept in float64, and
    are rounded to float32 unless the dtype is float64, and from there once to a narrower dtype. So arrays of float32
    and narrower dtypes come out with the same bits, but negative zeros are zeros. Few numbers stand in a plan's TOML as
    they are, many in a file beside it: see `Plan.to_toml`.

    Args:
        values: a finite number, or an array, list or tuple of such numbers, of the tensor's shape. Where its length
            along an axis is 1, the tensor's may be any: all have the same numbers.

    >>> create((2, 2), Values([[0.25, 0.5], [0.5, 1.0]]))
    array([[0.25, 0.5 ],
           [0.5 , 1.  ]], dtype=float32)
    >>> Values(np.eye(2))
    Values(values=((1.0, 0.0), (0.0, 1.0)))
    >>> create((2, 3), Values([[1, 2, 3]]))
    array([[1., 2., 3.],
           [1., 2., 3.]], dtype=float32)

    Raises:
        TypeError: `values` is none of these.
        ValueError: a number is not finite, or lists have different lengths. When it is used: the tensor has another
            shape, or a number is beyond the largest finite one of the dtype.
    """

    values: Numbers | npt.ArrayLike

    def __post_init__(self) -> None:
        if isinstance(self.values, Numbers):
            return
        try:
            given = np.asarray(self.values)
        except ValueError as error:  # lists of different lengths
            raise ValueError(f"values must be an array of numbers, got {shown(self.values)}") from error
        if given.dtype.kind not in "iuf" and given.dtype not in CORE_DTYPES:
            raise TypeError(f"values must be an array of numbers, got {shown(self.values)}")
        array = _as_float64(given)
        if not np.isfinite(array).all():
            raise ValueError(f"values must be finite, got {shown(array[~np.isfinite(array)][0].item())}")
        object.__setattr__(self, "values", Numbers(array))

    @property
    def array(self) -> Floats:
        """The numbers."""
        assert isinstance(self.values, Numbers)
        array: Floats = self.values.array
        return array

    def __repr__(self) -> str:
        array = self.array
        if array.size <= _SHOWN:
            return f"Values(values={self.values!r})"
        return f"Values of shape {array.shape} from {array.min()} to {array.max()}"

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if the shape is not that of the values, but along axes of which they have one."""
        own = self.array.shape
        if len(own) != len(shape) or any(mine not in (1, length) for mine, length in zip(own, shape, strict=True)):
            raise ValueError(f"shape must be that of values, {own}, got {shape}")

    def ends(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return the smallest and the largest value."""
        array = self.array
        return float(array.min()), float(array.max())

    def at(self, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
        """Return the values."""
        array = self.array
        if not places:
            return array
        first = np.zeros(1, np.uint64)
        own = (first if length == 1 else along for length, along in zip(array.shape, places, strict=True))
        return np.asarray(array[np.ix_(*own)])


@in_float_mode
def _as_float64(given: npt.NDArray[Any]) -> Floats:
    """Return an array in float64, with zeros for negative zeros."""
    return given.astype(np.float64) + 0.0


def _in_tuples(content: Any) -> Any:
    return tuple(map(_in_tuples, content)) if isinstance(content, list) else content
