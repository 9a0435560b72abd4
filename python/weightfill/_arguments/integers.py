"""Arguments that are integers."""

from __future__ import annotations

import operator
from typing import Any

from weightfill._arguments.messages import shown


def as_integer(value: Any, argument: str, kind: str = "an integer", *, within: object = None, way_out: str = "") -> int:
    """Return an integer of any type, NumPy's too, as an int. True and False are none.

    Args:
        value: what is to be an integer.
        argument: its name, for the message.
        kind: what it must be, for the message.
        within: what the message shows instead of the value: the tuple or list that it is in.
        way_out: the end of the message.

    >>> import numpy as np
    >>> as_integer(np.int64(3), "n")
    3

    Raises:
        TypeError: it is not an integer.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"{argument} must be {kind}, got {shown(value if within is None else within)}{way_out}"
        ) from None
