import copy
import math
import pickle
from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest

import weightfill as wf
from tests.public import PUBLIC

EXAMPLES = {
    "Constant(value=0.5)": wf.Constant(0.5),
    "Zeros()": wf.Zeros(),
    "Ones()": wf.Ones(),
    "Uniform(low=0.0, high=1.0)": wf.Uniform(),
    "Uniform(low=-0.1, high=0.25)": wf.Uniform(-0.1, 0.25),
    "Normal(mean=0.0, std=1.0)": wf.Normal(),
    "Normal(mean=0.0, std=0.02)": wf.Normal(std=0.02),
    "TruncatedNormal(mean=0.0, std=1.0, cutoff=2.0)": wf.TruncatedNormal(),
    "TruncatedNormal(mean=1.0, std=0.5, cutoff=3.0)": wf.TruncatedNormal(1, 0.5, 3),
    "TruncatedNormal(mean=0.0, std=1.0, low=-1.0, high=4.0)": wf.TruncatedNormal(low=-1, high=4),
    "TruncatedNormal(mean=0.0, std=1.0, low=0.0, high=inf)": wf.TruncatedNormal(low=0),
    "TruncatedNormal(mean=0.0, std=1.0, low=-inf, high=0.0)": wf.TruncatedNormal(high=-0.0),
    "Laplace(mean=0.0, scale=0.01)": wf.Laplace(scale=0.01),
    "LogUniform(low=0.001, high=0.1, then=None)": wf.LogUniform(1e-3, 0.1),
    "LogUniform(low=0.001, high=0.1, then='inverse_softplus')": wf.LogUniform(1e-3, 0.1, then="inverse_softplus"),
}


@pytest.mark.parametrize(("text", "init"), EXAMPLES.items())
def test_repr_is_the_call_that_makes_it(text, init):
    assert repr(init) == text
    assert eval(text, {**PUBLIC, "inf": math.inf}) == init


def test_different_initializers_are_unequal():
    assert len(set(EXAMPLES.values())) == len(EXAMPLES)


@pytest.mark.parametrize("init", EXAMPLES.values(), ids=str)
def test_initializers_are_values(init):
    for same in (pickle.loads(pickle.dumps(init)), copy.copy(init), copy.deepcopy(init)):
        assert same == init
        assert hash(same) == hash(init)
    assert not hasattr(init, "__dict__")
    with pytest.raises((FrozenInstanceError, TypeError)):
        init.std = 3.0
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        init.colour = "red"


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2), np.float64(2), np.int8(2), np.uint64(2), Fraction(2)])
def test_parameters_of_any_real_type_become_floats(number):
    init = wf.Normal(number, number)
    assert init == wf.Normal(2.0, 2.0)
    assert type(init.mean) is type(init.std) is float


def test_negative_zero_becomes_zero():
    assert math.copysign(1, wf.Constant(-0.0).value) == 1
    assert math.copysign(1, wf.Uniform(-0.0, 1).low) == 1


def test_cutoff_counts_standard_deviations_and_low_and_high_do_not():
    assert wf.TruncatedNormal(1.0, 0.5).bounds() == (0.0, 2.0)
    assert wf.TruncatedNormal(1.0, 0.5, cutoff=1).bounds() == (0.5, 1.5)
    assert wf.TruncatedNormal(1.0, 0.5, low=-7).bounds() == (-7.0, math.inf)
    assert wf.TruncatedNormal(1.0, 0.5, high=7).bounds() == (-math.inf, 7.0)


def test_cutoff_and_its_bounds_draw_the_same():
    by_cutoff = wf.create(1000, wf.TruncatedNormal(1.0, 0.5, 3), seed=1)
    by_bounds = wf.create(1000, wf.TruncatedNormal(1.0, 0.5, low=-0.5, high=2.5), seed=1)
    np.testing.assert_array_equal(by_cutoff, by_bounds)


