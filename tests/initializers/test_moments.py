import math

import numpy as np
import pytest
from scipy import integrate, stats

import weightfill as wf


@pytest.mark.parametrize("bounds", [(-2, 2), (-1, 3), (0, math.inf), (5, math.inf), (-math.inf, -30), (1, 1.001)])
def test_moments_of_a_truncated_law_are_those_after_the_cut(bounds):
    low, high = bounds
    law = wf.TruncatedNormal(mean=0.5, std=2.0, low=0.5 + 2 * low, high=0.5 + 2 * high)
    expected = stats.truncnorm.stats(low, high, loc=0.5, scale=2.0)
    mean, std = law.moments()
    assert (mean, std**2) == pytest.approx(tuple(map(float, expected)), rel=1e-4)


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (wf.Constant(3.0), (3.0, 0.0)),
        (wf.Normal(0.5, 2.0), (0.5, 2.0)),
        (wf.Uniform(-1, 2), (0.5, math.sqrt(0.75))),
        (wf.Laplace(0.5, 2.0), (0.5, math.sqrt(8))),
        (wf.LogUniform(1e-3, 0.1), (stats.loguniform(1e-3, 0.1).mean(), stats.loguniform(1e-3, 0.1).std())),
    ],
    ids=repr,
)
def test_moments_are_those_of_the_distribution(law, expected):
    assert law.moments() == pytest.approx(expected, rel=1e-6)


def test_moments_of_a_transformed_law_are_those_after_the_transform():
    def softplus_inverse(u):
        return math.log(math.expm1(math.exp(u)))

    low, high = math.log(1e-3), math.log(0.1)
    mean = integrate.quad(softplus_inverse, low, high)[0] / (high - low)
    square = integrate.quad(lambda u: softplus_inverse(u) ** 2, low, high)[0] / (high - low)
    law = wf.LogUniform(1e-3, 0.1, then="inverse_softplus")
    assert law.moments() == pytest.approx((mean, math.sqrt(square - mean**2)), rel=1e-6)
    assert np.isfinite(law.moments()).all()
