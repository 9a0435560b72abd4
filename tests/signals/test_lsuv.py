"""LSUV of NumPy networks: std 1 before every activation, as a plan."""

import re

import numpy as np
import pytest

import weightfill as wf
from weightfill import signals


def stds(sizes, plan, batch, activation=np.tanh):
    """The std before each activation of a dense stack, computed in float64."""
    shapes = {f"layer{n}.weight": (sizes[n], sizes[n - 1]) for n in range(1, len(sizes))}
    shapes |= {f"layer{n}.bias": sizes[n] for n in range(1, len(sizes))}
    tensors = plan.tensors(shapes)
    found, values = [], batch.astype(np.float64)
    for n in range(1, len(sizes)):
        weight, bias = (tensors[f"layer{n}.{kind}"][...].astype(np.float64) for kind in ("weight", "bias"))
        before = values @ weight.T + bias
        found.append(before.std())
        values = activation(before)
    return found


@pytest.mark.parametrize("init", ["orthogonal", wf.Normal(std=1e-4), wf.Uniform(-3, 5), wf.Sparse(4)], ids=str)
@pytest.mark.parametrize("bias", [wf.Zeros(), wf.Uniform(-0.4, 0.6)], ids=str)
def test_every_layer_has_std_1_before_its_activation(init, bias):
    sizes = [40, 60, 30, 50]
    batch = wf.create((300, 40), wf.Normal(0.3, 1.0), seed=7, stream="mine")
    plan = signals.lsuv(sizes, "tanh", init, bias=bias, batch=batch, seed=3)
    for layer, std in zip(plan.layers, stds(sizes, plan, batch), strict=True):
        assert abs(std - 1) <= 0.0201
        assert layer.std_after == pytest.approx(std, rel=1e-4)
        assert layer.trials <= 1
    assert wf.Plan.from_toml(plan.to_toml()) == plan


def test_convolutions_are_scaled_too():
    plan = signals.lsuv("3@8x8,16c3x2,10", "relu", wf.Normal(std=0.01), bias=wf.Normal(std=0.2), seed=1)
    assert [layer.kind for layer in plan.layers] == ["convolution", "convolution", "dense"]
    assert all(abs(layer.std_after - 1) <= 0.02 for layer in plan.layers)
    assert signals.lsuv("3@8x8,16c3x2,10", "relu", plan, seed=1) == plan


def test_a_relu_network_neither_vanishes_nor_explodes_afterwards():
    report = signals.propagation("100x12", "relu", signals.lsuv("100x12", "relu", wf.Normal(std=5.0), seed=1), seed=1)
    assert all(0.3 < layer.std < 1 for layer in report.layers)


def test_layers_that_no_factor_helps_are_warned_of():
    words = "2 of 2 layers do not have outputs of std 1: 'layer1.weight' (0: left as it is: its output is constant), "
    with pytest.warns(UserWarning, match=re.escape(words)):
        plan = signals.lsuv([4, 5, 6], "tanh", wf.Zeros())
    assert [layer.factor for layer in plan.layers] == [1, 1]


def test_progress_counts_layers():
    seen = []
    signals.lsuv("20x4", "tanh", wf.Normal(), progress=lambda *now: seen.append(now))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tolerance": 2}, ValueError, "tolerance must be between 0 and 1, got 2"),
        ({"trials": 0}, ValueError, "trials must be at least 1, got 0"),
        ({"samples": 0}, ValueError, "samples must be at least 1, got 0"),
        ({"batch": np.full((3, 20), np.nan)}, ValueError, "batch must be finite, got nan at (0, 0)"),
        ({"batch": np.full((3, 20), 3e38)}, ValueError, "finite numbers, got NaN or infinity in layer1; use a smaller"),
        ({"init": wf.Plan({"layer1*": wf.Ones()})}, ValueError, "params must all match a rule, got 'layer2.weight'"),
    ],
)
def test_wrong_arguments_are_refused(options, error, message):
    with pytest.raises(error) as raised:
        signals.lsuv("20x4", "tanh", options.pop("init", wf.Normal()), **options)
    assert message in str(raised.value)
