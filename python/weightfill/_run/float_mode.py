"""The numbers of a law, the same in whatever floating-point environment other libraries have left behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from weightfill import _core

P = ParamSpec("P")
R = TypeVar("R")


def in_float_mode(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, which takes no keywords, run with rounding to nearest and with subnormal numbers.

    Python's arithmetic is the processor's, which rounds otherwise after C's fesetround and takes subnormals for zero
    after torch.set_flush_denormal.

    >>> import math
    >>> in_float_mode(math.sqrt)(2)
    1.4142135623730951
    """

    @wraps(function)
    def rounded(*args: P.args, **_: P.kwargs) -> R:
        result: R = _core.in_float_mode(function, args)
        return result

    return rounded
