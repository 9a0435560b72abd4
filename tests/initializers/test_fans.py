import math
import pickle
import re

import numpy as np
import pytest

from tests.initializers.documented import table
from weightfill._initializers.fans import LAYOUTS, Fans, Layout, fans
from weightfill._initializers.gains import NEUTRAL_GAINS, PUBLISHED_GAINS, gain


def arguments(text):
    """The keyword arguments that a cell of the table spells out."""
    return eval(f"dict({text})", {"Layout": Layout})


@pytest.mark.parametrize("row", table("Fans"), ids=lambda row: row[0])
def test_table_of_fans_in_the_documentation_is_right(row):
    _, shape, by_name, by_axes, fan_in, fan_out = row
    shape, expected = eval(shape), (int(fan_in.replace(",", "")), int(fan_out.replace(",", "")))
    assert fans(shape, **arguments(by_name)) == expected
    assert fans(shape, **arguments(by_axes)) == expected


def test_table_of_fans_in_the_documentation_has_all_layouts():
    named = {arguments(row[2]).get("layout") for row in table("Fans")}
    assert named >= set(LAYOUTS)


def test_table_of_gains_in_the_documentation_is_right_and_complete():
    seen = {}
    for names, value in (row[:2] for row in table("Gains")):
        for name in re.findall(r"\w+", names):
            seen[name] = eval(value, {"sqrt": math.sqrt, "slope": 0.01})
    assert seen == pytest.approx(PUBLISHED_GAINS, rel=1e-15)
    rows = table("Gains that keep the mean square")
    seen = {name: row[1] for row in rows for name in re.findall(r"\w+", row[0])}
    assert seen == {name: f"{value:.6f}" for name, value in NEUTRAL_GAINS.items()}


# (in, out) of a dense weight is 784, 256; of the convolutions 64, 128 with a kernel of 3 x 5, or of 7.
COUNTED = [
    ((256, 784), {}, (784, 256)),
    ((128, 64, 3, 5), {}, (960, 1920)),
    ((128, 64, 7), {"layout": "torch"}, (448, 896)),
    ((128, 64, 2, 3, 5), {"layout": "torch"}, (1920, 3840)),
    ((128, 16, 3, 5), {"groups": 4}, (240, 480)),
    ((128, 1, 3, 5), {"groups": 64}, (15, 30)),
    ((64, 128, 3, 5), {"layout": "torch_transposed"}, (960, 1920)),
    ((64, 32, 3, 5), {"layout": "torch_transposed", "groups": 4}, (240, 480)),
    ((784, 256), {"layout": "keras"}, (784, 256)),
    ((3, 5, 64, 128), {"layout": "keras"}, (960, 1920)),
    ((3, 5, 64, 128), {"layout": "jax"}, (960, 1920)),
    ((3, 5, 64, 128), {"layout": "flax"}, (960, 1920)),
    ((3, 5, 16, 128), {"layout": "flax", "groups": 4}, (240, 480)),
    ((3, 5, 128, 64), {"layout": "keras_transposed"}, (960, 1920)),
    ((3, 5, 32, 64), {"layout": "keras_transposed", "groups": 4}, (240, 480)),
    ((3, 5, 64, 2), {"layout": "keras_depthwise", "groups": 64}, (15, 30)),
    ((3, 5, 64, 2), {"layout": "keras_depthwise"}, (960, 30)),
    ((3, 5, 64, 128), {"in_axis": 2, "out_axis": 3}, (960, 1920)),
    ((3, 5, 64, 128), {"in_axis": -2, "out_axis": -1, "groups": 2}, (960, 960)),
    ((512, 8, 64), {"in_axis": 0, "out_axis": (1, 2)}, (512, 512)),
    ((8, 64, 512), {"in_axis": (0, 1), "out_axis": 2}, (512, 512)),
    ((16, 256, 784), {"in_axis": 2, "out_axis": 1, "batch_axis": 0}, (784, 256)),
    ((16, 4, 256, 784), {"in_axis": 3, "out_axis": 2, "batch_axis": (0, 1)}, (784, 256)),
    ((16, 256), {"in_axis": (), "out_axis": (), "batch_axis": 0}, (256, 256)),
    ((256, 784), {"layout": Layout()}, (784, 256)),
    ((1000, 64), {"layout": Layout(-2, 0)}, (64, 64)),
    ((1000, 64), {"in_axis": 0, "out_axis": 0}, (64, 64)),
    ((3, 5, 64, 128), {"layout": Layout(-2, (2, 3))}, (15, 1920)),
    ((16, 1000, 64), {"layout": Layout(1, 1, 0)}, (64, 64)),
    ((784,), {"layout": Layout(0, ())}, (784, 1)),
    ((784,), {"layout": Layout((), -1)}, (1, 784)),
    ((784,), {"in_axis": 0, "out_axis": 0}, (1, 1)),
    ((16,), {"in_axis": (), "out_axis": (), "batch_axis": 0}, (1, 1)),
    ((0, 784), {}, (784, 0)),
    ((128, 64, 0), {}, (0, 0)),
    ((2**32, 2**31), {}, (2**31, 2**32)),
]


