"""Texts that can be written in UTF-8."""

from __future__ import annotations

from weightfill._arguments.messages import shown


def check_utf8(text: str, argument: str, rule: str = "be encodable in UTF-8") -> None:
    r"""Raise ValueError if a text cannot be written in UTF-8, as a half of a surrogate pair cannot.

    >>> check_utf8("\ud800", "stream")
    Traceback (most recent call last):
    ValueError: stream must be encodable in UTF-8, got '\ud800'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{argument} must {rule}, got {shown(text)}") from None
