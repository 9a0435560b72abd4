"""The distributions, with fixed seeds: a right generator misses one of these bounds about once in a million tries."""

import math
from functools import lru_cache

import mpmath
import numpy as np
import pytest
from scipy import special, stats

import weightfill as wf
from tests.bits import DTYPES, bits
from tests.definition import log_uniform, narrowed
from weightfill import _core

N = 4_000_000
LEAST_P = 1e-6
SIGMAS = 5  # a mean is outside of 5 standard errors once in 1.7 million tries
WIDE = [np.dtype(np.float32), np.dtype(np.float64)]
NARROW = [dtype for dtype in DTYPES if dtype not in WIDE]

LAWS = [
    wf.Uniform(),
    wf.Uniform(-0.07, 0.03),
    wf.Normal(),
    wf.Normal(-3.0, 0.02),
    wf.TruncatedNormal(low=-2.0, high=2.0),
    wf.TruncatedNormal(low=0.0),
    wf.TruncatedNormal(low=5.0, high=6.0),
    wf.TruncatedNormal(low=8.0),
    wf.TruncatedNormal(low=-0.001, high=0.001),
    wf.TruncatedNormal(low=-40.0, high=-38.0),
    wf.TruncatedNormal(high=-1.0),
    wf.TruncatedNormal(0.5, 0.02, cutoff=1.5),
    wf.TruncatedNormal(1.0, 2.0, low=-0.5, high=4.0),
    wf.Laplace(),
    wf.Laplace(-3.0, 0.02),
    wf.LogUniform(1e-3, 1e-1),
    wf.LogUniform(1e-12, 100.0),
    wf.LogUniform(1e-3, 1e-1, then="inverse_softplus"),
    wf.LogUniform(0.01, 16.0, then="inverse_softplus"),
]
BOUNDED = [law for law in LAWS if isinstance(law, wf.TruncatedNormal | wf.LogUniform)]


@lru_cache(maxsize=1)
def sample(law, dtype):
    """A read-only sample, kept for the next test that asks for it."""
    out = wf.create(N, law, seed=20240817, stream=f"statistics/{law}", dtype=dtype)
    out.flags.writeable = False
    return out


def range_of(law):
    if isinstance(law, wf.Normal | wf.Laplace):
        return -math.inf, math.inf
    if isinstance(law, wf.LogUniform) and law.then:
        return tuple(float(log_uniform(u, law.low, law.high, 1)) for u in (0, 1))
    return law.bounds() if isinstance(law, wf.TruncatedNormal) else (law.low, law.high)


def distribution(law, x):
    """The law's distribution function at x; infinite x are allowed."""
    x = np.asarray(x, np.float64)
    low, high = range_of(law)
    if isinstance(law, wf.Uniform):
        return np.clip((x - low) / (high - low), 0, 1)
    if isinstance(law, wf.Laplace):
        z = (x - law.mean) / law.scale
        return np.where(z < 0, np.exp(np.minimum(z, 0)) / 2, 1 - np.exp(-np.maximum(z, 0)) / 2)
    if isinstance(law, wf.LogUniform):
        drawn = np.logaddexp(0, x) if law.then else x
        return np.clip(np.log(drawn / law.low) / math.log(law.high / law.low), 0, 1)
    a, b, z = (np.asarray((edge - law.mean) / law.std) for edge in (low, high, x))
    if a > -b:  # the far side has the larger function, where differences of it lose their digits
        return 1 - _left_distribution(-b, -a, -z)
    return _left_distribution(a, b, z)


def _left_distribution(a, b, z):
    """P(Z <= z | a <= Z <= b), in shares of P(Z <= b), which logarithms keep exact however small it is."""
    of_b = special.log_ndtr(b)
    below = np.exp(special.log_ndtr(a) - of_b)
    return (np.exp(special.log_ndtr(np.clip(z, a, b)) - of_b) - below) / (1 - below)


@lru_cache
def mean_and_variance(law):
    """By integration."""
    low, high = range_of(law)
    if isinstance(law, wf.Uniform):
        return (low + high) / 2, (high - low) ** 2 / 12
    if isinstance(law, wf.Normal):
        return law.mean, law.std**2
    if isinstance(law, wf.Laplace):
        return law.mean, 2 * law.scale**2
    if isinstance(law, wf.LogUniform):
        with mpmath.workdps(30):
            edges = mpmath.linspace(0, 1, 17)
            drawn = (law.low, law.high, law.then is not None)
            mean = mpmath.quad(lambda u: log_uniform(u, *drawn), edges)
            return float(mean), float(mpmath.quad(lambda u: (log_uniform(u, *drawn) - mean) ** 2, edges))
    with mpmath.workdps(20):
        a, b = ((mpmath.mpf(edge) - law.mean) / law.std for edge in (low, high))
        nearest = min(max(a, 0), b)  # to the mode, where the density is greatest
        a, b = max(a, nearest - 12), min(b, nearest + 12)
        edges = mpmath.linspace(a, b, 17)

        def moment(k):
            def density(z):
                return z**k * mpmath.exp((nearest - z) * (nearest + z) / 2)

            return mpmath.quad(density, edges, method="gauss-legendre")

        mean = moment(1) / moment(0)
        return float(law.mean + law.std * mean), float(law.std**2 * (moment(2) / moment(0) - mean**2))


