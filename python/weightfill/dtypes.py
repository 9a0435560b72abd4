"""The dtypes of targets: which there are, and which laws fit in them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt


class TargetDtype(NamedTuple):
    """What the checks and the core need to know about a dtype."""

    number: int  # the core's
    name: str
    largest: float  # the largest finite value
    word_bits: int  # random bits of one element


def _largest(dtype: np.dtype[Any]) -> float:
    return float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]


def _target_dtypes() -> dict[np.dtype[Any], TargetDtype]:
    types = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2]
    dtypes = [np.dtype(t) for t in types]
    return {
        dtype: TargetDtype(number, dtype.name, _largest(dtype), 64 if dtype == np.float64 else 32)
        for number, dtype in enumerate(dtypes)
    }


TARGET_DTYPES = _target_dtypes()
NAMES = ", ".join(dtype.name for dtype in TARGET_DTYPES.values())


def as_dtype(dtype: npt.DTypeLike, argument: str = "dtype") -> np.dtype[Any]:
    """Return the NumPy dtype of a dtype-like that targets may have; names are enough, 'bfloat16' and the like, too.

    Raises:
        TypeError: it is none of float32, float64, float16, bfloat16, float8_e4m3fn, float8_e5m2 in native byte order.
    """
    try:
        result = None if dtype is None else np.dtype(dtype)  # NumPy takes None for float64
    except TypeError:
        result = None
    if result in TARGET_DTYPES:
        return result
    if result is not None and result.newbyteorder("=") in TARGET_DTYPES:
        raise TypeError(
            f"{argument} must be in native byte order, got {result.str!r}; "
            f"fill an array of dtype {result.newbyteorder('=')} and convert it"
        )
    given = str(dtype) if isinstance(dtype, np.dtype) else repr(dtype)
    raise TypeError(f"{argument} must be one of {NAMES}, got {given}")


@lru_cache(maxsize=1024)
def smallest_at_least(bound: float, dtype: np.dtype[Any]) -> float:
    """Return the smallest value of `dtype` that is at least `bound`; infinity if there is none."""
    largest = TARGET_DTYPES[dtype].largest
    if not -largest <= bound <= largest:
        return math.inf if bound > 0 else -largest
    value = dtype.type(bound)
    if float(value) < bound:
        value = np.nextafter(value, dtype.type(largest))
    return float(value)
