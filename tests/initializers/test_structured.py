"""Identity, Dirac, Padded and DepthScaled, whole and in parts."""

import math
import re

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits

HOW = {"seed": 42, "stream": "item_table"}


def dirac(shape, groups=1):
    """torch's dirac_: layout (out, in, *kernel)."""
    result = np.zeros(shape, np.float32)
    each = shape[0] // groups
    for group in range(groups):
        for channel in range(min(each, shape[1])):
            result[(group * each + channel, channel, *(taps // 2 for taps in shape[2:]))] = 1
    return result


def test_identity_is_gain_on_the_diagonal(dtype):
    for shape in ((5, 5), (3, 8), (8, 3), (1, 1), (0, 4), (2000, 1500)):
        table = wf.create(shape, wf.Identity(0.5), dtype=dtype)
        assert_same_bits(table, (0.5 * np.eye(*shape)).astype(dtype), shape)
        assert wf.verify(table, wf.Identity(0.5)), shape


def test_windows_and_rows_of_the_identity_are_parts_of_it():
    whole = np.eye(50, 70, dtype=np.float32)
    for start, shape in (((0, 0), (9, 9)), ((20, 15), (30, 40)), ((49, 48), (1, 3)), ((0, 60), (50, 10))):
        part = wf.fill(np.empty(shape, np.float32), wf.Identity(), shape=whole.shape, start=start)
        assert_same_bits(part, whole[start[0] : start[0] + shape[0], start[1] : start[1] + shape[1]])
    rows = np.empty((3, 70), np.float32)
    assert_same_bits(wf.fill_rows(rows, wf.Identity(), [49, 0, 7], shape=(50, 70)), whole[[49, 0, 7]])


@pytest.mark.parametrize(
    ("shape", "groups"),
    [((4, 6, 3), 1), ((6, 4, 3, 3), 1), ((6, 2, 4, 3), 3), ((6, 5, 2), 2), ((8, 4, 3, 3, 5), 2), ((64, 64, 3, 3), 1)],
)
def test_dirac_hands_on_the_channels_of_each_group(shape, groups):
    init = wf.Dirac(groups)
    table = wf.create(shape, init)
    assert_same_bits(table, dirac(shape, groups))
    assert wf.verify(table, init)
    keras = wf.create((*shape[2:], shape[1], shape[0]), wf.Dirac(groups, layout="keras"))
    assert_same_bits(keras, np.ascontiguousarray(np.moveaxis(dirac(shape, groups), (0, 1), (-1, -2))))


def test_dirac_in_a_transposed_layout_sends_each_input_of_a_group_to_an_output():
    table = wf.create((6, 2, 3), wf.Dirac(3, layout="torch_transposed"))
    assert_same_bits(table, dirac((6, 2, 3), 3))  # (in, out / groups, kernel): the roles are exchanged
    depthwise = wf.create((3, 3, 4, 2), wf.Dirac(4, layout="keras_depthwise"))
    assert_same_bits(depthwise, np.moveaxis(dirac((4, 2, 3, 3), 4), (0, 1), (-2, -1)).copy())


@pytest.mark.parametrize("layout", [wf.Layout(1, 5), wf.Layout(-3, 0), wf.Layout(-4, 0)])
def test_dirac_refuses_axes_that_the_tensor_does_not_have(layout):
    with pytest.raises(ValueError, match="layout must name two axes of shape"):
        wf.create((4, 4, 3), wf.Dirac(layout=layout))


def test_empty_tensors_have_no_padding_rows():
    assert wf.create((0, 3), wf.Padded(wf.Normal(), 0), **HOW).shape == (0, 3)


def test_windows_of_a_dirac_kernel_are_parts_of_it():
    whole = dirac((6, 4, 3, 5), 2)
    part = wf.fill(np.empty((4, 2, 2, 3), np.float32), wf.Dirac(2), shape=whole.shape, start=(1, 0, 1, 1))
    assert_same_bits(part, whole[1:5, 0:2, 1:3, 1:4])


def test_padding_rows_are_zero_and_all_others_as_without_them(dtype):
    for rows in (0, (0,), (3, 49), (49, 3, 3), ()):
        init = wf.Padded(wf.Normal(std=0.02), rows)
        table = wf.create((50, 7), init, dtype=dtype, **HOW)
        expected = wf.create((50, 7), wf.Normal(std=0.02), dtype=dtype, **HOW)
        expected[list(init.padding_idx)] = 0
        assert_same_bits(table, expected, rows)
        assert wf.verify(table, init, **HOW), rows


def test_padding_rows_hold_for_windows_rows_and_open_tables():
    init = wf.Padded(wf.Uniform(), (2, 1000))
    whole = wf.create((2000, 33), init, **HOW)
    part = wf.fill(np.empty((100, 5), np.float32), init, shape=whole.shape, start=(950, 28), **HOW)
    assert_same_bits(part, whole[950:1050, 28:])
    ids = [1000, 1999, 2, 3, 1000]
    for rows in (2000, None):
        out = np.empty((5, 33), np.float32)
        assert_same_bits(wf.fill_rows(out, init, ids, shape=(rows, 33), **HOW), whole[ids])


@pytest.mark.parametrize("row", [2**64 - 1, 2**64 - 2])
def test_padding_rows_at_the_end_of_the_largest_table_are_zero(row):
    part = wf.fill(
        np.empty((8, 1), np.float32), wf.Padded(wf.Normal(), row), shape=(2**64, 1), start=(2**64 - 8, 0), **HOW
    )
    assert np.flatnonzero(part == 0).tolist() == [row - (2**64 - 8)]


def test_padding_works_under_fan_scaled_schemes():
    table = wf.create((40, 16), wf.Padded(wf.XavierUniform(), 5), **HOW)
    expected = wf.create((40, 16), wf.XavierUniform(), **HOW)
    expected[5] = 0
    assert_same_bits(table, expected)


@pytest.mark.parametrize(
    "init", [wf.Normal(std=0.02), wf.TruncatedNormal(std=0.02), wf.Padded(wf.Normal(), 0)], ids=str
)
def test_a_grown_vocabulary_keeps_the_value_of_every_old_row(init, dtype):
    small = wf.create((1000, 48), init, dtype=dtype, **HOW)
    large = wf.create((1300, 48), init, dtype=dtype, **HOW)
    assert_same_bits(large[:1000], small)
    added = wf.fill(np.empty((300, 48), dtype), init, shape=(1300, 48), start=(1000, 0), **HOW)
    assert_same_bits(large[1000:], added)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (wf.Normal(1.0, 0.02), wf.Normal(0.25, 0.005)),
        (wf.Uniform(-1, 2), wf.Uniform(-0.25, 0.5)),
        (wf.TruncatedNormal(std=0.4), wf.TruncatedNormal(std=0.1)),
        (wf.TruncatedNormal(low=-4, high=math.inf), wf.TruncatedNormal(std=0.25, low=-1, high=math.inf)),
        (wf.Constant(8), wf.Constant(2)),
        (wf.Laplace(1.0, 0.02), wf.Laplace(0.25, 0.005)),
        (wf.LogUniform(0.5, 2.0), wf.LogUniform(0.125, 0.5)),
    ],
    ids=str,
)
def test_depth_scaling_divides_every_number_of_a_law(of, expected):
    assert wf.DepthScaled(of, layers=8).law((3, 4)) == expected
    assert wf.DepthScaled(of, layers=16, branches=1).law((3, 4)) == expected


def test_depth_scaling_is_that_of_gpt2():
    law = wf.DepthScaled(wf.Normal(std=0.02), layers=12).law((768, 768))
    assert law == wf.Normal(std=0.02 / math.sqrt(2 * 12))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.Identity("1"), TypeError, "gain must be a number, got '1'"),
        (lambda: wf.Identity().law((3,)), ValueError, "shape must have 2 dimensions"),
        (lambda: wf.Dirac(0), ValueError, "groups must be at least 1, got 0"),
        (
            lambda: wf.Dirac(3).law((4, 4, 3)),
            ValueError,
            "groups must divide the 4 channels along axis 0",
        ),
        (lambda: wf.Dirac().law((4, 4)), ValueError, "shape must have at least 3 dimensions"),
        (lambda: wf.Dirac(layout="kera"), ValueError, "did you mean 'keras'?"),
        (lambda: wf.Padded(wf.Normal, 0), TypeError, "of must be an initializer, got the class Normal"),
        (lambda: wf.Padded(wf.Normal(), -1), ValueError, "padding_idx must be in [0, 2**64), got -1"),
        (lambda: wf.Padded(wf.Normal(), 0.5), TypeError, "padding_idx must be an integer or a tuple of integers"),
        (lambda: wf.Padded(wf.Normal(), 9).law((9, 2)), ValueError, "padding_idx must be one of the 9 rows"),
        (lambda: wf.Padded(wf.Sparse(1), 0).law((9, 2)), ValueError, "of must draw every element, got Sparse("),
        (lambda: wf.Padded(wf.Normal(), 2**70), ValueError, "padding_idx must be in [0, 2**64)"),
        (lambda: wf.DepthScaled(wf.Normal(), 10**400), ValueError, "layers must be less than 2**64"),
        (lambda: wf.DepthScaled(wf.Normal(), 0), ValueError, "layers must be at least 1, got 0"),
        (lambda: wf.DepthScaled(wf.Identity(), 2).law((2, 2)), ValueError, "of must draw every element"),
        (
            lambda: wf.DepthScaled(wf.LogUniform(1, 2, then="inverse_softplus"), 2).law((2, 2)),
            ValueError,
            "of must have no transform, got LogUniform(low=1.0, high=2.0, then='inverse_softplus'); what it draws",
        ),
    ],
)
def test_wrong_parameters_are_refused(make, error, message):
    with pytest.raises(error) as raised:
        make()
    assert message in str(raised.value)


