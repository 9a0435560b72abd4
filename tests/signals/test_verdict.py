"""What a report says in words: one sentence on the whole, a line for each kind of problem."""

import math

import numpy as np
import pytest

import weightfill as wf
from weightfill import signals
from weightfill.signals import LayerSignal
from weightfill.signals._activations import ACTIVATIONS
from weightfill.signals._problems import problems_of
from weightfill.signals._verdict import verdict_of


def plan(**others):
    rules = {f"{layer}.weight": init for layer, init in others.items()}
    return wf.Plan({**rules, "*.bias": wf.Zeros(), "*": wf.KaimingNormal()}, seed=1)


@pytest.mark.parametrize(
    ("sizes", "activation", "init", "verdict"),
    [
        (
            "500x11",
            "tanh",
            wf.Normal(std=0.01),
            "vanishes 0.22x a layer: std 0.01 is too small for tanh at 500 inputs; XavierNormal keeps it",
        ),
        (
            "50x8",
            "tanh",
            wf.Scaled(wf.Orthogonal(), 0.2),
            "vanishes 0.2x a layer: std 0.0283 is too small for tanh at 50 inputs; XavierNormal keeps it",
        ),
        (
            "500x11",
            "tanh",
            wf.Normal(std=1),
            "saturates: 92% of outputs are near a bound: std 1 is too large for tanh at 500 inputs; XavierNormal keeps",
        ),
        (
            "500x11",
            "relu",
            wf.Normal(std=1),
            "explodes 15.9x a layer: std 1 is too large for relu at 500 inputs; KaimingNormal keeps it",
        ),
        ("500x11", "relu", wf.KaimingNormal(), "holds: std 0.8"),
        (
            "500x11",
            "logistic",
            wf.LecunNormal(),
            "gradients vanish 0.24x a layer: std 0.0447 is too small for logistic",
        ),
        (
            "200x40",
            "tanh",
            wf.Normal(std=0.14),
            "gradients explode 1.16x a layer: std 0.14 is too large for tanh at 200",
        ),
        (
            "200x40",
            "relu",
            wf.Normal(std=9),
            "explodes: layer20 overflows, 92x a layer: std 9 is too large for relu",
        ),
        ("200x60", "relu", wf.Normal(std=0.001), "vanishes to 0 by layer23, 0.01x a layer: std 0.001 is too small"),
        (
            "900,300,100,30",
            "relu",
            wf.KaimingNormal(),
            "holds: std 0.8",
        ),  # gradients spread over other widths, unharmed
        ("30,300,1000,30", "tanh", wf.XavierNormal(), "holds: std 0.3"),
        ("50,50", "tanh", wf.LecunNormal(), "holds: std 0.617 in its one layer"),
        (
            "50,50",
            "linear",
            wf.Normal(std=1e-5),
            "holds, but at std 6.98e-05, which is small: scale the inputs, or the",
        ),
        (
            "100x5",
            "relu",
            plan(layer3=wf.Normal(std=1e-4)),
            "vanishes in layer3, 0.00067x there: std 0.0001 is too small",
        ),
        (
            "100x5",
            "relu",
            plan(layer4=wf.Zeros()),
            "no signal: layer4 gives the same output for every input, as Zeros()",
        ),
        (
            "100x5",
            "tanh",
            wf.Constant(0.3),
            "equal units: Constant(value=0.3) makes the 100 units of layer1 and 3 other",
        ),
        (
            "100x5",
            "tanh",
            wf.Uniform(0, 0.2),
            "saturates: 69% of outputs are near a bound: weights of mean 0.1 move all",
        ),
        (
            "50,4x40",
            "relu",
            plan(),
            "no signal: layer6 gives the same output for every input, as all its units are off;",
        ),
        (
            "784,5x40,10",
            "relu",
            plan(),
            "vanishes 0.87x a layer: by chance, which is large in layers of 5 units; wider ones keep",
        ),
        (
            "500x9",
            "relu_squared",
            wf.LecunNormal(),
            "explodes: layer8 overflows, 3.85e+03x a layer: std 0.0447 is too",
        ),
    ],
)
def test_verdict_says_what_happens_why_and_the_way_out(sizes, activation, init, verdict):
    assert signals.propagation(sizes, activation, init, samples=100, seed=1).verdict.startswith(verdict)


def test_units_that_biases_switch_off_are_no_signal():
    report = signals.propagation("100x3", "relu", wf.KaimingNormal(), bias=wf.Constant(-9), samples=50, seed=1)
    assert report.verdict.startswith(
        "no signal: layer1 gives the same output for every input, as all its units are off;"
    )
    layer = LayerSignal("fc", 0.0, 1.0, 1.0, dead=0.95)
    assert verdict_of([layer], None).startswith("dies: 95% of units in fc give the same output for every sample;")


