import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate

from weightfill import signals
from weightfill.signals._activations import ACTIVATIONS, Activation, as_activation
from weightfill.signals._theory import passed

# 1 / sqrt(E f(z)^2): the gains that are published, or follow from closed forms
GAINS = {"relu": math.sqrt(2), "selu": 1.0, "relu_squared": math.sqrt(2 / 3), "linear": 1.0, "tanh": 1.592537}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_is_the_derivative(name):
    activation = ACTIVATIONS[name]
    x = np.linspace(-7, 7, 141) + 0.0137
    step = 1e-6
    difference = (activation.function(x + step) - activation.function(x - step)) / (2 * step)
    assert activation.slope(x, activation.function(x)) == pytest.approx(difference, abs=1e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_keep_float32(name):
    x = np.linspace(-3, 3, 7, dtype=np.float32)
    y = ACTIVATIONS[name].function(x)
    assert y.dtype == ACTIVATIONS[name].slope(x, y).dtype == np.float32


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_moments_of_normal_inputs_are_those_of_adaptive_quadrature(name):
    for variance in (1e-6, 0.3, 1.0, 50.0, 1e6):
        check_moments(ACTIVATIONS[name], variance)


def check_moments(activation, variance):
    scale = math.sqrt(variance)

    def expected(of):
        def weighted(z):
            x = np.array([z * scale])
            return float(of(x)[0]) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

        changes = (*activation.kinks, *(sign * x for sign in (-1, 1) for x in (0, 1, 3, 8, 20)))
        places = sorted({change / scale for change in changes})
        ends = [-9.0, *(place for place in places if abs(place) < 9), 9.0]
        return sum(
            integrate.quad(weighted, a, b, epsabs=1e-10 * min(1, variance), epsrel=1e-9, limit=200)[0]
            for a, b in pairwise(ends)
        )

    found = passed(activation, variance)
    assert found.square == pytest.approx(expected(lambda x: activation.function(x) ** 2), rel=1e-7)
    assert found.slope_square == pytest.approx(
        expected(lambda x: activation.slope(x, activation.function(x)) ** 2), rel=1e-7
    )


def test_moments_of_normal_inputs_with_a_mean_are_those_of_the_rectified_normal():
    found = passed(as_activation("relu"), 4.0, 1.0)
    above = (1 + math.erf(0.5 / math.sqrt(2))) / 2
    density = math.exp(-0.125) / math.sqrt(2 * math.pi)
    assert found.mean == pytest.approx(above + 2 * density, rel=1e-10)
    assert found.square == pytest.approx(5 * above + 2 * density, rel=1e-10)
    assert found.slope_square == pytest.approx(above, rel=1e-10)


@pytest.mark.parametrize(("name", "gain"), GAINS.items())
def test_gains_are_the_known_ones(name, gain):
    assert 1 / math.sqrt(passed(ACTIVATIONS[name], 1.0).square) == pytest.approx(gain, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "bias_var", "expected"),
    [("tanh", 0.05, 1.7610), ("tanh", 0.0, 1.0), ("relu", 0.0, 2.0), ("linear", 0, 1.0), ("erf", 0.0, math.pi / 4)],
)
def test_critical_weight_variance_is_the_published_one(name, bias_var, expected):
    assert signals.critical(name, bias_var=bias_var) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["tanh", "erf", "softsign", "elu"])
def test_critical_weight_variance_keeps_gradients_and_signals(name):
    weight_var = signals.critical(name, bias_var=0.05)
    variance = 1.0
    for _ in range(3000):
        variance = weight_var * passed(ACTIVATIONS[name], variance).square + 0.05
    assert weight_var * passed(ACTIVATIONS[name], variance).slope_square == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("relu",), {"bias_var": 0.1}, ValueError, "bias_var must leave relu a point at which .*, got 0.1"),
        (("tanh",), {"bias_var": -1}, ValueError, "bias_var must be finite and at least 0, got -1"),
        (("tanh",), {"bias_var": math.nan}, ValueError, "bias_var must be finite and at least 0, got nan"),
        (("tanh",), {"bias_var": "1"}, TypeError, "bias_var must be a number, got '1'"),
        ((Activation("flat", np.zeros_like, lambda x, y: y),), {}, ValueError, "bias_var must leave flat a point"),
        ((Activation("one", lambda x: 1.0, lambda x, y: y),), {}, TypeError, "function of one must return an array of"),
        (("tanhh",), {}, ValueError, "activation must be one of linear, .*, got 'tanhh'; do you mean 'tanh'?"),
        ((3,), {}, TypeError, "activation must be a name such as 'tanh' or an Activation, got 3"),
    ],
)
def test_critical_refuses(arguments, options, error, message):
    with pytest.raises(error, match=message.replace("?", r"\?")):
        signals.critical(*arguments, **options)


def test_numbers_of_numpy_are_numbers():
    assert signals.critical("tanh", bias_var=np.float32(0.25)) == signals.critical("tanh", bias_var=0.25)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": 3}, TypeError, "name must be text, got 3"),
        ({"function": 3}, TypeError, "function must be a callable, got 3"),
        ({"slope": None}, TypeError, "slope must be a callable, got None"),
        ({"kinks": 0.0}, TypeError, "kinks must be a tuple of numbers, got 0.0"),
        ({"kinks": (math.nan,)}, ValueError, r"kinks must be finite, got \(nan,\)"),
        ({"bounds": 3}, TypeError, "bounds must be a tuple of numbers, got 3"),
        ({"bounds": (1, -1)}, ValueError, r"bounds must be a smaller and a larger number, got \(1, -1\)"),
    ],
)
def test_activation_refuses(options, error, message):
    with pytest.raises(error, match=message):
        Activation(**{"name": "f", "function": np.tanh, "slope": lambda x, y: 1 - y * y, **options})


@pytest.mark.parametrize(
    ("function", "slope", "error", "message"),
    [
        (
            lambda x: x[:, :1],
            lambda x, y: x,
            ValueError,
            "function of f must return an array of the shape of its input",
        ),
        (lambda x: x.tolist(), lambda x, y: x, TypeError, "function of f must return an array of real numbers, got"),
        (lambda x: x * 1j, lambda x, y: x, TypeError, "function of f must return an array of real numbers, got"),
        (np.tanh, lambda x, y: 1.0, TypeError, "slope of f must return an array of real numbers, got 1.0"),
        (np.tanh, lambda x, y: x[:1], ValueError, "slope of f must return an array of the shape of its input"),
    ],
)
def test_what_an_activation_returns_is_checked(function, slope, error, message):
    with pytest.raises(error, match=message):
        signals.propagation("20,10x2", Activation("f", function, slope), "xavier_normal", samples=9)


def test_an_activation_may_return_another_dtype_and_have_lists():
    steps = Activation("steps", lambda x: x > 0, lambda x, y: np.zeros(x.shape), kinks=[0], bounds=[0, 1])
    report = signals.propagation("20,10x2", steps, "xavier_normal", samples=9)
    assert 0.3 < report.layers[0].std < 0.6
    assert report.layers[0].predicted_std == pytest.approx(0.5)


def test_what_explodes_beyond_floats_is_infinite_or_unknown():
    report = signals.propagation("500x40", "relu_squared", "kaiming_normal", samples=3, seed=1)
    assert not np.isfinite(report.layers[-1].predicted_std)
    assert not np.isfinite(report.layers[-1].std)
