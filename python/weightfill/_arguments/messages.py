"""Values as messages show them: whatever was given, a line of bounded length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

_LONGEST = 200  # characters of a value
_MOST = 5  # values of a list


def shown(value: object) -> str:
    """Return a value as messages show it: as Python writes it, but in a line and cut.

    >>> shown(0.5), len(shown("a" * 10**6)), shown(10**5000)
    ('0.5', 200, 'an integer of 16,610 bits')
    """
    if isinstance(value, int) and value.bit_length() > 4 * _LONGEST:
        return f"an integer of {value.bit_length():,} bits"
    try:
        part = value[:_LONGEST] if isinstance(value, str | bytes | list | tuple) and len(value) > _LONGEST else value
        text = repr(part)
    except Exception:  # of others' classes, and of integers that Python does not write
        text = f"a {type(value).__name__}"
    return cut(text if part is value else f"{text}...")


def cut(text: str) -> str:
    """Return a text as a line of bounded length."""
    line = " ".join(text.split()) if "\n" in text else text
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def shortened(name: str, longest: int) -> str:
    """Return a name without its middle, where it is longer.

    >>> shortened("model.layers.31.mlp.down_proj.weight", 20)
    'model.lay...j.weight'
    """
    if len(name) <= longest:
        return name
    end = (longest - 3) // 2
    return f"{name[: longest - 3 - end]}...{name[len(name) - end :]}"


def printable(text: str) -> str:
    r"""Return a text for a terminal: characters that are not printable, such as newline and ESC, as escapes.

    >>> print(printable("fc\n\x1b[31m.weight"))
    fc\n\x1b[31m.weight
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def listed(values: Iterable[object]) -> str:
    """Return the first of many values, and how many more there are.

    >>> listed("abcdefg")
    "'a', 'b', 'c', 'd', 'e' and 2 more"
    """
    rest = iter(values)
    first = ", ".join(map(shown, islice(rest, _MOST)))
    more = sum(1 for _ in rest)
    return f"{first} and {more:,} more" if more else first


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Say where in a document a wrong value stands; a value of a wrong type is a wrong value of the document.

    Raises:
        ValueError: what is within raised TypeError or ValueError.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error
