"""What the tests of weightfill.keras share: cases, and tensors of any backend as arrays."""

import keras
import ml_dtypes
import numpy as np

import weightfill as wf
import weightfill.keras as wk
from tests.bits import bits

THEIRS = {name: value for name, value in vars(keras.initializers).items() if isinstance(value, type)}
NAMES = sorted(set(THEIRS) - {"Initializer", "STFT", "STFTInitializer", "stft"})
SCHEMES = ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"]
RANDOM = ["Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", *SCHEMES]

# From Keras 3.15 on.
HAS_AXES = hasattr(keras.initializers.VarianceScaling(), "input_axes")

# (name, arguments, shape, weightfill's initializer of the same bits)
EQUIVALENTS = [
    ("Zeros", {}, (3, 5), wf.Zeros()),
    ("Ones", {}, (3, 5), wf.Ones()),
    ("Constant", {"value": 0.1}, (3, 5), wf.Constant(0.1)),
    ("Constant", {"value": 2}, (), wf.Constant(2)),
    ("Identity", {}, (3, 5), wf.Identity()),
    ("Identity", {"gain": 0.1}, (5, 3), wf.Identity(0.1)),
    ("RandomNormal", {}, (7,), wf.Normal(std=0.05)),
    ("RandomNormal", {"mean": 1, "stddev": 0}, (4, 5), wf.Constant(1)),
    ("RandomUniform", {}, (4, 5), wf.Uniform(-0.05, 0.05)),
    ("RandomUniform", {"minval": 0, "maxval": 2}, (2, 3, 4), wf.Uniform(0, 2)),
    ("RandomUniform", {"minval": 0.5, "maxval": 0.5}, (3,), wf.Constant(0.5)),
    ("TruncatedNormal", {}, (4, 5), wf.TruncatedNormal(std=0.05)),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 0.5}, (), wf.TruncatedNormal(1.0, 0.5)),
    ("TruncatedNormal", {"mean": 0.5, "stddev": 0.0}, (3,), wf.Constant(0.5)),
    ("VarianceScaling", {}, (784, 3), wf.VarianceScaling(layout="keras")),
    *(
        (
            "VarianceScaling",
            {"scale": 0.3, "mode": mode, "distribution": theirs},
            shape,
            wf.VarianceScaling(0.3, mode, ours, layout="keras"),
        )
        for shape in [(30, 7), (3, 5, 11, 2)]
        for mode in ["fan_in", "fan_out", "fan_avg"]
        for theirs, ours in [
            ("uniform", "uniform"),
            ("normal", "truncated_normal"),
            ("Truncated_Normal", "truncated_normal"),
            ("untruncated_normal", "normal"),
        ]
    ),
    ("VarianceScaling", {"scale": 3, "distribution": "uniform"}, (36,), wf.Uniform(-0.5, 0.5)),
    ("VarianceScaling", {"scale": 4, "distribution": "untruncated_normal"}, (), wf.Normal(std=2)),
    ("GlorotUniform", {}, (784, 3), wf.XavierUniform(layout="keras")),
    ("GlorotNormal", {}, (3, 3, 4, 8), wf.XavierNormal(truncated=True, layout="keras")),
    ("HeUniform", {}, (784, 3), wf.KaimingUniform(layout="keras")),
    ("HeNormal", {}, (3, 4, 8), wf.KaimingNormal(truncated=True, layout="keras")),
    ("LecunUniform", {}, (784, 3), wf.LecunUniform(layout="keras")),
    ("LecunNormal", {}, (0, 3), wf.LecunNormal(truncated=True, layout="keras")),
    ("Orthogonal", {}, (6, 4), wf.Orthogonal(axis=-1)),
    ("Orthogonal", {"gain": 2.0}, (2, 3, 9), wf.Orthogonal(2.0, axis=-1)),
]
if HAS_AXES:
    axes = {"distribution": "untruncated_normal", "input_axes": [0, 1], "output_axes": [2]}
    EQUIVALENTS.append(("VarianceScaling", axes, (2, 8, 9), wf.Normal(std=0.25)))
CONFIGURED = [(name, arguments) for name, arguments, _, _ in EQUIVALENTS]


def values(tensor):
    """Return a tensor of any backend as an array, without the conversion of Keras that warns."""
    if keras.backend.backend() != "torch":
        return np.asarray(tensor)
    tensor = tensor.detach()
    name = str(tensor.dtype).removeprefix("torch.")
    if not hasattr(ml_dtypes, name):
        return tensor.numpy()
    import torch

    return tensor.view({1: torch.int8, 2: torch.int16}[tensor.itemsize]).numpy().view(name)


def made(name, arguments, seed=7):
    return getattr(wk, name)(**arguments, **({"seed": seed} if name in RANDOM else {}))


def same(a, b):
    return np.array_equal(bits(values(a)), bits(values(b)))
