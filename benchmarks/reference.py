"""The values a fill should write, by NumPy and the standard library: slow, exact, without the core."""

from __future__ import annotations

import math
from hashlib import blake2b
from statistics import NormalDist
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from tests.philox import words_of_blocks

import weightfill as wf

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_STANDARD = NormalDist()


def words(seed: int, stream: str, indices: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return these words, each below 2**32, of a stream: Philox4x32-10, word n is word n & 3 of block n >> 2."""
    number = int.from_bytes(blake2b(stream.encode(), digest_size=8).digest(), "little") if stream else 0
    block = indices >> np.uint64(2)
    c2, c3 = (np.full_like(block, half) for half in (number & 0xFFFFFFFF, number >> 32))
    four = words_of_blocks(block & _LOW, block >> _HALF, c2, c3, seed & 0xFFFFFFFF, seed >> 32)
    word = (indices & np.uint64(3)).astype(np.intp)
    drawn: npt.NDArray[np.uint64] = np.take_along_axis(four, word[..., np.newaxis], -1)[..., 0].astype(np.uint64)
    return drawn


def value(init: wf.Initializer, word: int, bits: int) -> float:
    """Return, to about double precision, what a law makes of a word of 32 bits, or of 64 for float64."""
    if isinstance(init, wf.Constant):
        return init.value
    if isinstance(init, wf.Uniform):
        step, kept = (2.0**-53, word >> 11) if bits == 64 else (2.0**-24, word >> 8)
        return init.low + kept * step * (init.high - init.low)
    if isinstance(init, wf.Normal):
        return init.mean + init.std * _quantile(word, bits, -math.inf, math.inf)
    if isinstance(init, wf.Laplace):
        nearer = min(word, 2**bits - 1 - word)
        distance = init.scale * math.log((2 * nearer + 1) / 2**bits)
        return init.mean + (distance if nearer == word else -distance)
    if isinstance(init, wf.LogUniform) and init.then is None:
        return math.exp(math.log(init.low) + (word + 0.5) / 2**bits * math.log(init.high / init.low))
    assert isinstance(init, wf.TruncatedNormal)
    low, high = ((bound - init.mean) / init.std for bound in init.bounds())
    return init.mean + init.std * _quantile(word, bits, low, high)


def _quantile(word: int, bits: int, low: float, high: float) -> float:
    """Return the quantile at (word + 1/2) / 2**bits of the standard normal law between bounds, from its nearer end."""
    if 2 * word >= 2**bits:
        return -_quantile(2**bits - 1 - word, bits, -high, -low)
    below = _cdf(low)
    return _STANDARD.inv_cdf(below + (word + 0.5) / 2**bits * (_cdf(high) - below))


def _cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def check(found: npt.NDArray[Any], init: wf.Initializer, seed: int, stream: str, indices: npt.ArrayLike) -> None:
    """Check elements against their values; `indices` are theirs in the whole tensor.

    Raises:
        AssertionError: one is further off than rounding explains.
    """
    bits = 64 if found.dtype == np.float64 else 32
    where = np.asarray(indices, np.uint64)
    if bits == 64:
        drawn = words(seed, stream, 2 * where) | words(seed, stream, 2 * where + np.uint64(1)) << _HALF
    else:
        drawn = words(seed, stream, where)
    expected = np.array([value(init, int(word), bits) for word in drawn.ravel()]).reshape(drawn.shape)
    info: Any = ml_dtypes.finfo(found.dtype)  # type: ignore[no-untyped-call]  # ml_dtypes types no finfo
    scale = 1e-12 if bits == 64 else 1e-6  # what the law may be off, in units of the largest value looked at
    allowed = float(info.eps) * np.abs(expected) + float(info.smallest_subnormal) + scale * np.abs(expected).max()
    wrong = np.abs(found.astype(np.float64) - expected) > allowed
    if wrong.any():
        raise AssertionError(f"{init}, {found.dtype}: expected {expected[wrong][0]}, found {found[wrong][0]}")
