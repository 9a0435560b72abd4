"""Numbers as people write them in a shell, and sizes as they read them."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import typer

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*)(?P<part>\.[0-9]*)?"
    r"(?:[eE]\+?(?P<power>[0-9]{1,2}))? ?(?P<unit>[A-Za-z]*)"
)
_LONGEST = 60  # characters: more than any number that is allowed
_COUNTS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BYTES = {
    **{f"{unit}{b}": size for unit, size in _COUNTS.items() for b in ("", "b")},
    **{f"{unit}i{b}": 2 ** (10 * power) for power, unit in enumerate("kmgt", 1) for b in ("", "b")},
}
_SEVERAL_BYTES = 10**6  # less is meant to have a unit


def whole(text: str, units: dict[str, int] = _COUNTS) -> int:
    """Return the whole number that a text such as 10_000_000, 1,000,000, 10M, 1.5M or 1e6 stands for.

    Raises:
        ValueError: it stands for none.
    """
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or found["unit"].lower() not in units:
        raise ValueError
    number = Fraction(re.sub("[,_]", "", found["whole"]) + (found["part"] or ""))
    number *= Fraction(10 ** int(found["power"] or 0) * units[found["unit"].lower()])
    if number.denominator != 1:
        raise ValueError
    return -number.numerator if found["sign"] == "-" else number.numerator


def count(given: str | int) -> int:
    """Return a number of things; typer parses defaults, too."""
    try:
        return whole(str(given))
    except ValueError:
        raise _bad("a whole number such as 10_000_000, 10M or 1e7", given) from None


def axis(given: str | int) -> int:
    """Return the number of an axis; -1 is the last."""
    try:
        return int(str(given))
    except ValueError:
        raise _bad("a whole number such as 0 or -1", given) from None


def seed(given: str | int) -> int:
    """Return a seed."""
    try:
        number = whole(str(given))
    except ValueError:
        number = -1
    if not 0 <= number < 2**64:
        raise _bad("a whole number from 0 to 2^64 - 1", given)
    return number


def size(given: str | int) -> int:
    """Return a number of bytes, of which a few must be written with a unit: 5 is rarely meant to be 5 bytes."""
    text = str(given)
    try:
        number = whole(text, _BYTES)
    except ValueError:
        raise _bad("whole bytes such as 5GB, 0.5GB or 512MiB", given) from None
    if 0 < number < _SEVERAL_BYTES and text[-1].isdigit():
        raise typer.BadParameter(f"must have a unit below 1 MB, got {text!r}; write {text}GB, or {text}B for bytes")
    return number


def real(given: str | float) -> float:
    """Return a number that need not be whole."""
    try:
        return float(given)
    except ValueError:
        raise _bad("a number such as 0.02", given) from None


def _bad(rule: str, given: object) -> typer.BadParameter:
    text = str(given)
    return typer.BadParameter(f"must be {rule}, got {text if len(text) <= _LONGEST else text[:_LONGEST] + '...'!r}")


def readable(nbytes: int) -> str:
    """Return a number of bytes in three digits.

    >>> readable(999), readable(51_200_000_000_000), readable(76_400_000)
    ('999 bytes', '51.2 TB', '76.4 MB')
    """
    power = min(int(math.log10(max(nbytes, 1)) / 3), 6)
    return f"{nbytes:,} bytes" if not power else f"{nbytes / 1000**power:.3g} {' kMGTPE'[power]}B"
