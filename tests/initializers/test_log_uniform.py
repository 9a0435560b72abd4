"""LogUniform and its transform, Laplace and its symmetry, by every way of writing them."""

import math

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits
from weightfill._cli.initializers import Drawn, initializer_of

HOW = {"seed": 7, "stream": "mixer.dt_proj.bias"}
STEPS = wf.LogUniform(1e-3, 1e-1, then="inverse_softplus")


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-14), (np.float32, 8e-7)])
def test_softplus_makes_the_values_before_the_transform_again(dtype, error):
    """The transform is of each value: both laws take the same word. Near -7, 1e-7 of the value is 7e-7 of its exp."""
    transformed = wf.create(100_000, STEPS, dtype=dtype, **HOW).astype(np.float64)
    drawn = wf.create(100_000, wf.LogUniform(1e-3, 1e-1), dtype=dtype, **HOW).astype(np.float64)
    np.testing.assert_allclose(np.log1p(np.exp(transformed)), drawn, rtol=error)


def test_the_law_is_that_of_the_code_of_mamba():
    """dt = exp(u (log(high) - log(low)) + log(low)), dt + log(-expm1(-dt)), u from the same words."""
    u = (wf.create(100_000, wf.Uniform(), dtype=np.float64, **HOW)) + 2.0**-54
    dt = np.maximum(np.exp(u * (math.log(0.1) - math.log(1e-3)) + math.log(1e-3)), 1e-4)
    values = wf.create(100_000, STEPS, dtype=np.float64, **HOW)
    np.testing.assert_allclose(values, dt + np.log(-np.expm1(-dt)), rtol=1e-14)


def test_a_plan_in_toml_and_text_and_the_command_line_mean_the_same():
    plan = wf.Plan({"*.dt_proj.bias": STEPS, "*": wf.Laplace(scale=0.01)}, seed=1)
    assert wf.Plan.from_toml(plan.to_toml()) == plan
    assert 'then = "inverse_softplus"' in plan.to_toml()
    text = 'log_uniform(1e-3, 0.1, then="inverse_softplus")'
    assert initializer_of(Drawn(text, {})) == STEPS
    assert_same_bits(wf.create(100, text, **HOW), wf.create(100, STEPS, **HOW))
    assert initializer_of(Drawn("log-uniform", {"low": 1e-3, "high": 0.1})) == wf.LogUniform(1e-3, 0.1)
    assert initializer_of(Drawn("laplace", {"mean": 2.0})) == wf.Laplace(2.0, 1.0)


def test_explain_shows_the_parameters():
    plan = wf.Plan({"dt": STEPS, "w": wf.Laplace(scale=1 / 3)}, seed=1)
    shown = str(plan.explain({"dt": (8,), "w": (4, 4)}, dtype="float32"))
    assert "LogUniform(low=0.001, high=0.1, then='inverse_softplus')" in shown
    assert "Laplace(mean=0, scale=0.333333)" in shown


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_laplace_values_scale_with_the_scale_and_move_with_the_mean(dtype):
    standard = wf.create(10_000, wf.Laplace(), dtype=dtype, **HOW)
    quarter = wf.create(10_000, wf.Laplace(scale=0.25), dtype=dtype, **HOW)
    assert_same_bits(quarter, standard * standard.dtype.type(0.25))
    moved = wf.create(10_000, wf.Laplace(3.0, 0.5), dtype=dtype, **HOW)
    np.testing.assert_allclose(moved, 3 + standard.astype(np.float64) / 2, atol=12 * np.finfo(dtype).eps)


def test_masks_and_padding_take_both_laws():
    table = wf.create((10, 4), wf.Padded(STEPS, 3), **HOW)
    expected = wf.create((10, 4), STEPS, **HOW)
    expected[3] = 0
    assert_same_bits(table, expected)
