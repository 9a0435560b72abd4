"""What is measured of the values in a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import CORE_DTYPES

Array: TypeAlias = npt.NDArray[Any]

NARROW = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")  # the formats whose range a signal may leave
_MOST_SAMPLES = 256  # that are compared with one another
_MOST_VALUES = 1 << 16  # of a histogram
_BINS = 61


@dataclass(frozen=True)
class Histogram:
    """How often values fall between edges; `counts` sums to the number of values that were looked at, all finite."""

    edges: Array
    counts: Array


@dataclass(frozen=True)
class Measured:
    """Statistics of the outputs of a layer, or of gradients.

    Attributes:
        mean, std, rms: over all samples and units; infinite or NaN where a value is.
        dead: the share of units (channels) that have one and the same value for all samples.
        effective_rank: (sum of eigenvalues)^2 / (sum of their squares) of the samples' Gram matrix: how many directions
            they fill, at most the number of samples compared (256) and of units.
        correlation: the mean cosine between two samples; NaN for one sample.
        outside: for float16, bfloat16 and both float8 types, the share of values that overflow or become zero.
        histogram: of at most 65,536 values.
    """

    mean: float
    std: float
    rms: float
    dead: float
    effective_rank: float
    correlation: float
    outside: dict[str, float]
    histogram: Histogram


def measured(values: Array) -> Measured:
    """Measure an array of shape (samples, units, ...), of float32 or float64."""
    with np.errstate(all="ignore"):
        mean, std, rms = moments(values)
        rank, correlation = _between_samples(values)
        return Measured(mean, std, rms, _dead(values), rank, correlation, _outside(values), histogram_of(values))


def moments(values: Array) -> tuple[float, float, float]:
    """Return mean, standard deviation and root mean square, of sums in float64."""
    flat = values.reshape(-1)
    if not flat.size:
        return math.nan, math.nan, math.nan
    with np.errstate(all="ignore"):
        mean = float(flat.mean(dtype=np.float64))
        centred = flat - flat.dtype.type(mean)
        square = float(np.einsum("i,i->", centred, centred, dtype=np.float64, casting="same_kind")) / flat.size
        return mean, math.sqrt(square) if square >= 0 else math.nan, math.sqrt(square + mean * mean)


def _dead(values: Array) -> float:
    units = values.reshape(len(values), values.shape[1] if values.ndim > 1 else 1, -1)
    if len(units) == 1 and units.shape[2] == 1:
        return math.nan  # one sample says nothing about what changes
    first = units[:1, :, :1]
    return float(np.count_nonzero((units == first).all((0, 2))) / units.shape[1])


def _between_samples(values: Array) -> tuple[float, float]:
    some = values[:_MOST_SAMPLES].reshape(min(len(values), _MOST_SAMPLES), -1)
    largest = float(np.abs(some).max(initial=0.0))
    if not 0 < largest < math.inf:
        return (0.0 if largest == 0 else math.nan), math.nan
    some = some / some.dtype.type(largest)  # so that no square is lost
    gram = (some @ some.T).astype(np.float64)
    rank = float(np.trace(gram) ** 2 / np.square(gram).sum())
    lengths = np.sqrt(np.diag(gram))
    alive = lengths > 0
    count = int(alive.sum())
    if count < 2:
        return rank, math.nan
    cosines = gram[np.ix_(alive, alive)] / np.outer(lengths[alive], lengths[alive])
    return rank, float((cosines.sum() - count) / (count * (count - 1)))


def _outside(values: Array) -> dict[str, float]:
    sizes = np.abs(values).reshape(-1)
    found = {}
    for dtype, row in CORE_DTYPES.items():
        if row.name in NARROW:
            lost = np.count_nonzero(sizes > row.largest) + np.count_nonzero(
                (sizes <= _smallest(dtype) / 2) & (sizes > 0)
            )
            found[row.name] = lost / max(1, sizes.size)
    return found


def _smallest(dtype: np.dtype[Any]) -> float:
    return float(np.array(1, f"u{dtype.itemsize}").view(dtype))


def histogram_of(values: Array) -> Histogram:
    """Return the histogram of at most 65,536 of the values, evenly taken, between their 0.1 % quantiles."""
    flat = values.reshape(-1)
    some = flat[:: max(1, flat.size // _MOST_VALUES)]
    some = some[np.isfinite(some)].astype(np.float64)
    if not some.size:
        return Histogram(np.array([-1.0, 1.0]), np.array([0]))
    low, high = np.quantile(some, [0.001, 0.999])
    if not low < high:
        low, high = low - max(1e-300, abs(low) * 0.01), high + max(1e-300, abs(high) * 0.01)
    counts, edges = np.histogram(np.clip(some, low, high), _BINS, (low, high))
    return Histogram(edges, counts)
