"""The numbers that are named for nonlinearities without an agreed gain."""

import math

import numpy as np
import pytest

from weightfill import gain
from weightfill._initializers.gains import GAINS, NEUTRAL_GAINS

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
    "gelu": Z * BELOW,
    "gelu_tanh": Z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (Z + 0.044715 * Z**3))),
    "hardswish": Z * np.clip(Z + 3, 0, 6) / 6,
    "hardtanh": np.clip(Z, -1, 1),
    "mish": Z * np.tanh(SOFTPLUS),
    "quick_gelu": Z * logistic(1.702 * Z),
    "relu6": np.clip(Z, 0, 6),
    "silu": Z * logistic(Z),
    "softplus": SOFTPLUS,
    "softsign": Z / (1 + abs(Z)),
    "swish": Z * logistic(Z),
}


def neutral(values):
    return 1 / math.sqrt(float(np.sum(values**2 * DENSITY)) * STEP)


@pytest.mark.parametrize("name", NEUTRAL_GAINS)
def test_the_number_in_the_message_keeps_the_mean_square(name):
    assert neutral(FUNCTIONS[name]) == pytest.approx(NEUTRAL_GAINS[name], abs=1e-6)
    with pytest.raises(ValueError, match=f"got '{name}', for which there is no agreed gain; .*={NEUTRAL_GAINS[name]},"):
        gain(name)


def test_the_same_integral_gives_the_agreed_gains_of_rectifiers():
    assert neutral(np.maximum(Z, 0)) == pytest.approx(GAINS["relu"], rel=1e-6)
    assert neutral(np.where(Z > 0, Z, 0.01 * Z)) == pytest.approx(GAINS["leaky_relu"], rel=1e-6)


def test_no_nonlinearity_has_both():
    assert not GAINS.keys() & NEUTRAL_GAINS.keys()