@pytest.mark.parametrize(("shape", "options", "expected"), COUNTED)
def test_fans_are_channels_times_receptive_field(shape, options, expected):
    assert fans(shape, **options) == Fans(*expected)


OPEN = [
    ((None, 128), {}, (128, None)),
    ((None, 128), {"layout": "keras"}, (None, 128)),
    ((None, 64, 3), {}, (192, None)),
    ((None, 16, 3), {"groups": 4}, (48, None)),
    ((None, 3, 64, 128), {"layout": "keras"}, (None, None)),
    ((None, 32, 3), {"layout": "torch_transposed", "groups": 4}, (None, 96)),
    ((None, 256, 784), {"in_axis": 2, "out_axis": 1, "batch_axis": 0}, (784, 256)),
    ((None, 64), {"layout": Layout(-2, 0)}, (64, 64)),
    ((None,), {"layout": Layout(0, ())}, (None, 1)),
]


@pytest.mark.parametrize(("shape", "options", "expected"), OPEN)
def test_an_open_dimension_leaves_open_only_the_fans_that_it_decides(shape, options, expected):
    assert fans(shape, **options) == expected


def test_shapes_and_axes_of_any_integer_type_count():
    assert fans(np.array([256, 784])) == fans([256, 784]) == fans((np.uint16(256), np.int64(784))) == (784, 256)
    assert fans((256, 784), np.int64(0), np.int8(1), np.uint16(2)) == fans((256, 784), 0, 1, 2) == (256, 392)
    layout = Layout(np.int64(0), [np.int8(1)], [], np.uint8(0))
    assert layout == Layout(0, (1,), (), 0)
    assert all(type(axis) is int for axis in (layout.in_axis, layout.out_axis[0], layout.group_axis))


def test_layouts_are_values():
    layout = Layout(-1, (0, 1), group_axis=-1)
    assert pickle.loads(pickle.dumps(layout)) == layout
    assert hash(Layout(-2, -1)) == hash(LAYOUTS["keras"])
    assert eval(repr(layout)) == layout