ERRORS = [
    (lambda: wf.Constant("1"), TypeError, "value must be a number, got '1'"),
    (lambda: wf.Constant(True), TypeError, "value must be a number, got True"),
    (lambda: wf.Constant(None), TypeError, "value must be a number, got None"),
    (lambda: wf.Constant(1j), TypeError, "value must be a number, got 1j"),
    (lambda: wf.Constant([1.0]), TypeError, "value must be a number, got [1.0]"),
    (lambda: wf.Constant(math.nan), ValueError, "value must be finite, got nan"),
    (lambda: wf.Constant(math.inf), ValueError, "value must be finite, got inf"),
    (lambda: wf.Constant(10**400), ValueError, "value must be finite, got an integer of 1,329 bits"),
    (lambda: wf.Uniform(math.nan, 1), ValueError, "low must be finite, got nan"),
    (lambda: wf.Uniform(0, math.inf), ValueError, "high must be finite, got inf"),
    (lambda: wf.Uniform("a", 1), TypeError, "low must be a number, got 'a'"),
    (lambda: wf.Uniform(1, 1), ValueError, "low must be less than high, got low=1.0, high=1.0"),
    (lambda: wf.Uniform(low=2), ValueError, "low must be less than high, got low=2.0, high=1.0"),
    (lambda: wf.Normal(math.inf, 1), ValueError, "mean must be finite, got inf"),
    (lambda: wf.Normal(std=math.nan), ValueError, "std must be finite, got nan"),
    (lambda: wf.Normal(std=-1), ValueError, "std must be at least 0, got -1.0"),
    (lambda: wf.Normal(std=None), TypeError, "std must be a number, got None"),
    (lambda: wf.TruncatedNormal(mean=math.nan), ValueError, "mean must be finite, got nan"),
    (lambda: wf.TruncatedNormal(std=math.inf), ValueError, "std must be finite, got inf"),
    (
        lambda: wf.TruncatedNormal(std=0),
        ValueError,
        "std must be greater than 0, got 0.0; use Constant(mean) for no spread",
    ),
    (lambda: wf.TruncatedNormal(std=-2), ValueError, "std must be greater than 0, got -2.0"),
    (lambda: wf.TruncatedNormal(cutoff=0), ValueError, "cutoff must be greater than 0, got 0.0"),
    (lambda: wf.TruncatedNormal(cutoff=-1), ValueError, "cutoff must be greater than 0, got -1.0"),
    (lambda: wf.TruncatedNormal(cutoff=math.inf), ValueError, "cutoff must be finite, got inf"),
    (lambda: wf.TruncatedNormal(cutoff="2"), TypeError, "cutoff must be a number, got '2'"),
    (
        lambda: wf.TruncatedNormal(1, 1e-20),
        ValueError,
        "cutoff * std must not vanish beside the mean, got TruncatedNormal(mean=1.0, std=1e-20, cutoff=2.0)",
    ),
    (
        lambda: wf.TruncatedNormal(cutoff=2, low=-1),
        TypeError,
        "cutoff must be left out where low or high is given, got cutoff=2; "
        "cutoff counts standard deviations, low and high are values",
    ),
    (lambda: wf.TruncatedNormal(low=math.nan), ValueError, "low must be a number, got nan"),
    (lambda: wf.TruncatedNormal(high=math.nan), ValueError, "high must be a number, got nan"),
    (lambda: wf.TruncatedNormal(low="a", high=1), TypeError, "low must be a number, got 'a'"),
    (lambda: wf.TruncatedNormal(low=2, high=1), ValueError, "low must be less than high, got low=2.0, high=1.0"),
    (lambda: wf.TruncatedNormal(low=math.inf), ValueError, "low must be less than high, got low=inf, high=inf"),
    (lambda: wf.Laplace(0.02), TypeError, "mean and scale must be named unless both are given, got Laplace(0.02)"),
    (lambda: wf.Laplace(scale="1"), TypeError, "scale must be a number, got '1'"),
    (
        lambda: wf.Laplace(scale=0),
        ValueError,
        "scale must be greater than 0, got 0.0; use Constant(mean) for no spread",
    ),
    (lambda: wf.Laplace(scale=-1), ValueError, "scale must be greater than 0, got -1.0"),
    (lambda: wf.Laplace(math.nan, 1), ValueError, "mean must be finite, got nan"),
    (lambda: wf.LogUniform(0.1), TypeError, "LogUniform must be given low and high, got no high"),
    (lambda: wf.LogUniform("1", 2), TypeError, "low must be a number, got '1'"),
    (lambda: wf.LogUniform(1, math.inf), ValueError, "high must be finite, got inf"),
    (lambda: wf.LogUniform(0, 1), ValueError, "low must be greater than 0, got 0.0; use Uniform for values down to 0"),
    (lambda: wf.LogUniform(-1, 1), ValueError, "low must be greater than 0, got -1.0"),
    (lambda: wf.LogUniform(1e-310, 1e-300), ValueError, "low must be at least 2.23e-308, got 1e-310; use Uniform for"),
    (lambda: wf.LogUniform(1, 1), ValueError, "low must be less than high, got low=1.0, high=1.0"),
    (
        lambda: wf.LogUniform(1e-20, 1e11),
        ValueError,
        "high must be at most 1e+30 times low, got low=1e-20, high=100000000000.0; draw two narrower laws",
    ),
    (lambda: wf.LogUniform(1, 2, then=1), TypeError, "then must be one of 'inverse_softplus', got 1"),
    (
        lambda: wf.LogUniform(1, 2, then="softplus"),
        ValueError,
        "then must be one of 'inverse_softplus', got 'softplus'; did you mean 'inverse_softplus'?",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), ERRORS, ids=[message[:60] for *_, message in ERRORS])
def test_wrong_parameters_are_refused_when_given(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value).startswith(message)
