"""The density of every law, beside that of SciPy."""

import math

import numpy as np
import pytest
from scipy import special, stats

import weightfill as wf
from weightfill._initializers.base import PlainLaw

CUTS = [(-2, 2), (-1, 3), (0, math.inf), (5, math.inf), (-math.inf, -30), (1, 1.001)]
LAWS = [
    (wf.Uniform(-1, 3), stats.uniform(-1, 4)),
    (wf.Normal(1, 0.5), stats.norm(1, 0.5)),
    (wf.TruncatedNormal(1, 0.5), stats.truncnorm(-2, 2, 1, 0.5)),
    *(
        (wf.TruncatedNormal(0.5, 2.0, low=0.5 + 2 * low, high=0.5 + 2 * high), stats.truncnorm(low, high, 0.5, 2.0))
        for low, high in CUTS
    ),
    (wf.Laplace(-1, 0.25), stats.laplace(-1, 0.25)),
    (wf.LogUniform(1e-3, 0.1), stats.loguniform(1e-3, 0.1)),
    (wf.LogUniform(1e-6, 100.0), stats.loguniform(1e-6, 100.0)),
]
TRANSFORMED = [
    wf.LogUniform(1e-3, 0.1, then="inverse_softplus"),
    wf.LogUniform(0.01, 16.0, then="inverse_softplus"),
]


def around(law):
    """Values over the whole span of a law, and beyond both of its ends."""
    (mean, std), (low, high) = law.moments(), law.span(32)
    low, high = max(low, mean - 8 * std), min(high, mean + 8 * std)
    return np.concatenate([[low - 1, high + 1, low, high], np.linspace(low, high, 1001)])


@pytest.mark.parametrize(("law", "expected"), LAWS, ids=[str(law) for law, _ in LAWS])
def test_density_is_that_of_scipy(law, expected):
    x = around(law)
    np.testing.assert_allclose(law.density(x), expected.pdf(x), rtol=1e-6, atol=1e-12 * expected.pdf(x).max())


@pytest.mark.parametrize("law", TRANSFORMED, ids=str)
def test_density_of_a_transformed_law_follows_from_that_before(law):
    before = stats.loguniform(law.low, law.high)
    y = around(law)[4:-1]  # the last may be rounded past the end
    expected = before.pdf(special.log1p(np.exp(y))) * special.expit(y)
    np.testing.assert_allclose(law.density(y[1:]), expected[1:], rtol=1e-9)
    low, high = law.span(32)
    assert law.density(np.array([low - 1e-9, high + 1e-9])).tolist() == [0, 0]


def test_what_is_constant_has_no_density():
    for law in (wf.Constant(2), wf.Normal(mean=2, std=0)):
        assert law.density(np.zeros(3)) is None


def test_every_law_is_tested():
    public = [getattr(wf, name) for name in wf.__all__]
    laws = {kind for kind in public if isinstance(kind, type) and issubclass(kind, PlainLaw)}
    assert laws == {type(law) for law, _ in LAWS} | {wf.Constant}
