"""Stream and laws as they are defined, sharing no code with the package: words by NumPy, quantiles by mpmath."""

import math
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path

import ml_dtypes
import mpmath
import numpy as np
from scipy.special import ndtri_exp

DATA = Path(__file__).parent / "data"


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


def element_words(dtype, seed, number, first, count):
    """The word of each element [first, first + count) of a tensor: 64 bits for float64, otherwise 32."""
    if dtype != np.float64:
        return words(seed, number, first, count)
    pairs = words(seed, number, 2 * first, 2 * count).astype(np.uint64)
    return pairs[0::2] | pairs[1::2] << np.uint64(32)


def positions_number(name):
    """The number of the stream of positions."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8, person=b"positions").digest(), "little")


def connections(seed, name, unit, inputs, kept):
    """The positions that are drawn of a unit, as a set: Floyd's algorithm, for the fewer of kept and left out."""
    listed = min(kept, inputs - kept)
    word = words(seed, positions_number(name), 2 * unit * listed, 2 * listed).tolist()
    chosen = set()
    for j in range(listed):
        last = inputs - listed + j
        drawn = (word[2 * j] | word[2 * j + 1] << 32) * (last + 1) >> 64
        chosen.add(last if drawn in chosen else drawn)
    return chosen if kept <= inputs // 2 else set(range(inputs)) - chosen


def standard_uniform(dtype, seed, number, first, count):
    """The elements [first, first + count) of Uniform(0, 1) in float32 or float64."""
    shift, steps = (11, 2**53) if dtype == np.float64 else (8, 2**24)
    word = element_words(dtype, seed, number, first, count)
    return (word >> word.dtype.type(shift)).astype(dtype) / dtype.type(steps)


def rounded(value, dtype):
    """A fraction rounded once to nearest even; subnormals are kept, the range is not looked at."""
    info = ml_dtypes.finfo(dtype)
    if value == 0:
        return dtype.type(0)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent -= abs(value) < Fraction(2) ** exponent
    last_bit = Fraction(2) ** (max(exponent, int(info.minexp)) - int(info.nmant))
    return dtype.type(float(round(value / last_bit) * last_bit))


def uniform(low, high, word, dtype):
    """low + k * scale, fused, for the leading 24 or 53 bits k of a word, not yet held to the bounds."""
    shift, bits = (11, 53) if dtype == np.float64 else (8, 24)
    step = float((Fraction(high) - Fraction(low)) / 2**bits)
    scale, start = dtype.type(step), dtype.type(low)
    if float(scale) > step:
        scale = np.nextafter(scale, dtype.type(0))
    if float(start) < low:
        start = np.nextafter(start, dtype.type(math.inf))
    return rounded(Fraction(float(start)) + (int(word) >> shift) * Fraction(float(scale)), dtype)


def quantile(word, bits, low=-math.inf, high=math.inf):
    """The quantile at (word + 1/2) / 2**bits of the standard normal law between the bounds, to 40 digits."""
    with mpmath.workdps(60):
        u = (mpmath.mpf(int(word)) + 0.5) / mpmath.mpf(2) ** bits
        if low > -high:  # the side where the law's distribution function is small and exact
            return -_quantile(1 - u, -high, -low)
        return _quantile(u, low, high)


def _quantile(u, low, high):
    p = mpmath.ncdf(low) + u * (mpmath.ncdf(high) - mpmath.ncdf(low))
    upper = p > 0.5
    if upper:
        p = 1 - p
    z = mpmath.mpf(float(ndtri_exp(float(mpmath.log(p)))))
    for _ in range(3):
        z -= (mpmath.ncdf(z) - p) / mpmath.npdf(z)
    return -z if upper else z


def narrowed(values, dtype, low=-math.inf, high=math.inf, *, below_high=False):
    """Values in the same or a narrower dtype: held to its values in [low, high], or [low, high), and rounded once."""
    largest = dtype.type(ml_dtypes.finfo(dtype).max)
    least = dtype.type(max(low, -float(largest)))
    if float(least) < low:
        least = np.nextafter(least, largest)
    most = dtype.type(min(high, float(largest)))
    if float(most) > high or (below_high and float(most) == high):
        most = np.nextafter(most, -largest)
    return np.clip(values, values.dtype.type(least), values.dtype.type(most)).astype(dtype)
