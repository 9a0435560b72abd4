"""The words of a stream as docs/concepts/stream.md defines them, by NumPy alone."""

from hashlib import blake2b

import numpy as np


def number_of(name):
    """The number of the stream of this name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") if name else 0


def words_of_blocks(c0, c1, c2, c3, key0, key1):
    """Philox4x32-10 of counters in uint64 arrays; the four words in the last axis."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ np.uint64(key0), p1 & low, (p0 >> half) ^ c3 ^ np.uint64(key1), p0 & low
        key0, key1 = (key0 + 0x9E3779B9) & 0xFFFFFFFF, (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def words(seed, number, first, count):
    """The words [first, first + count) of a stream, first + count <= 2**66."""
    begin, end = first // 4, -(-(first + count) // 4)
    block = np.arange(end - begin, dtype=np.uint64) + np.uint64(begin)
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c2, c3 = np.full_like(block, number & 0xFFFFFFFF), np.full_like(block, number >> 32)
    result = words_of_blocks(block & low, block >> half, c2, c3, seed & 0xFFFFFFFF, seed >> 32)
    return result.ravel()[first % 4 :][:count]
