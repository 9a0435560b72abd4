import json

import numpy as np
import pytest

import weightfill as wf
from weightfill import signals

# Standard deviations by layer of mean-field theory, for 10 layers of 500 units and unit normal inputs
KNOWN = [
    ("tanh", wf.Normal(std=0.01), [0.2135, 0.0476, 0.01065, 0.00238, 0.00053]),
    ("tanh", wf.Normal(std=1.0), [0.9820, 0.9817, 0.9817]),
    (
        "tanh",
        wf.LecunNormal(),
        [0.6279, 0.4863, 0.4082, 0.3576, 0.3216, 0.2944, 0.2729, 0.2554, 0.2409, 0.2285],
    ),
    ("tanh", wf.StandardUniform(), [0.4603, 0.2495, 0.1412, 0.0810, 0.0467, 0.0269, 0.0155, 0.0090, 0.0052, 0.0030]),
    ("relu", wf.LecunNormal(), [0.5838, 0.4128, 0.2919, 0.2064, 0.1460, 0.1032, 0.0730, 0.0516, 0.0365, 0.0258]),
    ("relu", wf.KaimingNormal(), [0.8256] * 10),
    ("logistic", wf.LecunNormal(), [0.2083, 0.1269, 0.1215, 0.1212]),
]


@pytest.mark.parametrize(("activation", "init", "known"), KNOWN)
def test_predicted_and_measured_deviations_are_the_known_ones(activation, init, known):
    report = signals.propagation("500x11", activation, init, samples=500, seed=1)
    assert [layer.predicted_std for layer in report.layers[: len(known)]] == pytest.approx(known, rel=4e-3, abs=6e-5)
    for number, layer in enumerate(report.layers, 1):  # the weights' own chance adds up from layer to layer
        assert layer.std == pytest.approx(layer.predicted_std, rel=0.06 * number**0.5)


@pytest.mark.parametrize("init", [wf.KaimingNormal(), wf.Sparse(20, std=0.3), wf.Orthogonal(2**0.5)])
def test_gradients_are_as_predicted(init):
    for layer in signals.propagation("400x8", "relu", init, samples=300, seed=3).layers:
        assert layer.grad_std == pytest.approx(layer.predicted_grad_std, rel=0.12)


def test_convolutions_are_as_predicted():
    report = signals.propagation("3@12x12,48c3x4", "relu", wf.KaimingNormal(), samples=40, seed=5)
    for layer in report.layers:
        assert layer.std == pytest.approx(layer.predicted_std, rel=0.25)
        assert layer.grad_std == pytest.approx(layer.predicted_grad_std, rel=0.25)


def test_biases_count_in_what_is_predicted():
    report = signals.propagation("400x5", "relu", wf.LecunNormal(), bias=wf.Normal(0.5, 0.3), samples=300, seed=2)
    for layer in report.layers:
        assert layer.std == pytest.approx(layer.predicted_std, rel=0.12)


def test_weights_are_the_tensors_of_their_streams():
    report = signals.propagation([30, 20], "linear", wf.Normal(), samples=5, seed=9)
    weight = wf.create((20, 30), wf.Normal(), seed=9, stream="layer1.weight")
    assert report.layers[0].weight_std == pytest.approx(float(weight.std()), rel=1e-5)
    batch = wf.create((5, 30), wf.Normal(), seed=9, stream="batch")
    assert report.layers[0].std == pytest.approx(float((batch @ weight.T).std()), rel=1e-5)


def test_a_plan_gives_each_layer_its_own():
    plan = wf.Plan({"layer1.weight": wf.Normal(std=2.0), "*.bias": wf.Ones(), "*": wf.Normal(std=0.1)}, seed=7)
    found = signals.propagation([300, 200, 100], "linear", plan, samples=3)
    assert [layer.weight_std for layer in found.layers] == pytest.approx([2.0, 0.1], rel=0.02)
    assert found.layers[0].mean == pytest.approx(1.0, abs=5)


