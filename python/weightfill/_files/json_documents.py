"""JSON documents of others, read with care."""

from __future__ import annotations

import json
from typing import Any

from weightfill._arguments.messages import cut, shown
from weightfill._files.npy import content_of

_MOST_DIGITS = 1000  # of an integer that can mean anything; Python does not read more than 4,300


def document_in(path: str, argument: str, kind: str, most: int) -> Any:
    """Return the JSON document in a regular file of at most `most` bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds none; the message says that `argument` must be `kind`.
    """
    content = content_of(path, argument, kind, most)
    try:
        return parsed(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{argument} must be {kind}, got {path}: {cut(str(error))}") from error


def parsed(content: bytes) -> Any:
    """Return a JSON document.

    Raises:
        ValueError: it is none, a name stands twice in an object, or an integer has thousands of digits.
        RecursionError: it is nested too deep.
    """
    return json.loads(content, object_pairs_hook=_unique, parse_int=_integer)


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"an integer of {len(text):,} digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of a JSON document; ValueError if a name stands twice in it."""
    result: dict[str, Any] = {}
    for name, content in pairs:
        if name in result:
            raise ValueError(f"{shown(name)} occurs twice")
        result[name] = content
    return result