def kolmogorov_smirnov(values, law):
    """The probability of as large a distance from the law's distribution function, if it is the law's."""
    u = distribution(law, np.sort(values))
    steps = np.arange(values.size + 1) / values.size
    distance = max((steps[1:] - u).max(), (u - steps[:-1]).max())
    return stats.kstwobign.sf(distance * math.sqrt(values.size))


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_values_follow_the_law(law, dtype):
    assert kolmogorov_smirnov(sample(law, dtype), law) > LEAST_P


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_values_keep_to_the_bounds(law, dtype):
    low, high = range_of(law)
    values = sample(law, dtype)
    assert np.isfinite(values).all()
    assert float(values.min()) >= low
    if isinstance(law, wf.Uniform):
        assert float(values.max()) < high
    assert float(values.max()) <= high


@pytest.mark.parametrize("law", BOUNDED, ids=str)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_no_mass_is_piled_on_a_bound(law, dtype):
    values = sample(law, dtype)
    for bound, inwards in zip(range_of(law), (math.inf, -math.inf), strict=True):
        if not math.isfinite(bound):
            continue
        edge = values.min() if inwards > 0 else values.max()
        # What rounds to the outermost value, and to its neighbour.
        cell = np.float64(np.nextafter(edge, dtype.type(inwards)))
        expected = N * abs(float(distribution(law, cell)) - float(distribution(law, bound)))
        share = np.count_nonzero(values == edge)
        assert share <= expected + SIGMAS * math.sqrt(expected) + 3, (bound, share, expected)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_mean_and_variance_are_those_of_the_law(law, dtype):
    mean, variance = mean_and_variance(law)
    deviations = sample(law, dtype).astype(np.float64) - mean
    fourth = np.mean(deviations**4)
    assert abs(np.mean(deviations)) <= SIGMAS * math.sqrt(variance / N)
    assert abs(np.mean(deviations**2) - variance) <= SIGMAS * math.sqrt((fourth - variance**2) / N)


@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_higher_moments_of_the_normal_law_are_right(dtype):
    values = sample(wf.Normal(), dtype).astype(np.float64)
    for power, moment, square in ((3, 0, 15), (4, 3, 105), (6, 15, 10395)):
        error = math.sqrt((square - moment**2) / N)
        assert abs(np.mean(values**power) - moment) <= SIGMAS * error, power


@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_tails_of_the_normal_law_have_their_share(dtype):
    """Beyond 3, 4 and 5 sigma, among 100 million values."""
    chunk, chunks, edges = 10_000_000, 10, np.array([3.0, 4.0, 5.0])
    counts = np.zeros((2, 3))
    out = np.empty(chunk, dtype)
    for k in range(chunks):
        wf.fill(out, wf.Normal(), seed=99, shape=chunk * chunks, start=k * chunk)
        tails = out[np.abs(out) > 3]
        counts += [[np.count_nonzero(sign * tails > edge) for edge in edges] for sign in (-1, 1)]
    expected = chunk * chunks * special.ndtr(-edges)
    assert (np.abs(counts - expected) <= SIGMAS * np.sqrt(expected)).all()


@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_neighbours_are_not_correlated(dtype):
    for law in (wf.Uniform(), wf.Normal()):
        values = sample(law, dtype)[:1_000_000].astype(np.float64)
        values = (values - values.mean()) / values.std()
        squares = (values**2 - 1) / (values**2).std()
        for lag in (*range(1, 10), 16, 31, 32, 64, 127, 128, 1024):
            bound = SIGMAS / math.sqrt(values.size - lag)
            assert abs(np.mean(values[:-lag] * values[lag:])) <= bound, lag
            assert abs(np.mean(squares[:-lag] * squares[lag:])) <= bound, lag