@pytest.mark.parametrize(
    ("activation", "init", "bias", "verdict"),
    [
        ("relu", wf.KaimingNormal(), wf.Constant(-0.3), "vanishes 0.63x a layer: by its biases; take biases of 0"),
        (
            "tanh",
            wf.XavierNormal(),
            wf.Constant(99),
            "no signal: layer1 gives the same output for every input, as all",
        ),
        (
            "logistic",
            wf.Normal(std=1e-5),
            wf.Zeros(),
            "no signal: layer3 gives the same output for every input, as d",
        ),
        (
            "logistic",
            wf.Normal(std=0.01),
            wf.Zeros(),
            "gradients vanish 0.043x a layer: std 0.01 is too small for",
        ),
    ],
)
def test_verdict_tells_biases_and_rounding_from_weights(activation, init, bias, verdict):
    report = signals.propagation("300x8", activation, init, bias=bias, samples=100, seed=1)
    assert report.verdict.startswith(verdict)


def test_inputs_that_saturate_the_first_layer_are_named():
    batch = wf.create((50, 300), wf.Uniform(0, 255), seed=1)
    report = signals.propagation("300x8", "tanh", wf.XavierNormal(), batch=batch, seed=1)
    assert report.verdict.startswith("saturates in layer1: 9")
    assert report.verdict.endswith("% of outputs are near a bound; scale its inputs or its weights")


@pytest.mark.parametrize(
    "name", ["relu", "leaky_relu", "relu6", "tanh", "erf", "elu", "selu", "hardtanh", "silu", "mish"]
)
def test_what_a_verdict_proposes_holds(name):
    before = signals.propagation("300x8", name, wf.Normal(std=0.001), samples=50, seed=1)
    (proposed,) = [word for word in before.verdict.split("; ")[1:] if word.endswith(" keeps it")]
    after = signals.propagation("300x8", name, proposed.removesuffix(" keeps it"), samples=50, seed=1)
    assert after.verdict.startswith("holds: ")


def test_verdict_without_an_activation_compares_with_the_inputs():
    def chain(weight_std, factor):
        return [
            LayerSignal(f"fc{n}", 0.0, factor**n, factor**n, grad_std=1.0, weight_std=weight_std, fan_in=100)
            for n in range(9)
        ]

    assert verdict_of(chain(0.02, 0.2), None) == (
        "vanishes 0.2x a layer: std 0.02 is small for 100 inputs, 1 / sqrt(inputs) is 0.1"
    )
    assert verdict_of(chain(0.5, 5.0), None) == (
        "explodes 5x a layer: std 0.5 is large for 100 inputs, sqrt(2 / inputs) is 0.141"
    )
    assert verdict_of(chain(0.12, 5.0), None) == "explodes 5x a layer"
    assert verdict_of([], ACTIVATIONS["tanh"]) == "has no layers"


def test_infinite_gradients_explode():
    layers = [LayerSignal(name, 0.0, 1.0, 1.0, grad_std=std) for name, std in (("a", math.inf), ("b", 1.0), ("c", 1.0))]
    assert verdict_of(layers, None) == "gradients explode: a overflows"


def test_problems_are_one_line_for_all_layers_that_share_it():
    few = {"float16": 0.0, "bfloat16": 0.0, "float8_e4m3fn": 0.04, "float8_e5m2": 0.0}
    lost = {"float16": 0.2, "bfloat16": 0.0, "float8_e4m3fn": 1.0, "float8_e5m2": 1.0}
    layers = [LayerSignal(f"fc{n}", 0.0, 1.0, 1.0, grad_std=1e-7, grad_outside=few, outside=few) for n in range(9)]
    assert problems_of(layers) == ()
    for n in range(2, 6):
        layers[n] = layers[n]._replace(grad_outside=lost)
    layers[7] = layers[7]._replace(outside=lost, rms=1e5)
    layers[0] = layers[0]._replace(std=math.inf)
    for n in (0, 4, 8):
        layers[n] = layers[n]._replace(dead=0.5 + n / 100)
    assert problems_of(layers) == (
        "fc0: outputs overflow",
        "3 layers from fc0 to fc8: 50% to 58% of units give the same output for every sample",
        "fc7: 20% to 100% of outputs overflow in float16, float8_e4m3fn and float8_e5m2",
        "fc2 to fc5: 20% to 100% of gradients become 0 in float16, float8_e4m3fn and float8_e5m2",
    )


def test_rectified_outputs_count_without_their_zeros():
    report = signals.propagation([50, 40], "relu", wf.Normal(std=2e-7), samples=20, seed=1)
    assert report.layers[0].outside["float8_e5m2"] == 1.0
    assert np.isclose(report.layers[0].outside["float16"], 0, atol=0.05)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_samples_are_told_and_not_laid_to_the_weights(value):
    report = signals.propagation("20,10x2", "tanh", "xavier_normal", batch=np.full((50, 20), value))
    assert report.verdict == "no signal: all samples of the batch are equal; pass a batch of samples that differ"
    alone = signals.propagation("20,10x2", "tanh", "xavier_normal", batch=np.ones((1, 20)))
    assert alone.verdict.startswith("holds")
