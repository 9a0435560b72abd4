"""Names of tensors as people read them: the numbers of layers left open, the nearest to what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_NUMBER = re.compile(r"(?<![^.])[0-9]+(?![^.])")
_MOST_NAMES = 2000  # that are compared


def layered(name: str) -> str:
    """Return a name with its numbers left open, which equal layers share.

    >>> layered("h.11.attn.c_proj.weight")
    'h.*.attn.c_proj.weight'
    """
    return _NUMBER.sub("*", name)


def nearest(names: Iterable[str], wanted: str) -> list[str]:
    """Return up to three of the names: those that hold what is wanted, are most like it, or come first."""
    known = list(dict.fromkeys(map(layered, list(names)[:_MOST_NAMES])))
    core = wanted.strip("*").lower()
    holding = [name for name in known if core and core in name.lower()]
    return (holding or get_close_matches(wanted, known, 3, 0.4) or known)[:3]
