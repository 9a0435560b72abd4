"""From an initializer to the law that the core draws, if the target's dtype can hold it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from weightfill import _core
from weightfill._arguments.dtypes import TARGET_DTYPES, smallest_at_least
from weightfill._arguments.messages import shown
from weightfill._arguments.streams import positions_number
from weightfill._initializers.laws import (
    Constant,
    Initializer,
    Masked,
    Normal,
    PlainLaw,
    Shape,
    TruncatedNormal,
    Uniform,
    WholeTensor,
)
from weightfill._initializers.masks import AllButRows, Connections, Diagonal, Mask
from weightfill._run.float_mode import in_float_mode

# How far from the mean, in standard deviations, the outermost word lies: the quantiles of 2**-33 and 2**-65.
REACH = {32: 6.3379577545537895, 64: 9.155293772686072}
# The same for a normal law cut at its mean, the farthest that a cut one gets beyond its mean or its bound.
CUT_REACH = {32: 6.4439345265385635, 64: 9.22983443305775}
# The narrowest uniform law: 2**24 steps of the smallest normal float32, 2**53 of the smallest normal float64.
NARROWEST = {32: 2.0**-102, 64: 2.0**-969}


def core_law(init: Initializer, shape: Shape, dtype: np.dtype[Any], stream: str) -> _core.Law:
    """Return the core's law for the elements of a tensor of this shape and stream, drawn in `dtype`.

    Raises:
        ValueError: the law can reach beyond the largest finite value of `dtype`, or `dtype` has no value within its
            bounds, or the initializer has no law for this shape.
    """
    law = init.law(shape)
    if isinstance(law, Masked):
        return _masked(_fitting_law(law.law, dtype), law.mask, stream)
    return _fitting_law(law, dtype)


def check_tensor(init: Initializer, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise ValueError unless there is a tensor of this shape and dtype, as filling one would."""
    if isinstance(init, WholeTensor):
        init.check(shape, dtype)
    else:
        core_law(init, shape, dtype, "")


def _masked(law: _core.Law, mask: Mask, stream: str) -> _core.Law:
    match mask:
        case Connections(axis, inputs, stride, kept, units):
            return law.under_connections(axis, inputs, stride, kept, positions_number(stream), units)
        case Diagonal():
            return law.under_diagonal(
                mask.axis,
                mask.inputs,
                mask.stride,
                mask.outputs,
                mask.output_stride,
                mask.period,
                mask.taps,
                mask.tap_stride,
                mask.centre,
            )
        case AllButRows(rows, stride):
            return law.under_all_but(list(rows), stride)


@lru_cache(maxsize=1024)
@in_float_mode
def _fitting_law(law: PlainLaw, dtype: np.dtype[Any]) -> _core.Law:
    largest = TARGET_DTYPES[dtype].largest
    low, high = _range(law, TARGET_DTYPES[dtype].word_bits)
    if low < -largest or high > largest:
        raise ValueError(
            f"init must stay within +-{largest:g}, the finite values of {dtype}, got {law}, "
            f"which reaches {high if high > largest else low:g}; use smaller parameters or a wider dtype"
        )
    narrowest = NARROWEST[TARGET_DTYPES[dtype].word_bits]
    if isinstance(law, Uniform) and high - low < narrowest:
        raise ValueError(
            f"init must span at least {narrowest:.1e} in {dtype}, so that its steps are not subnormal, got {law}; "
            "draw a wider law and scale the values"
        )
    if isinstance(law, Uniform | TruncatedNormal):
        smallest = smallest_at_least(low, dtype)
        if smallest > high or (isinstance(law, Uniform) and smallest == high):
            raise ValueError(f"init must leave a value of {dtype} between its bounds, got {law}; use a wider dtype")
    return _built_law(law)


def _range(law: PlainLaw, word_bits: int) -> tuple[float, float]:
    """Return an interval that holds all values of a law, as tight as the checks need it."""
    match law:
        case Constant(value):
            return value, value
        case Uniform(low, high):
            return low, high
        case Normal(mean, std):
            return mean - REACH[word_bits] * std, mean + REACH[word_bits] * std
        case TruncatedNormal(mean, std):
            low, high = law.bounds()
            reach = CUT_REACH[word_bits] * std
            return max(low, min(mean, high) - reach), min(high, max(mean, low) + reach)
        case _:  # of an initializer that is not ours
            raise TypeError(
                f"law must return Constant, Uniform, Normal, TruncatedNormal, or one of these Masked, got {shown(law)}"
            )


@lru_cache(maxsize=1024)
@in_float_mode
def _built_law(law: PlainLaw) -> _core.Law:
    match law:
        case Constant(value):
            return _core.Law("constant", (value,))
        case Uniform(low, high):
            return _core.Law("uniform", (low, high))
        case Normal(mean, std):
            return _core.Law("normal", (mean, std))
        case TruncatedNormal(mean, std):
            return _core.Law("truncated_normal", (mean, std, *law.bounds()))