def test_dead_and_saturated_units_are_counted():
    dead = signals.propagation([50, 40], "relu", wf.Normal(std=0.01), bias=wf.Constant(-9), seed=1)
    assert dead.layers[0].dead == 1.0
    assert dead.problems == ("layer1: 100% of units give the same output for every sample",)
    full = signals.propagation([50, 40], "tanh", wf.Normal(std=9), seed=1)
    assert full.layers[0].saturated > 0.9


def test_effective_rank_is_the_number_of_directions():
    batch = np.zeros((90, 50), np.float32)
    batch[:30, 0] = batch[30:60, 1] = batch[60:, 2] = 1
    layer = signals.propagation([50, 50], "linear", wf.Orthogonal(), batch=batch, seed=1).layers[0]
    assert layer.effective_rank == pytest.approx(3, rel=1e-4)
    assert layer.correlation == pytest.approx(3 * 30 * 29 / (90 * 89), rel=1e-4)


def test_shares_outside_of_formats_are_counted():
    batch = np.full((4, 10), 1e5, np.float32)
    layer = signals.propagation([10, 10], "linear", wf.Identity(), batch=batch, seed=1).layers[0]
    assert layer.outside == {"float16": 1.0, "bfloat16": 0.0, "float8_e4m3fn": 1.0, "float8_e5m2": 1.0}
    assert layer.predicted_std is None


def test_zero_weights_are_called_no_signal_and_equal_units():
    report = signals.propagation([20, 30, 30], "tanh", wf.Zeros(), seed=1)
    assert report.verdict == (
        "no signal: layer1 gives the same output for every input, as Zeros() makes its 30 units equal; draw random "
        "weights, such as XavierNormal"
    )
    assert report.problems == ("layer1 to layer2: 30 equal units, which training keeps equal (Zeros())",)


def test_json_holds_all_numbers():
    report = signals.propagation("20x4", "relu", wf.Normal(std=1e30), samples=10, seed=1)
    read = json.loads(report.to_json())
    assert read["verdict"] == report.verdict
    assert [layer["name"] for layer in read["layers"]] == ["layer1", "layer2", "layer3"]
    assert read["layers"][-1]["mean"] in ("inf", None)


def test_one_sample_is_enough():
    layer = signals.propagation([20, 30, 30], "relu", wf.KaimingNormal(), samples=1, seed=1).layers[-1]
    assert layer.std > 0
    assert np.isnan(layer.correlation)
    assert np.isnan(layer.dead)


def test_progress_counts_passes():
    seen = []
    signals.propagation("20x4", "relu", "kaiming_normal", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"samples": 0}, ValueError, "samples must be at least 1, got 0"),
        ({"samples": 1.5}, TypeError, "samples must be an integer, got 1.5"),
        ({"batch": np.zeros((3, 9))}, ValueError, r"batch must have the shape \(samples, 20\), got \(3, 9\)"),
        ({"batch": np.zeros((0, 20))}, ValueError, "batch must have at least 1 sample"),
        ({"batch": np.full((2, 20), np.nan)}, ValueError, r"batch must be finite, got nan at \(0, 0\)"),
        ({"batch": [[1], [1, 2]]}, TypeError, r"batch must be an array of real numbers, got \[\[1\], \[1, 2\]\]"),
        ({"batch": np.zeros((2, 20), complex)}, TypeError, "batch must be an array of real numbers, got complex128"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"progress": 3}, TypeError, "progress must be True, False or a callable"),
        ({"init": "normall"}, ValueError, "init must be"),
        ({"init": wf.Sparse(100)}, ValueError, "layer1.weight: "),
        ({"activation": "nope"}, ValueError, "activation must be one of"),
    ],
)
def test_propagation_refuses(options, error, message):
    arguments = {"sizes": [20, 30], "activation": "tanh", "init": wf.LecunNormal()} | options
    with pytest.raises(error, match=message):
        signals.propagation(**arguments)
