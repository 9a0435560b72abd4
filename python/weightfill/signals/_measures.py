"""What is measured of the values in a layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import CORE_DTYPES

Array: TypeAlias = npt.NDArray[Any]
Product: TypeAlias = Callable[[Array, Array], Array]

NARROW = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")  # the formats whose range a signal may leave
LIMITS = {  # of these, the smallest and the largest positive number
    row.name: (float(np.array(1, f"u{dtype.itemsize}").view(dtype)), row.largest)
    for dtype, row in CORE_DTYPES.items()
    if row.name in NARROW
}
_MOST_SAMPLES = 256  # that are compared with one another
_MOST_FEATURES = 1024  # by which they are compared
_MOST_VALUES = 1 << 16  # of a histogram, and of shares
_BINS = 61
_BLOCK = 1 << 15  # values that are summed up together, and stay in the cache meanwhile
_FEW = 16  # samples and positions that tell most units that are not dead
_SAFE = (1e-24, 1e24)  # mean squares between which no sum of squares in float32 has lost anything


@dataclass(frozen=True)
class Histogram:
    """How often values fall between edges; `counts` sums to the number of values that were looked at, all finite."""

    edges: Array
    counts: Array


@dataclass(frozen=True)
class Spread:
    """Statistics of values.

    Attributes:
        mean, std, rms: of all; infinite or NaN where a value is.
        outside: for float16, bfloat16 and both float8 types, the share of values, zeros left out, that overflow
            or become 0.
        histogram: how often they fall where.

    Shares and histogram are of at most 65,536 values, evenly taken.
    """

    mean: float
    std: float
    rms: float
    outside: dict[str, float]
    histogram: Histogram


@dataclass(frozen=True)
class Compared:
    """What the outputs of samples have in common.

    Attributes:
        dead: the share of units (channels) that have one and the same value for all samples and positions.
        effective_rank: (sum of eigenvalues)^2 / (sum of their squares) of the samples' Gram matrix: how many directions
            they fill, at most the number of samples compared and of units.
        correlation: the mean cosine between two samples; NaN for one sample.

    Rank and correlation are of at most 256 samples by at most 1,024 of their outputs, both evenly taken.
    """

    dead: float
    effective_rank: float
    correlation: float


def spread(values: Array) -> Spread:
    """Measure an array of float32 or float64, of any shape."""
    with np.errstate(all="ignore"):
        some = evenly_taken(values)
        return Spread(*moments(values), _outside(some), _histogram_of(some))


def compared(values: Array, product: Product = np.matmul) -> Compared:
    """Compare the samples in an array of shape (samples, units, ...), of float32 or float64.

    Args:
        values: the array.
        product: of matrices. Where a framework has threads of its own, those of NumPy's would stand in their way.
    """
    with np.errstate(all="ignore"):
        return Compared(_dead(values), *_between_samples(values, product))


def moments(values: Array) -> tuple[float, float, float]:
    """Return mean, standard deviation and root mean square, of sums in float64 over blocks."""
    flat = values.ravel("K")
    if not flat.size:
        return math.nan, math.nan, math.nan
    with np.errstate(all="ignore"):
        shift = flat[:_BLOCK].mean()  # near the mean, so that the squares of what is left do not cancel out
        total = square = 0.0
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK] - shift
            total += float(block.sum())
            square += float(np.dot(block, block))
        from_shift, square = total / flat.size, square / flat.size
        if not _SAFE[0] < square < _SAFE[1] and flat.dtype == np.float32:
            return moments(flat.astype(np.float64))
        mean, variance = float(shift) + from_shift, square - from_shift**2
        return mean, math.sqrt(max(0.0, variance)) if variance == variance else math.nan, math.sqrt(variance + mean**2)


def evenly_taken(values: Array) -> Array:
    """Return at most about 65,536 of the values, from all units and samples alike."""
    flat = values.ravel("K")
    step = -(-flat.size // _MOST_VALUES)
    while step > 1 and math.gcd(step, flat.size) > 1:  # or it would take some units only
        step += 1
    return flat[:: max(1, step)]


def _dead(values: Array) -> float:
    units = values.reshape(len(values), values.shape[1] if values.ndim > 1 else 1, -1)
    if len(units) == 1 and units.shape[2] == 1:
        return math.nan  # one sample says nothing about what changes
    first = units[:1, :, :1]
    alike = (units[:_FEW, :, :_FEW] == first).all((0, 2))  # which leaves few units to look at, as a rule
    if alike.any():
        alike = (units[:, alike] == first[:, alike]).all((0, 2))
    return float(np.count_nonzero(alike) / units.shape[1])


def _between_samples(values: Array, product: Product) -> tuple[float, float]:
    some = _every(values, _MOST_SAMPLES).reshape(min(len(values), _MOST_SAMPLES), -1)
    some = _every(some.T, _MOST_FEATURES).T
    largest = float(np.abs(some).max(initial=0.0))
    if not 0 < largest < math.inf:
        return (0.0 if largest == 0 else math.nan), math.nan
    some = some / some.dtype.type(largest)  # so that no square is lost
    gram = product(some, some.T).astype(np.float64)
    rank = float(np.trace(gram) ** 2 / np.square(gram).sum())
    lengths = np.sqrt(np.diag(gram))
    alive = lengths > 0
    count = int(alive.sum())
    if count < 2:
        return rank, math.nan
    cosines = gram[np.ix_(alive, alive)] / np.outer(lengths[alive], lengths[alive])
    return rank, float((cosines.sum() - count) / (count * (count - 1)))


def _every(values: Array, most: int) -> Array:
    """Return at most so many of the values along the first axis, evenly taken."""
    return values if len(values) <= most else values[np.linspace(0, len(values) - 1, most).astype(np.intp)]


def _outside(values: Array) -> dict[str, float]:
    sizes = np.abs(values).reshape(-1)
    found = {}
    numbers = np.count_nonzero(sizes)
    for name, (smallest, largest) in LIMITS.items():
        kept = np.count_nonzero((sizes > smallest / 2) & (sizes <= largest))  # half of the smallest is rounded to 0
        found[name] = (numbers - kept) / max(1, numbers)
    return found


def _histogram_of(some: Array) -> Histogram:
    """Return the histogram of the finite values; those beyond the 0.1 % quantiles are counted in the outer bins."""
    some = some[np.isfinite(some)].astype(np.float64)
    if not some.size:
        return Histogram(np.array([-1.0, 1.0]), np.array([0]))
    tail = some.size // 1000
    some.partition([tail, some.size - 1 - tail])
    low, high = float(some[tail]), float(some[-1 - tail])
    if not low < high:
        low, high = low - max(1e-300, abs(low) * 0.01), high + max(1e-300, abs(high) * 0.01)
    edges = np.linspace(low, high, _BINS + 1)
    bins = np.clip((some - low) / (high - low) * _BINS, 0, _BINS - 1).astype(np.intp)
    return Histogram(edges, np.bincount(bins, minlength=_BINS))
