"""Stream and laws as they are defined, sharing no code with the package: quantiles by mpmath."""

import math
from fractions import Fraction
from hashlib import blake2b

import ml_dtypes
import mpmath
import numpy as np
from scipy.special import ndtri_exp

from tests.philox import words


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


def laplace(u, mean, scale):
    """The quantile at u of the Laplace law."""
    return mean + scale * mpmath.log(2 * u) if 2 * u < 1 else mean - scale * mpmath.log(2 * (1 - u))


def log_uniform(u, low, high, transform):
    """The quantile at u of the log-uniform law, as it is (0) or its inverse softplus (1)."""
    x = mpmath.mpf(low) * (mpmath.mpf(high) / low) ** u
    return mpmath.log(mpmath.expm1(x)) if transform else x


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
