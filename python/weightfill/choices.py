"""Arguments that are one of a few names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def check_choice(value: object, choices: Iterable[str], argument: str) -> None:
    """Raise unless `value` is one of the names; the message lists them and says which is nearest.

    Raises:
        TypeError: `value` is not a string.
        ValueError: it is none of the names.
    """
    names = tuple(choices)
    rule = f"{argument} must be one of {', '.join(map(repr, names))}, got {value!r}"
    if not isinstance(value, str):
        raise TypeError(rule)
    if value not in names:
        nearest = get_close_matches(value.lower(), names, 1)
        raise ValueError(rule + "".join(f"; did you mean {name!r}?" for name in nearest))