def correlations(rows):
    rows = (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
    product = rows @ rows.T / rows.shape[1]
    return np.abs(product[np.triu_indices(len(rows), 1)])


@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_streams_are_not_correlated(dtype):
    names = ["", "0", "1", *(f"layers.{k}.weight" for k in range(13))]
    rows = np.stack([wf.create(500_000, wf.Normal(), seed=1, stream=name, dtype=dtype) for name in names])
    assert correlations(rows.astype(np.float64)).max() <= SIGMAS / math.sqrt(500_000)


@pytest.mark.parametrize("dtype", WIDE, ids=str)
def test_seeds_are_not_correlated(dtype):
    seeds = [*range(8), *(2**k for k in (8, 31, 32, 33, 63)), 2**32 - 1, 2**64 - 2, 2**64 - 1]
    rows = np.stack([wf.create(500_000, wf.Normal(), seed=seed, dtype=dtype) for seed in seeds])
    assert correlations(rows.astype(np.float64)).max() <= SIGMAS / math.sqrt(500_000)


@pytest.mark.parametrize("width", [1, 3, 64, 100, 1000])
def test_rows_and_columns_of_a_table_are_not_correlated(width):
    table = wf.create((1_000_000 // width, width), wf.Normal(), seed=5, stream="table", dtype=np.float64)
    for means, count in ((table.mean(0), table.shape[0]), (table.mean(1), table.shape[1])):
        scores = means * math.sqrt(count)
        assert stats.kstest(scores, "norm").pvalue > LEAST_P


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_signs_are_balanced(dtype):
    values = wf.create(N, wf.Normal(), seed=77, stream="signs", dtype=dtype)
    negative = np.count_nonzero(bits(values) >> np.dtype(f"u{dtype.itemsize}").type(8 * dtype.itemsize - 1))
    assert abs(negative - N / 2) <= SIGMAS * math.sqrt(N) / 2


def test_each_bit_of_the_words_is_balanced_and_on_its_own():
    n = 1_000_000
    words = _core.words(4, 8, 2**40, n)
    columns = np.unpackbits(words.view(np.uint8).reshape(n, 4), axis=1).astype(np.float32) * 2 - 1
    assert np.abs(columns.sum(0)).max() <= SIGMAS * math.sqrt(n)
    for lag in (0, 1, 4):
        products = columns[: n - lag].T @ columns[lag:]
        if lag == 0:
            np.fill_diagonal(products, 0)
        assert np.abs(products).max() <= (SIGMAS + 1) * math.sqrt(n)  # the largest of 1024


def test_bytes_of_neighbouring_words_are_independent():
    leading = (_core.words(5, 0, 0, N) >> np.uint32(24)).astype(np.int64)
    for lag in (1, 2, 4, 8):
        counts = np.bincount(leading[:-lag] * 256 + leading[lag:], minlength=65536)
        assert stats.chisquare(counts).pvalue > LEAST_P


def test_words_collide_as_often_as_chance_has_it():
    words = np.sort(_core.words(6, 1, 0, N))
    expected = N * (N - 1) / 2 / 2**32
    assert abs(np.count_nonzero(np.diff(words) == 0) - expected) <= SIGMAS * math.sqrt(expected)


def cells(law, dtype):
    """All values that the law may give in a narrow dtype, ascending, and the probability of each."""
    with np.errstate(invalid="ignore"):  # some codes are signalling NaNs
        codes = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(dtype).astype(np.float64)
    low, high = range_of(law)
    inside = np.isfinite(codes) & (codes >= low) & ((codes < high) if isinstance(law, wf.Uniform) else (codes <= high))
    values = np.unique(codes[inside])
    edges = np.concatenate([[-math.inf], (values[:-1] + values[1:]) / 2, [math.inf]])
    return values, np.diff(distribution(law, edges))


NARROW_LAWS = [
    wf.Uniform(),
    wf.Uniform(-0.07, 0.03),
    wf.Normal(),
    wf.Normal(0.5, 0.1),
    wf.TruncatedNormal(),
    wf.TruncatedNormal(std=0.02),
    wf.TruncatedNormal(low=5.0, high=6.0),
    wf.TruncatedNormal(low=8.0),
    wf.TruncatedNormal(low=-40.0, high=-38.0),
]


@pytest.mark.slow
@pytest.mark.parametrize("law", NARROW_LAWS, ids=str)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_each_value_of_a_narrow_dtype_has_the_share_of_its_rounding_cell(law, dtype):
    values, probability = cells(law, dtype)
    drawn = wf.create(N, law, seed=31, stream="cells", dtype=dtype).astype(np.float64)
    place = np.searchsorted(values, drawn)
    assert (values[np.minimum(place, values.size - 1)] == drawn).all()
    counts = np.bincount(place, minlength=values.size)
    # Rare values are taken together with their neighbours.
    group = np.floor(np.cumsum(probability) * N / 50 - 1e-9).astype(np.int64)
    _, group = np.unique(group, return_inverse=True)
    if group[-1] == 0:
        assert values.size == 1 or counts.sum() == N
        return
    observed, expected = np.bincount(group, counts), np.bincount(group, probability) * N
    keep = expected >= 10
    statistic = ((observed - expected)[keep] ** 2 / expected[keep]).sum()
    assert stats.chi2.sf(statistic, keep.sum() - 1) > LEAST_P
    assert observed[~keep].sum() <= expected[~keep].sum() + SIGMAS * math.sqrt(expected[~keep].sum()) + 3


@pytest.mark.parametrize("law", [*LAWS, *NARROW_LAWS], ids=str)
@pytest.mark.parametrize("dtype", NARROW, ids=str)
def test_narrow_dtypes_are_the_float32_values_rounded_once_within_the_bounds(law, dtype):
    low, high = range_of(law)
    try:
        narrow = wf.create(N, law, seed=20240817, stream=f"statistics/{law}", dtype=dtype)
    except ValueError as error:
        assert "between its bounds" in str(error)  # noqa: PT017 - a law that this dtype has no value for
        return
    expected = narrowed(sample(law, np.dtype(np.float32)), dtype, low, high, below_high=isinstance(law, wf.Uniform))
    np.testing.assert_array_equal(bits(narrow), bits(expected))
