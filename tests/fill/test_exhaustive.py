"""Narrow dtypes, all of them: every code, every rounding, every step of u under the bounds."""

import math
from functools import lru_cache

import ml_dtypes
import numpy as np
import pytest

import weightfill as wf
from tests.bits import DTYPES, bits
from tests.definition import narrowed
from weightfill import _core

NARROW = [dtype for dtype in DTYPES if dtype.itemsize < 4]
STEPS = 2**24  # values of u in float32 and narrower
CHUNK = 2**24
CHUNKS = 32  # of elements, after which every step has come up
SEED, STREAM = 8, "exhaustive"


@lru_cache
def finite_values(dtype):
    """All finite values but -0, as float64, ascending."""
    codes = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(dtype)
    with np.errstate(invalid="ignore"):  # some codes are signalling NaNs
        values = codes.astype(np.float64)
    return np.unique(values[np.isfinite(values)] + 0.0)


def constant_bits(value, dtype):
    return int(bits(wf.fill(np.empty(1, dtype), wf.Constant(value)))[0])


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_every_finite_value_is_a_constant_of_its_own_code(dtype):
    values = finite_values(dtype)
    expected = bits(values.astype(dtype)).tolist()
    assert [constant_bits(value, dtype) for value in values.tolist()] == expected


@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_constants_between_two_values_are_rounded_to_nearest_even(dtype):
    values = finite_values(dtype)
    middles = ((values[:-1] + values[1:]) / 2).astype(np.float32)
    below, above = (np.nextafter(middles, np.float32(end)) for end in (-math.inf, math.inf))
    for between in (below, middles, above):
        found = [constant_bits(value, dtype) for value in between.tolist()]
        assert found == bits(between.astype(dtype)).tolist()


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_kernels_round_as_the_cast_does_in_every_binade(dtype, sign):
    """Steps of u over [0, 2**k) or [-2**k, 0) hold every float32 next to, and halfway between, two values of it.

    Below the narrowest uniform law a truncated normal, nearly flat over so little, takes its place.
    """
    info = ml_dtypes.finfo(dtype)
    lowest, highest = int(info.minexp) - int(info.nmant) - 1, math.frexp(float(info.max))[1] - 1
    if dtype == ml_dtypes.bfloat16:
        exponents = [*range(-149 + 24, -100), *range(-10, 10), *range(highest - 10, highest + 1)]
    else:
        exponents = range(lowest, highest + 1)
    for k in exponents:
        low, high = sorted((0.0, sign * math.ldexp(1, k)))
        if not _holds_a_value(dtype, low, high):
            continue
        law = wf.Uniform(low, high) if k >= -102 else wf.TruncatedNormal(low=low, high=high)
        wide = wf.create(200_000, law, seed=SEED, stream=STREAM, threads=1)
        narrow = wf.create(200_000, law, seed=SEED, stream=STREAM, dtype=dtype, threads=1)
        below_high = isinstance(law, wf.Uniform)
        np.testing.assert_array_equal(bits(narrow), bits(narrowed(wide, dtype, low, high, below_high=below_high)))


def _holds_a_value(dtype, low, high):
    values = finite_values(dtype)
    return ((values >= low) & (values < high)).any()


def chunks(law, dtype):
    """The first CHUNKS * CHUNK elements, in the same memory one part after the other."""
    out = np.empty(CHUNK, dtype)
    for k in range(CHUNKS):
        start = k * CHUNK
        yield wf.fill(out, law, seed=SEED, stream=STREAM, shape=CHUNKS * CHUNK, start=start)


@pytest.mark.slow
def test_every_step_of_u_comes_up():
    seen = np.zeros(STEPS, np.bool_)
    for values in chunks(wf.Uniform(), np.float32):
        seen[(values * np.float32(STEPS)).astype(np.int32)] = True
        if seen.all():
            return
    pytest.fail(f"{STEPS - seen.sum()} steps of u are missing")


BOUNDS = [
    (0.0, 1.0),
    (-1.0, 1.0),
    (-0.07, 0.03),
    (1.0, 1.2),
    (0.85, 1.0),
    (-1.0, -0.85),
    (1 / 3, 2 / 3),
    (-448.0, 448.0),
    (-1e-3, 2e-3),
    (3.0, 3.3),
]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", NARROW, ids=str)
@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_every_step_of_u_stays_within_the_bounds(low, high, dtype):
    """`low <= x < high` for all elements in which every step of u comes up; the ends are reached."""
    counts = np.zeros(2 ** (8 * dtype.itemsize), np.int64)
    for values in chunks(wf.Uniform(low, high), dtype):
        counts += np.bincount(bits(values), minlength=counts.size)
    found = np.flatnonzero(counts).astype(f"u{dtype.itemsize}").view(dtype).astype(np.float64)
    possible = finite_values(dtype)
    possible = possible[(possible >= low) & (possible < high)]
    assert found.min() == possible[0]
    assert found.max() == possible[-1]
    assert np.isin(found, possible).all()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    ("low", "high"), [*BOUNDS, (1.0, math.nextafter(1.0, 2.0) + 1e-6), (1e-30, 3e-30), (0.0, 2.0**-102)]
)
def test_every_step_of_u_stays_within_the_bounds_of_wide_dtypes(low, high, dtype):
    least, most = math.inf, -math.inf
    for values in chunks(wf.Uniform(low, high), dtype):
        least, most = min(least, float(values.min())), max(most, float(values.max()))
    assert low <= least < low + (high - low) * 1e-6
    assert high - (high - low) * 1e-6 - 1e-6 * abs(high) < most < high


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "law",
    [
        wf.TruncatedNormal(std=0.02),
        wf.TruncatedNormal(std=0.7, cutoff=0.3),
        wf.TruncatedNormal(low=1 / 3, high=4.1),
        wf.TruncatedNormal(low=-40.0, high=-38.0),
        wf.TruncatedNormal(1.0, 0.3, low=0.9),
        wf.LogUniform(1 / 3, 4.1),
        wf.LogUniform(1e-3, 0.1, then="inverse_softplus"),
    ],
    ids=str,
)
def test_half_a_billion_values_stay_within_the_bounds_of_a_law(law, dtype):
    low, high = law.bounds() if isinstance(law, wf.TruncatedNormal) else law.span(32)
    for values in chunks(law, dtype):
        _, nan, infinite, _, _, _, least, most = _core.summarize(values, DTYPES.index(dtype), 2, None)
        assert nan == infinite == 0
        assert low <= least
        assert most <= high


@pytest.mark.slow
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_kernels_round_as_the_cast_does_for_half_a_billion_normal_values(dtype):
    law = wf.Normal(0.0, 0.02)
    for wide, narrow in zip(chunks(law, np.float32), chunks(law, dtype), strict=True):
        np.testing.assert_array_equal(bits(narrow), bits(wide.astype(dtype)))
