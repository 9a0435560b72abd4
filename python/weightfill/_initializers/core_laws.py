"""From an initializer to the law that the core draws, if the dtype can hold it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from weightfill import _core
from weightfill._arguments.dtypes import CORE_DTYPES, smallest_at_least
from weightfill._arguments.messages import shown
from weightfill._arguments.streams import positions_number
from weightfill._initializers.base import Masked, PlainLaw
from weightfill._initializers.masks import AllButRows, Connections, Diagonal
from weightfill._initializers.names import import_all
from weightfill._run.float_mode import in_float_mode


def masked_law(masked: Masked, dtype: np.dtype[Any], stream: str) -> _core.Law:
    """Return the core's law of the elements under a mask, of a tensor of this stream; errors as of `fitting_law`."""
    law, mask = fitting_law(masked.law, dtype), masked.mask
    match mask:
        case Connections(axis, inputs, stride, kept, slices):
            return law.under_connections(
                axis=axis, count=inputs, stride=stride, kept=kept, number=positions_number(stream), slices=slices
            )
        case Diagonal():
            return law.under_diagonal(
                axis=mask.axis,
                count=mask.inputs,
                stride=mask.stride,
                outputs=mask.outputs,
                output_stride=mask.output_stride,
                period=mask.period,
                taps=mask.taps,
                tap_stride=mask.tap_stride,
                centre=mask.centre,
            )
        case AllButRows(rows, stride):
            return law.under_all_but(rows=list(rows), stride=stride)


@lru_cache(maxsize=1024)
@in_float_mode
def fitting_law(law: PlainLaw, dtype: np.dtype[Any]) -> _core.Law:
    """Return the core's law of elements that are all drawn.

    Raises:
        TypeError: it is not a law.
        ValueError: it can reach beyond the largest finite value of `dtype`, or `dtype` has no value within its bounds.
    """
    if not isinstance(law, PlainLaw):  # of an initializer that is not ours
        import_all()
        laws = ", ".join(sorted({kind.__name__ for kind in PlainLaw.__subclasses__()}))
        raise TypeError(f"law must return {laws}, or one of these Masked, got {shown(law)}")
    largest = CORE_DTYPES[dtype].largest
    low, high = law.span(CORE_DTYPES[dtype].word_bits)
    if low < -largest or high > largest:
        raise ValueError(
            f"init must stay within +-{largest:g}, the finite values of {dtype}, got {law}, "
            f"which reaches {high if high > largest else low:g}; use smaller parameters or a wider dtype"
        )
    law.check_steps(dtype)
    if law.bounded:
        smallest = smallest_at_least(low, dtype)
        if smallest > high or (law.half_open and smallest == high):
            raise ValueError(f"init must leave a value of {dtype} between its bounds, got {law}; use a wider dtype")
    return _built_law(law)


@lru_cache(maxsize=1024)
@in_float_mode
def _built_law(law: PlainLaw) -> _core.Law:
    return _core.Law(law.core_name, law.parameters())
