"""Values: the given numbers, in every dtype, whole and in parts."""

import math
import pickle
import re

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits
from weightfill._initializers.base import as_initializer

GRID = np.linspace(-1.5, 2.5, 60).reshape(3, 4, 5)


def test_arrays_come_out_with_the_bits_that_they_have(dtype):
    array = np.array([[0.1, -2.5, 3e-5], [448.0, 1e-40, 0.0]]).astype(dtype)
    assert_same_bits(wf.create((2, 3), wf.Values(array), dtype=dtype), array)
    assert wf.verify(array, wf.Values(array))


def test_they_are_rounded_by_way_of_float32(dtype):
    expected = GRID if dtype == np.float64 else GRID.astype(np.float32).astype(dtype)
    assert_same_bits(wf.create(GRID.shape, wf.Values(GRID), dtype=dtype), expected)


def test_parts_are_those_of_the_full_tensor(dtype):
    tensor = wf.Tensor(GRID.shape, wf.Values(GRID), dtype=dtype)
    whole = np.asarray(tensor)
    assert not tensor.only_whole
    assert_same_bits(tensor.fill(np.empty((2, 1, 4), dtype), start=(1, 3, 1)), whole[1:, 3:, 1:])
    assert_same_bits(tensor.fill_rows(np.empty((4, 4, 5), dtype), [2, 0, 0, 1]), whole[[2, 0, 0, 1]])
    assert_same_bits(tensor[:, ::-2, 3], whole[:, ::-2, 3])
    assert tensor.verify(whole[1:], start=(1, 0, 0))


def test_equal_numbers_are_equal_values_and_negative_zeros_are_zeros():
    assert wf.Values([1, 2]) == wf.Values((1.0, 2.0)) == wf.Values(np.array([1, 2], np.float16))
    assert hash(wf.Values([1, 2])) == hash(wf.Values(np.arange(1, 3)))
    assert not np.signbit(wf.create(2, wf.Values([-0.0, 0]))).any()
    assert wf.create((), wf.Values(0.5)) == 0.5
    assert wf.create((0,), wf.Values([])).shape == (0,)
    assert pickle.loads(pickle.dumps(wf.Values(GRID))) == wf.Values(GRID)


def test_few_numbers_are_shown_and_many_are_summed_up():
    assert as_initializer(repr(wf.Values([[0.1], [2]]))) == wf.Values([[0.1], [2]])
    assert repr(wf.Values(range(8))) == "Values(values=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0))"
    assert repr(wf.Values(range(9))) == "Values of shape (9,) from 0.0 to 8.0"
    assert repr(wf.Values(np.arange(100.0).reshape(4, 25))) == "Values of shape (4, 25) from 0.0 to 99.0"


def test_they_stand_in_plans_and_within_others():
    plan = wf.Plan({"*": wf.Values(GRID)})
    assert wf.Plan.from_toml(plan.to_toml()) == plan
    joined = wf.create(5, wf.Blocks((wf.Values([1, 2, 3]), wf.Zeros()), (3, 2)), seed=1)
    assert joined.tolist() == [1, 2, 3, 0, 0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.Values("normal"), TypeError, "values must be an array of numbers, got 'normal'"),
        (lambda: wf.Values([True]), TypeError, "values must be an array of numbers, got [True]"),
        (lambda: wf.Values([1j]), TypeError, "values must be an array of numbers, got [1j]"),
        (lambda: wf.Values([[1], [2, 3]]), ValueError, "values must be an array of numbers, got [[1], [2, 3]]"),
        (lambda: wf.Values([1, math.inf]), ValueError, "values must be finite, got inf"),
        (lambda: wf.create((3,), wf.Values([1, 2])), ValueError, "shape must be that of values, (2,), got (3,)"),
        (
            lambda: wf.create((2,), wf.Values([1, 1e5]), dtype="float16"),
            ValueError,
            "init must stay within +-65504, the finite values of float16, got Values(values=(1.0, 100000.0))",
        ),
    ],
)
def test_what_are_no_values_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_axes_of_length_1_are_repeated(dtype):
    row = wf.Values(GRID[:1, :, :1])
    expected = np.broadcast_to(wf.create((1, 4, 1), row, dtype=dtype), GRID.shape)
    tensor = wf.Tensor(GRID.shape, row, dtype=dtype)
    assert_same_bits(np.asarray(tensor), expected)
    assert_same_bits(tensor.fill(np.empty((2, 1, 4), dtype), start=(1, 3, 1)), expected[1:, 3:, 1:])
    assert_same_bits(tensor.fill_rows(np.empty((4, 4, 5), dtype), [2, 0, 0, 1]), expected[[2, 0, 0, 1]])
    with pytest.raises(ValueError, match=re.escape("shape must be that of values, (1, 4, 1), got (3, 5, 5)")):
        wf.create((3, 5, 5), row)
