"""The variance and the distribution of every scheme, in every type down to 16 bits, with fixed seeds.

A right generator misses one of these bounds about once in a million tries.
"""

import math
from functools import lru_cache

import numpy as np
import pytest
from scipy import special

import weightfill as wf
from tests.bits import bits
from tests.initializers import test_statistics
from tests.initializers.test_statistics import LEAST_P, SIGMAS, distribution, kolmogorov_smirnov
from weightfill._arguments.dtypes import as_dtype
from weightfill._initializers.scaling import VarianceScaling
from weightfill._initializers.schemes import (
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    ScaledNormal,
    StandardUniform,
    XavierNormal,
    XavierUniform,
)

N = 10_000_000
WIDE = [np.dtype(np.float32), np.dtype(np.float64)]
NARROW = [as_dtype("float16"), as_dtype("bfloat16")]

CONV, GROUPED, KERAS = (500, 200, 10, 10), (1000, 100, 10, 10), (10, 10, 200, 500)
# Scheme, shape of 10^7 elements, variance.
SCHEMES = [
    (VarianceScaling(), CONV, 1 / 20_000),
    (VarianceScaling(3.0, "fan_out", "normal"), CONV, 3 / 50_000),
    (VarianceScaling(0.5, "fan_geo_avg", "uniform"), CONV, 0.5 / math.sqrt(20_000 * 50_000)),
    (XavierUniform(), (2_500, 4_000), 2 / 6_500),
    (XavierUniform("logistic"), (2_500, 4_000), 16 * 2 / 6_500),
    (XavierNormal("tanh"), (2_500, 4_000), 25 / 9 * 2 / 6_500),
    (XavierNormal(truncated=True, layout="keras"), KERAS, 2 / 70_000),
    (KaimingUniform(), GROUPED, 2 / 10_000),
    (KaimingUniform(mode="fan_out", groups=5), GROUPED, 2 / 20_000),
    (KaimingNormal(), (10_000_000, 1), 2.0),
    (KaimingNormal("leaky_relu", "fan_out"), CONV, 2 / 1.0001 / 50_000),
    (KaimingNormal(truncated=True, layout="torch_transposed"), CONV, 2 / 50_000),
    (LecunUniform(layout="jax"), KERAS, 1 / 20_000),
    (LecunNormal(), CONV, 1 / 20_000),
    (LecunNormal(truncated=True, layout="flax"), KERAS, 1 / 20_000),
    (ScaledNormal(), (1_000, 10_000), 1 / 10_000),
    (StandardUniform(), (1_000, 10_000), 1 / 30_000),
]
schemes = pytest.mark.parametrize(("scheme", "shape", "variance"), SCHEMES, ids=str)


@lru_cache(maxsize=1)
def sample(scheme, shape, dtype):
    return wf.create(shape, scheme, seed=20250117, stream=f"scheme/{scheme}", dtype=dtype).reshape(-1)


cells = lru_cache(test_statistics.cells)


def kurtosis(law):
    """The fourth central moment over the square of the second."""
    if isinstance(law, wf.Uniform):
        return 9 / 5
    if isinstance(law, wf.Normal):
        return 3
    c = law.cutoff
    lost = 2 * c * math.exp(-c * c / 2) / math.sqrt(2 * math.pi) / math.erf(c / math.sqrt(2))
    return (3 * (1 - lost) - c * c * lost) / (1 - lost) ** 2


@schemes
@pytest.mark.parametrize("dtype", WIDE + NARROW, ids=str)
def test_variance_of_a_scheme_is_that_of_its_formula(scheme, shape, variance, dtype):
    total = squares = 0.0
    for part in sample(scheme, shape, dtype).reshape(-1, 10_000):
        part = part.astype(np.float64)
        total, squares = total + part.sum(), squares + part @ part
    assert abs(total) <= SIGMAS * math.sqrt(variance * N)
    error = variance * math.sqrt((kurtosis(scheme.law(shape)) - 1) / N)
    assert abs(squares / N - variance) <= SIGMAS * error


@schemes
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_rounding_to_16_bits_changes_the_variance_by_less_than_half_of_its_error(scheme, shape, variance, dtype):
    """Exactly, not from a sample. Most of it is at the bounds, where a cell is cut."""
    law = scheme.law(shape)
    values, probability = cells(law, dtype)
    assert abs(probability @ values**2 - variance) <= variance * math.sqrt((kurtosis(law) - 1) / N) / 2


@schemes
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_each_value_of_16_bits_has_the_share_of_its_rounding_cell(scheme, shape, variance, dtype):
    values, probability = cells(scheme.law(shape), dtype)
    counts = np.bincount(bits(sample(scheme, shape, dtype)), minlength=2**16)
    codes = np.flatnonzero(counts)
    drawn = codes.astype(np.uint16).view(dtype).astype(np.float64)
    place = np.searchsorted(values, drawn)
    assert (values[np.minimum(place, values.size - 1)] == drawn).all()
    counts = np.bincount(place, counts[codes], minlength=values.size)
    assert goodness(counts, probability) > LEAST_P


@schemes
@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_shares_of_the_leading_bits_are_those_of_the_law(scheme, shape, variance, dtype):
    """By the leading 16 bits: sign, exponent and the first 7 or 4 bits of the significand."""
    word = np.dtype(f"u{dtype.itemsize}").type
    shift = word(8 * dtype.itemsize - 16)
    counts = np.bincount((bits(sample(scheme, shape, dtype)) >> shift).astype(np.intp), minlength=2**16)
    infinity = int(dtype.type(math.inf).view(word) >> shift)
    edges = (np.arange(infinity + 1, dtype=word) << shift).view(dtype).astype(np.float64)
    with np.errstate(over="ignore"):
        above, below = (np.abs(np.diff(distribution(scheme.law(shape), sign * edges))) for sign in (1, -1))
    counts = np.concatenate([counts[:infinity], counts[2**15 : 2**15 + infinity]])
    assert goodness(counts, np.concatenate([above, below])) > LEAST_P


def goodness(counts, probability):
    """The probability of as large a chi-square, rare cells taken together with their neighbours."""
    assert counts.sum() == N
    group = np.floor(np.cumsum(probability) * N / 50 - 1e-9).astype(np.int64)
    _, group = np.unique(group, return_inverse=True)
    observed, expected = np.bincount(group, counts), np.bincount(group, probability) * N
    keep = expected >= 10
    assert expected[~keep].sum() < 50
    assert observed[~keep].sum() <= expected[~keep].sum() + SIGMAS * math.sqrt(expected[~keep].sum()) + 3
    return special.chdtrc(keep.sum() - 1, ((observed - expected)[keep] ** 2 / expected[keep]).sum())


@pytest.mark.parametrize(("scheme", "shape"), [case[:2] for case in SCHEMES[:3]], ids=str)
def test_values_of_each_distribution_follow_its_law(scheme, shape):
    assert kolmogorov_smirnov(sample(scheme, shape, WIDE[0]), scheme.law(shape)) > LEAST_P


@pytest.mark.slow
@schemes
@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_values_of_a_scheme_follow_its_law(scheme, shape, variance, dtype):
    assert kolmogorov_smirnov(sample(scheme, shape, dtype), scheme.law(shape)) > LEAST_P
