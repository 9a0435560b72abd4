"""Bit generators at any place of a stream, and what they draw."""

from typing import Any

import numpy as np

from weightfill import PhiloxBitGenerator


def children_of(generator: PhiloxBitGenerator) -> tuple[Any, ...]:
    """How the generator was spawned: (jumps, child) from the named stream on."""
    spawned: tuple[Any, ...] = generator.state["state"]["spawned"]
    return spawned


def pairs(all_words: np.ndarray[Any, np.dtype[np.uint32]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    wide = all_words.astype(np.uint64)
    joined: np.ndarray[Any, np.dtype[np.uint64]] = wide[0::2] | wide[1::2] << np.uint64(32)
    return joined


def at(seed: int, stream: str = "", jumps: int = 0, position: int = 0) -> PhiloxBitGenerator:
    generator = PhiloxBitGenerator(0)
    place = {"seed": seed, "stream": stream, "jumps": jumps, "position": position}
    generator.state = {"bit_generator": "PhiloxBitGenerator", "state": place}
    return generator


def next_word(generator: PhiloxBitGenerator) -> int:
    interface = generator.ctypes
    return int(interface.next_uint32(interface.state))


def position(generator: PhiloxBitGenerator) -> int:
    return generator.state["state"]["position"]