ERRORS = [
    (lambda: fans(5), ValueError, "shape must have at least 2 dimensions to count fans, got (5,)"),
    (lambda: fans(()), ValueError, "shape must have at least 2 dimensions to count fans, got ()"),
    (lambda: fans((None,)), ValueError, "shape must have at least 2 dimensions to count fans, got (None,)"),
    (lambda: fans("ab"), TypeError, "shape must be a tuple of integers, got 'ab'"),
    (lambda: fans((2.0, 3)), TypeError, "shape must be a tuple of integers, got (2.0, 3)"),
    (lambda: fans((3, None)), TypeError, "shape must have only integers after the first, got (3, None)"),
    (lambda: fans((3, -1)), ValueError, "shape must have no negative dimension, got (3, -1)"),
    (lambda: fans((2, 3), 2), ValueError, "in_axis must be within the 2 axes of shape (2, 3), got 2"),
    (lambda: fans((2, 3), -3), ValueError, "in_axis must be within the 2 axes of shape (2, 3), got -3"),
    (lambda: fans((2, 3), 1, (0, 5)), ValueError, "out_axis must be within the 2 axes of shape (2, 3), got (0, 5)"),
    (lambda: fans((2, 3), batch_axis=2), ValueError, "batch_axis must be within the 2 axes of shape (2, 3), got 2"),
    (lambda: fans((2, 3), 1.0), TypeError, "in_axis must be an integer or a tuple of integers, got 1.0"),
    (lambda: fans((2, 3), True), TypeError, "in_axis must be an integer or a tuple of integers, got True"),
    (lambda: fans((2, 3), 1, "0"), TypeError, "out_axis must be an integer or a tuple of integers, got '0'"),
    (lambda: fans((), (), ()), ValueError, "shape must have at least 2 dimensions to count fans, got ()"),
    (lambda: fans((5,), layout="jax"), ValueError, "shape must have at least 2 dimensions to count fans, got (5,)"),
    (lambda: fans((5,), 0, (), batch_axis=-1), ValueError, "must be different axes, got in_axis=0, out_axis=()"),
    (lambda: fans((2, 3), (0, -2)), ValueError, "must be different axes, got in_axis=(0, -2), out_axis=0"),
    (lambda: fans((2, 3), batch_axis=-2), ValueError, "must be different axes, got in_axis=1, out_axis=0"),
    (lambda: fans((2, 3), batch_axis=(1,)), ValueError, "must be different axes, got in_axis=1, out_axis=0"),
    (lambda: fans((2, 3), groups=0), ValueError, "groups must be at least 1, got 0"),
    (lambda: fans((2, 3), groups=1.0), TypeError, "groups must be an integer, got 1.0"),
    (lambda: fans((2, 3), groups=True), TypeError, "groups must be an integer, got True"),
    (
        lambda: fans((128, 64, 3), groups=3),
        ValueError,
        "groups must divide the 128 channels along axis 0 of shape (128, 64, 3), got 3",
    ),
    (
        lambda: fans((64, 128, 3), layout="torch_transposed", groups=3),
        ValueError,
        "groups must divide the 64 channels along axis 0 of shape (64, 128, 3), got 3",
    ),
    (
        lambda: fans((2, 3), layout="kears"),
        ValueError,
        "layout must be one of 'torch', 'torch_transposed', 'keras', 'keras_transposed', 'keras_depthwise', 'jax', "
        "'flax', got 'kears'; did you mean 'keras'?",
    ),
    (lambda: fans((2, 3), layout=1), TypeError, "layout must be one of 'torch', "),
    (
        lambda: fans((2, 3), 0, 1, layout="keras"),
        TypeError,
        "layout must be left out where axes are given, got 'keras'",
    ),
    (lambda: Layout((1, 1)), ValueError, "and batch_axis, must be different axes, got in_axis=(1, 1), out_axis=0"),
    (lambda: Layout(1, (0, 0)), ValueError, "and batch_axis, must be different axes, got in_axis=1, out_axis=(0, 0)"),
    (lambda: Layout(1, 0, 0), ValueError, "must be different axes, got in_axis=1, out_axis=0, batch_axis=0"),
    (lambda: Layout(1, 0, group_axis=2), ValueError, "group_axis must be one of in_axis=1 and out_axis=0, got 2"),
    (lambda: Layout(1, 0, group_axis=0.0), TypeError, "group_axis must be an integer, got 0.0"),
    (lambda: gain("relus"), ValueError, "got 'relus'; did you mean 'relu'?"),
    (lambda: gain("Tanh"), ValueError, "got 'Tanh'; did you mean 'tanh'?"),
    (lambda: gain("leaky"), ValueError, "got 'leaky'; did you mean 'leaky_relu'?"),
    (lambda: gain("gelo"), ValueError, "got 'gelo'; did you mean 'gelu'?"),
    (lambda: gain("zzz"), ValueError, "'swish', got 'zzz'"),
    (lambda: gain(None), TypeError, "nonlinearity must be one of 'linear', "),
    (lambda: gain("relu", 0.1), TypeError, "slope must be left out unless nonlinearity is 'leaky_relu', got 0.1"),
    (lambda: gain("leaky_relu", "0.1"), TypeError, "slope must be a number, got '0.1'"),
    (lambda: gain("leaky_relu", True), TypeError, "slope must be a number, got True"),
    (lambda: gain("leaky_relu", np.float32(np.inf)), ValueError, "slope must be from -1e+100 to 1e+100"),
    (lambda: gain("leaky_relu", math.nan), ValueError, "slope must be from -1e+100 to 1e+100, got nan"),
    (
        lambda: gain("leaky_relu", 10**400),
        ValueError,
        "slope must be from -1e+100 to 1e+100, got an integer of 1,329 bits",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS)
def test_wrong_arguments_are_named_in_the_message(call, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call()


def test_vectors_are_sent_to_laws_that_need_no_fans():
    message = "shape must have at least 2 dimensions to count fans, got (5,); use Normal or Uniform for vectors"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fans((5,))


@pytest.mark.parametrize("slope", [-0.3, 0, 0.01, 0.2, 1, math.sqrt(5), 1e99])
def test_gain_of_a_leaky_rectifier_is_between_those_of_relu_and_of_nothing(slope):
    assert gain("leaky_relu", slope) == pytest.approx(math.sqrt(2 / (1 + slope**2)), rel=1e-15)


def test_gain_of_a_leaky_rectifier_has_a_slope_of_a_hundredth_unless_told():
    assert gain("leaky_relu") == gain("leaky_relu", 0.01)


def test_slopes_may_be_numpy_scalars():
    assert gain("leaky_relu", np.float32(0.5)) == gain("leaky_relu", 0.5)
