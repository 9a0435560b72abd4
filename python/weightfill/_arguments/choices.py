"""Arguments that are one of a few names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from weightfill._arguments.messages import shown


def plain(name: str) -> str:
    """Return a name without what is written in many ways: in lower case, without `_`, `-` and blanks.

    >>> plain("Kaiming_normal-")
    'kaimingnormal'
    """
    return "".join(character for character in name.lower() if character not in "_- ")


def nearest(given: str, names: Mapping[str, str]) -> str:
    """Return the end of a message: which names are nearest: spelled alike, beginning as given, or within it.

    Args:
        given: what is none of the names.
        names: the names, by all that `plain` makes of what is taken for them.

    >>> nearest("kaiming", {"kaimingnormal": "KaimingNormal", "kaiminguniform": "KaimingUniform"})
    '; did you mean KaimingNormal or KaimingUniform?'
    """
    key = plain(given)[:50]
    found = (
        get_close_matches(key, names, 1, 0.8)
        or [other for other in names if key and other.startswith(key)]
        or [other for other in sorted(names, key=len, reverse=True) if len(other) > 3 and other in key][:1]
        or get_close_matches(key, names, 1)
    )
    return f"; did you mean {' or '.join(sorted({names[other] for other in found}))}?" if found else ""


def check_choice(value: object, choices: Iterable[str], argument: str) -> None:
    """Raise unless `value` is one of the names; the message lists them and says which is nearest.

    Raises:
        TypeError: `value` is not a string.
        ValueError: it is none of the names.
    """
    names = tuple(choices)
    rule = f"{argument} must be one of {', '.join(map(repr, names))}, got {shown(value)}"
    if not isinstance(value, str):
        raise TypeError(rule)
    if value not in names:
        raise ValueError(rule + nearest(value, {plain(name): repr(name) for name in names}))
