"""Integers that a plan says: buffers such as position ids, whose rule is a table or a constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._models.rules import Rule
from weightfill._tensor import Tensor


def integers_of(name: str, rule: Rule, shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return what a buffer of integers or truth values holds by its rule.

    >>> integers_of("position_ids", Rule("position_ids", Arange()), (1, 4), np.dtype(np.int64))
    array([[0, 1, 2, 3]])

    Raises:
        ValueError: the initializer is random, does not fit the shape, or has a value that is none of the dtype's.
    """
    if rule.init.random:
        raise ValueError(
            f"params[{shown(name)}] must have a table or a constant for its rule, as integers are not drawn, got "
            f"{shown(rule.init)}; give it one such as Arange(), or assign its values"
        )
    try:
        values = np.asarray(Tensor(shape, rule.init, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise type(error)(f"params[{shown(name)}], {shown(rule.init)}: {error}") from error
    with np.errstate(invalid="ignore"):  # of what is beyond the dtype, which is found below
        found = values.astype(dtype)
    wrong = values[found.astype(np.float64) != values]
    if wrong.size:
        raise ValueError(
            f"params[{shown(name)}] must have a rule with values of {dtype}, got {shown(rule.init)} with "
            f"{shown(wrong[0].item())}; change the rule, or assign the buffer's values"
        )
    return found
