import pickle

import numpy as np
import pytest

import weightfill as wf
from tests.bits import bits

SEED, STREAM = 3, "wte"


def test_what_fill_wrote_is_equal(init, dtype):
    table = wf.create((31, 17), init, seed=SEED, stream=STREAM, dtype=dtype)
    result = wf.verify(table, init, seed=SEED, stream=STREAM)
    assert result
    assert result.equal
    assert result == wf.Verification(0, table.size)
    assert str(result) == "all 527 elements are as expected"


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_first_difference_in_c_order_is_reported(threads, dtype):
    init = wf.Normal()
    table = wf.create((500, 700), init, seed=SEED, stream=STREAM, dtype=dtype)
    expected = table[123, 456]
    table[[499, 123, 124, 400], [699, 456, 0, 3]] = 64
    result = wf.verify(table, init, seed=SEED, stream=STREAM, threads=threads)
    assert not result
    assert (result.differing, result.total, result.index) == (4, table.size, (123, 456))
    assert result.expected == expected
    assert result.expected.dtype == dtype
    assert result.found == 64
    where = "the first at (123, 456)"
    assert str(result) == f"4 of 350000 elements differ, {where}: expected {expected}, found {result.found}"


def test_single_flipped_bit_is_found(init, dtype):
    table = wf.create(1000, init, seed=SEED, dtype=dtype)
    for position in (0, 1, 499, 998, 999):
        bits(table)[position] ^= 1
        result = wf.verify(table, init, seed=SEED)
        assert (result.differing, result.index) == (1, (position,))
        bits(table)[position] ^= 1
    assert wf.verify(table, init, seed=SEED)


def test_negative_zero_is_not_zero(dtype):
    table = np.zeros(4, dtype)
    table[2] = -0.0
    assert wf.verify(table, wf.Zeros()).index == (2,)


def test_nan_is_reported_as_found():
    table = np.zeros(4, np.float32)
    table[1] = np.nan
    assert np.isnan(wf.verify(table, wf.Zeros()).found)


def test_another_seed_or_stream_differs(dtype):
    table = wf.create(1000, wf.Normal(), seed=SEED, stream=STREAM, dtype=dtype)
    assert wf.verify(table, wf.Normal(), seed=SEED + 1, stream=STREAM).differing > 500
    assert wf.verify(table, wf.Normal(), seed=SEED, stream="wpe").differing > 500


def test_window_is_compared_with_its_part_of_the_whole(dtype):
    init = wf.Uniform(-1, 1)
    table = wf.create((20, 30), init, seed=SEED, dtype=dtype)
    part = table[5:15, 10:30]
    options = {"seed": SEED, "shape": (20, 30), "start": (5, 10)}
    assert wf.verify(part, init, **options)
    expected = table[8, 13]
    table[8, 13] = 7
    result = wf.verify(part, init, **options)
    assert (result.index, result.expected, result.found) == ((3, 3), expected, 7)
    assert not wf.verify(part, init, seed=SEED)


def test_layout_and_protection_of_the_target_do_not_matter(dtype):
    init = wf.Normal()
    table = wf.create((12, 10), init, seed=SEED, dtype=dtype)
    memory = np.zeros((20, 24), dtype)
    target = memory.T[::-2, ::2]
    target[:] = table
    target.flags.writeable = False
    assert wf.verify(target, init, seed=SEED)
    assert wf.verify(np.asfortranarray(table), init, seed=SEED)
    assert wf.verify(np.broadcast_to(np.ones(1, dtype), (4, 5)), wf.Ones())


def test_target_is_left_as_it_was():
    table = np.arange(100, dtype=np.float32)
    wf.verify(table, wf.Zeros())
    np.testing.assert_array_equal(table, np.arange(100))


def test_empty_and_scalar_targets_work(dtype):
    assert wf.verify(np.empty((0, 3), dtype), wf.Normal(), seed=1) == wf.Verification(0, 0)
    assert wf.verify(np.ones((), dtype), wf.Ones())
    assert wf.verify(np.ones((), dtype), wf.Zeros()).index == ()


def test_result_can_be_pickled():
    result = wf.verify(np.ones(3, np.float32), wf.Zeros())
    assert pickle.loads(pickle.dumps(result)) == result
