"""Elementary functions of which every bit is the same on every machine.

The functions of the C library differ between machines. These are made of integers (Python's decimal numbers), or of
additions and multiplications of float64 in a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import TypeAlias

import numpy as np

from weightfill._initializers.base import Floats
from weightfill._run.float_mode import in_float_mode

_EXACT = 40  # decimal digits, beside which the rounding to float64 is the only one that shows
Number: TypeAlias = int | float | Decimal


def logarithms(numbers: Iterable[Number]) -> Floats:
    """Return the natural logarithms of positive numbers, each the nearest float64.

    >>> logarithms([1, 2])
    array([0.        , 0.69314718])
    """
    context = Context(prec=_EXACT)
    return np.array([float(context.ln(Decimal(number))) for number in numbers], np.float64)


def powers(base: Number, exponents: Iterable[Number]) -> Floats:
    """Return a positive number to the power of each exponent, each the nearest float64.

    >>> powers(2.0, [3, -0.5])
    array([8.        , 0.70710678])
    """
    context = Context(prec=_EXACT)
    log = context.ln(Decimal(base))
    scaled = (context.multiply(log, Decimal(exponent)) for exponent in exponents)
    return np.array([float(context.exp(exponent)) for exponent in scaled], np.float64)


def fractions(numerators: Iterable[int], denominator: int) -> list[Decimal]:
    """Return quotients of integers as exponents for `powers`.

    >>> fractions([1], 4)
    [Decimal('0.25')]
    """
    context = Context(prec=_EXACT)
    return [context.divide(Decimal(numerator), Decimal(denominator)) for numerator in numerators]


LARGEST_ANGLE = 2.0**22
# pi / 2 = _HIGH + _MIDDLE + _LOW to 1e-29; the first two have 30 bits, so their products with the number of quarter
# turns of an angle are exact.
_HIGH, _MIDDLE, _LOW = (
    float.fromhex(part) for part in ("0x1.921fb54000000p+0", "0x1.10b4611800000p-30", "0x1.313198a2e0370p-61")
)


@in_float_mode
def _taylor(first: int, count: int) -> list[float]:
    return [(-1) ** k / math.factorial(2 * k + first) for k in range(count)]


_SINE, _COSINE = _taylor(1, 9), _taylor(0, 10)  # up to pi / 4 the next is below 1e-19


def sines_and_cosines(angles: Floats) -> tuple[Floats, Floats]:
    """Return sine and cosine of angles in [0, LARGEST_ANGLE], good to 3e-16.

    >>> np.round(sines_and_cosines(np.array([0.0, 1.0])), 6)
    array([[0.      , 0.841471],
           [1.      , 0.540302]])
    """
    quarters = np.rint(angles * (2 / math.pi))
    rest = ((angles - quarters * _HIGH) - quarters * _MIDDLE) - quarters * _LOW
    square = rest * rest
    sine, cosine = np.full_like(rest, _SINE[-1]), np.full_like(rest, _COSINE[-1])
    for coefficient in _SINE[-2::-1]:
        sine = sine * square + coefficient
    sine = sine * rest
    for coefficient in _COSINE[-2::-1]:
        cosine = cosine * square + coefficient
    turns = quarters.astype(np.int64) & 3
    odd = (turns & 1).astype(bool)
    sines, cosines = np.where(odd, cosine, sine), np.where(odd, sine, cosine)
    return np.where(turns >= 2, -sines, sines), np.where((turns == 1) | (turns == 2), -cosines, cosines)
