"""Streams: independent sequences of random words, told apart by names."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Protocol

import numpy as np

from weightfill import _core
from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import cut, shown
from weightfill._arguments.utf8 import check_utf8


class _Initializer(Protocol):
    """What is asked of an initializer here; their room is above this one."""

    random: ClassVar[bool]


@lru_cache(maxsize=4096)
def _hashed(name: str) -> int:
    check_utf8(name, "stream")
    return _core.stream_number(name.encode(), b"")


def stream_number(name: str) -> int:
    """Return the number of the stream called `name`: 0 for the empty name, otherwise 64 bits of its BLAKE2b hash.

    >>> stream_number("")
    0
    >>> hex(stream_number("item_table"))
    '0x63bd5cf80214af31'

    Raises:
        TypeError: `name` is not a string.
        ValueError: `name` cannot be written in UTF-8.
    """
    if not isinstance(name, str):
        raise TypeError(f"stream must be a string, got {shown(name)}")
    return _hashed(name) if name else 0


def positions_number(name: str) -> int:
    """Return the number of the stream that decides the positions of the connections of a sparse tensor.

    >>> hex(positions_number(""))
    '0x528235e07c33fcb2'
    """
    return _core.stream_number(name.encode(), b"positions")


def spawned_number(parent: int, child: int) -> int:
    """Return the number of the stream of a spawned generator: of child `child` of the stream numbered `parent`.

    Numbers, not names: "a/0" of "a" and "a/0" as a name would be one stream.

    >>> hex(spawned_number(0, 0))
    '0x1ace87c24231438b'
    """
    return _core.stream_number(parent.to_bytes(8, "little") + child.to_bytes(8, "little"), b"spawn")


def checked_seed(seed: int | None, init: _Initializer) -> int:
    """Return the seed as an int; 0 if there is none and the initializer needs none.

    Raises:
        TypeError: it is missing but needed, or it is not an integer.
        ValueError: it is not in [0, 2**64).
    """
    if type(seed) is int and 0 <= seed < 2**64:
        return seed
    if seed is None:
        if init.random:
            raise TypeError(
                f"seed must be given for {cut(str(init))}, got None; pass the same seed=... for the whole model, and "
                "give every tensor its own stream, or equal shapes get equal values"
            )
        return 0
    number = as_integer(seed, "seed", "an integer in [0, 2**64)", way_out=_way_out(seed))
    if not 0 <= number < 2**64:
        raise ValueError(f"seed must be in [0, 2**64), got {shown(number)}")
    return number


def _way_out(seed: object) -> str:
    """Return the end of a message: how to make an integer of what other libraries take for a seed."""
    if hasattr(seed, "generate_state"):  # numpy.random.SeedSequence
        return "; pass int(seed.generate_state(1, np.uint64)[0])"
    if isinstance(seed, np.random.Generator):
        return "; pass int(seed.integers(2**64, dtype=np.uint64)), drawn once for the whole model"
    if isinstance(seed, np.random.RandomState):
        return "; pass int(seed.randint(2**64, dtype=np.uint64)), drawn once for the whole model"
    if isinstance(seed, np.random.BitGenerator):
        return "; pass int(seed.random_raw()), drawn once for the whole model"
    if hasattr(seed, "initial_seed"):  # torch.Generator
        return "; pass seed.initial_seed()"
    if isinstance(seed, list | tuple | np.ndarray):
        return "; pass int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])"
    if type(seed).__module__.partition(".")[0] == "jax":
        return "; weightfill.jax.initializer(init)(key, shape) takes keys of JAX"
    return ""
