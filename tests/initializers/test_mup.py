"""MuP: the distribution of a base model, at other widths."""

import math
import re

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits

HOW = {"seed": 42, "stream": "w"}


@pytest.mark.parametrize(
    ("of", "base", "shape", "expected"),
    [
        (wf.Normal(std=0.02), (256, 256), (1024, 1024), wf.Normal(std=0.01)),  # hidden
        (wf.Normal(std=0.02), (64, 256), (256, 1024), wf.Normal(std=0.01)),
        (wf.Normal(std=0.02), (256, 784), (1024, 784), wf.Normal(std=0.02)),  # of the inputs
        (wf.Normal(std=0.02), (10, 256), (10, 1024), wf.Normal(std=0.02)),  # of the outputs
        (wf.Normal(std=0.02), (256, 256), (256, 256), wf.Normal(std=0.02)),  # the base model itself
        (wf.Uniform(-0.1, 0.1), (256,), (1024,), wf.Uniform(-0.1, 0.1)),  # a bias
        (wf.Constant(1.0), (256,), (1024,), wf.Constant(1.0)),
        (wf.TruncatedNormal(std=0.02), (16, 16, 3, 3), (64, 64, 3, 3), wf.TruncatedNormal(std=0.01)),  # a convolution
        (wf.DepthScaled(wf.Normal(std=0.02), 8), (16, 16), (64, 64), wf.Normal(std=0.02 / 4 / 2)),
    ],
    ids=str,
)
def test_hidden_weights_shrink_with_the_width_and_others_stay(of, base, shape, expected):
    assert wf.MuP(of, base).law(shape) == expected
    assert_same_bits(wf.create(shape, wf.MuP(of, base), **HOW), wf.create(shape, expected, **HOW))


@pytest.mark.parametrize(("shape", "base"), [((96, 64), (24, 16)), ((10, 64), (10, 16)), ((96, 784), (24, 784))])
def test_schemes_are_as_the_package_mup_corrects_them(shape, base):
    """It draws with the fans of the shape at hand, and multiplies what is drawn (mup/init.py)."""
    fan_out, fan_in = shape
    both = all(n != m for n, m in zip(shape, base, strict=True))
    wider = fan_in / base[1]
    xavier = math.sqrt((fan_out + fan_in) / (base[0] + base[1])) / (math.sqrt(wider) if both else 1)
    kaiming = 1 if both else math.sqrt(wider)
    for of, correction in ((wf.XavierNormal(), xavier), (wf.KaimingNormal(), kaiming)):
        assert wf.MuP(of, base).law(shape).std == pytest.approx(of.law(shape).std * correction, rel=1e-15)


def test_layouts_say_which_axis_has_the_inputs():
    law = wf.MuP(wf.Normal(), (16, 100), layout="keras").law((64, 400))
    assert law == wf.Normal(std=0.5)
    assert wf.MuP(wf.Normal(), (100, 16)).law((900, 64)) == wf.Normal(std=0.5)
    assert wf.MuP(wf.Normal(), (100, 16), layout="keras").law((900, 64)) == wf.Normal(std=1 / 3)


def test_it_works_within_others():
    fused = wf.Blocks(wf.MuP(wf.XavierUniform(), (8, 8)), 3)
    block = wf.MuP(wf.XavierUniform(), (8, 8)).law((32, 32))
    assert_same_bits(wf.create((96, 32), fused, **HOW)[32:64], wf.create((32, 32), block, seed=42, stream="w[1]"))
    padded = wf.create((40, 16), wf.Padded(wf.MuP(wf.Normal(), (40, 4)), 0), **HOW)
    assert not padded[0].any()
    assert_same_bits(padded[1:], wf.create((40, 16), wf.Normal(), **HOW)[1:])
    half = wf.Scaled(wf.MuP(wf.Normal(), (4, 4)), 0.5)
    assert half.law((16, 16)) == wf.Normal(std=0.25)


def test_empty_tensors_are_left_alone():
    assert wf.create((0, 16), wf.MuP(wf.XavierUniform(), (4, 4)), **HOW).shape == (0, 16)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.MuP(3, (2, 2)), TypeError, "of must be an initializer such as Normal(std=0.02), got 3"),
        (lambda: wf.MuP("orthogonal", (2, 2)), TypeError, "of must draw every element for itself, got Orthogonal("),
        (lambda: wf.MuP("normal", 3), TypeError, "base_shape must be a tuple of integers, got 3"),
        (lambda: wf.MuP("normal", (3, 2.0)), TypeError, "base_shape must be a tuple of integers, got (3, 2.0)"),
        (lambda: wf.MuP("normal", (3, 0)), ValueError, "base_shape must have dimensions of at least 1, got (3, 0)"),
        (lambda: wf.MuP("normal", (3, 2), layout="x"), ValueError, "layout must be one of 'torch', "),
        (
            lambda: wf.MuP("normal", (3, 2)).law((3,)),
            ValueError,
            "base_shape must have as many dimensions as shape=(3,), got (3, 2)",
        ),
        (lambda: wf.MuP("xavier_normal", (3,)).law((9,)), ValueError, "shape must have at least 2 dimensions to count"),
        (
            lambda: wf.MuP("normal", (3, 2)).law((None, 4)),
            ValueError,
            "shape must have a known first dimension for MuP(",
        ),
        (lambda: wf.MuP(wf.Sparse(1), (3, 2)).law((6, 4)), ValueError, "of must draw every element, got Sparse("),
    ],
)
def test_what_has_no_such_form_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_parts_are_those_of_the_full_tensor(dtype):
    tensor = wf.Tensor((40, 30), wf.MuP(wf.Normal(), (10, 10)), dtype=dtype, **HOW)
    assert_same_bits(tensor.fill(np.empty((5, 7), dtype), start=(3, 4)), np.asarray(tensor)[3:8, 4:11])
