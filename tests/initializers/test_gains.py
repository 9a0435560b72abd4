"""Gains that keep the mean square of standard normal inputs, of names and of functions."""

import math

import numpy as np
import pytest

from weightfill import KaimingNormal, gain
from weightfill._initializers.gains import NEUTRAL_GAINS, PUBLISHED_GAINS

Z, STEP = np.linspace(-12, 12, 480_001, retstep=True)
DENSITY = np.exp(-(Z**2) / 2) / math.sqrt(2 * math.pi)
# The normal distribution function, by the trapezoidal rule.
BELOW = np.concatenate([[0], np.cumsum(DENSITY[1:] + DENSITY[:-1]) * STEP / 2])


def logistic(z):
    return 1 / (1 + np.exp(-z))


SOFTPLUS = np.log1p(np.exp(Z))
FUNCTIONS = {
    "celu": np.where(Z > 0, Z, np.expm1(Z)),
    "elu": np.where(Z > 0, Z, np.expm1(Z)),
    "erf": np.vectorize(math.erf)(Z),
    "gelu": Z * BELOW,
    "gelu_tanh": Z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (Z + 0.044715 * Z**3))),
    "hardswish": Z * np.clip(Z + 3, 0, 6) / 6,
    "hardtanh": np.clip(Z, -1, 1),
    "mish": Z * np.tanh(SOFTPLUS),
    "quick_gelu": Z * logistic(1.702 * Z),
    "relu6": np.clip(Z, 0, 6),
    "relu_squared": np.maximum(Z, 0) ** 2,
    "silu": Z * logistic(Z),
    "softplus": SOFTPLUS,
    "softsign": Z / (1 + abs(Z)),
    "swish": Z * logistic(Z),
}


def neutral(values):
    return 1 / math.sqrt(float(np.sum(values**2 * DENSITY)) * STEP)


@pytest.mark.parametrize("name", NEUTRAL_GAINS)
def test_the_gain_of_a_name_keeps_the_mean_square(name):
    assert gain(name) == pytest.approx(neutral(FUNCTIONS[name]), rel=1e-8)
    assert KaimingNormal(name) == KaimingNormal(gain=NEUTRAL_GAINS[name])


def test_the_same_integral_gives_the_published_gains_of_rectifiers():
    assert neutral(np.maximum(Z, 0)) == pytest.approx(PUBLISHED_GAINS["relu"], rel=1e-6)
    assert neutral(np.where(Z > 0, Z, 0.01 * Z)) == pytest.approx(PUBLISHED_GAINS["leaky_relu"], rel=1e-6)


def test_no_nonlinearity_has_both():
    assert not PUBLISHED_GAINS.keys() & NEUTRAL_GAINS.keys()


def test_a_function_has_the_gain_of_its_name_to_seven_digits():
    for name, function in {
        "silu": lambda x: x * logistic(x),
        "softsign": lambda x: x / (1 + abs(x)),
        "hardtanh": lambda x: np.clip(x, -1, 1),
        "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
        "relu": lambda x: np.maximum(x, 0),
    }.items():
        assert gain(function) == float(f"{gain(name):.7g}")
    assert gain(np.cos) == float(f"{1 / math.sqrt((1 + math.exp(-2)) / 2):.7g}")
    assert gain(lambda x: 2 * x) == 0.5


def test_seven_digits_hold_for_functions_with_a_kink_anywhere():
    for kink in (0.3701, -1.234567, 2.71828):
        shifted = np.maximum(Z - kink, 0)
        assert gain(lambda x, kink=kink: np.maximum(x - kink, 0)) == float(f"{neutral(shifted):.7g}")


def test_a_function_is_asked_once_and_may_change_its_input():
    calls = []

    def rectify(x):
        calls.append(x.shape)
        np.maximum(x, 0, out=x)
        return x

    assert gain(rectify) == gain(rectify) == 1.414214
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (math.tanh, TypeError, r"nonlinearity must take a NumPy array and return one, got <built-in function tanh>, "),
        (lambda x: 1.0, ValueError, r"nonlinearity must return as many values as it is given, got shape \(\) for \("),
        (lambda x: 0 * x, ValueError, "nonlinearity must have a finite and positive mean square, got 0 for standard"),
        (lambda x: 1 / (x - x), ValueError, "nonlinearity must have a finite and positive mean square, got inf|nan"),
    ],
)
def test_functions_without_a_gain_are_explained(function, error, message):
    with pytest.raises(error, match=message):
        gain(function)


def test_a_slope_beside_a_function_is_refused():
    with pytest.raises(TypeError, match="slope must be left out unless nonlinearity is 'leaky_relu', got 0.1"):
        gain(np.tanh, 0.1)