E64 = 2**64


@pytest.mark.parametrize(
    ("init", "shape"),
    [
        (wf.Padded(wf.Normal(), 0), (1, E64)),
        (wf.Sparse(1, axis=0), (1, E64)),
        (wf.Sparse(1, axis=0), (1, 2**32, 2**32)),
        (wf.Identity(), (1, E64)),
        (wf.Identity(), (E64, 1)),
        (wf.Dirac(), (1, 1, E64)),
        (wf.Dirac(), (1, E64, 1)),
        (wf.Dirac(), (E64, 1, 1)),
        (wf.Dirac(), (1, 1, 2**32, 2**32)),
    ],
)
def test_masks_of_tensors_too_large_to_count_are_refused(init, shape):
    out = np.ones([1] * len(shape), np.float32)
    message = re.escape(f"shape must have less than 2**64 elements for {init}, got {shape}")
    for call in (wf.fill, wf.verify):
        with pytest.raises(ValueError, match=message):
            call(out, init, seed=1, shape=shape, start=(0,) * len(shape))
    assert (out == 1).all()


@pytest.mark.parametrize("init", [wf.Padded(wf.Normal(), 0), wf.Sparse(axis=0), wf.Identity(), wf.Dirac()])
def test_empty_tensors_are_filled_whatever_their_other_dimensions(init):
    shape = (0, 2**70, 2**70, 2**70)[: 4 if isinstance(init, wf.Dirac) else 2]
    assert wf.fill(np.empty([0] * len(shape), np.float32), init, seed=1, shape=shape).size == 0


def test_masks_of_2_to_the_64_elements_work_where_all_their_numbers_are_smaller():
    out = np.ones((1, 1), np.float32)
    shape = (2**32, 2**32)
    assert wf.fill(out, wf.Identity(), shape=shape, start=(2**32 - 1, 2**32 - 1)) == 1
    assert wf.fill(out, wf.Padded(wf.Ones(), 5), seed=1, shape=shape, start=(5, 2**32 - 1)) == 0
