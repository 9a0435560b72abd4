import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import weightfill as wf
from tests.bits import assert_same_bits

SEED, STREAM = 11, "users"


def rows(ids, init, shape, dtype=np.float32, **options):
    out = np.empty((len(ids), *shape[1:]), dtype)
    return wf.fill_rows(out, init, ids, seed=SEED, stream=STREAM, shape=shape, **options)


def test_rows_equal_those_of_the_table(init, dtype):
    table = wf.create((50, 13), init, seed=SEED, stream=STREAM, dtype=dtype)
    for ids_dtype in (np.int64, np.uint64):
        ids = np.array([49, 0, 7, 7, 8, 9, 10, 3, 3, 3, 48], ids_dtype)
        assert_same_bits(rows(ids, init, (50, 13), dtype), table[ids], ids_dtype)
        assert_same_bits(rows(ids, init, (None, 13), dtype, threads=3), table[ids], ids_dtype)


@given(st.lists(st.integers(0, 19), max_size=40), st.sampled_from([(), (1,), (3,), (2, 5), (64,), (0,)]))
def test_ids_repeat_in_any_order_for_rows_of_any_shape(ids, row):
    table = wf.create((20, *row), wf.Uniform(), seed=SEED, stream=STREAM)
    assert_same_bits(rows(ids, wf.Uniform(), (20, *row)), table[ids])


def test_ids_beyond_63_bits_are_rows_of_an_open_table(dtype):
    ids = np.array([2**64 - 1, 2**63, 2**63 - 1, 0], np.uint64)
    out = rows(ids, wf.Normal(), (None, 1), dtype)
    for id_, row in zip(ids.tolist(), out, strict=True):
        expected = wf.fill(
            np.empty((1, 1), dtype), wf.Normal(), seed=SEED, stream=STREAM, shape=(2**64, 1), start=(id_, 0)
        )
        assert_same_bits(row, expected[0])


def test_last_row_of_an_open_table_ends_at_the_last_index(dtype):
    last = 2**64 // 48 - 1
    out = rows(np.array([last], np.uint64), wf.Normal(), (None, 48), dtype)
    line = wf.fill(np.empty(48, dtype), wf.Normal(), seed=SEED, stream=STREAM, shape=2**64, start=last * 48)
    assert_same_bits(out[0], line)


def test_ids_may_be_strided_misaligned_read_only_or_a_list():
    table = wf.create((30, 4), wf.Normal(), seed=SEED, stream=STREAM)
    plain = np.array([5, 29, 0, 11], np.int64)
    strided = np.zeros(8, np.int64)[::-2]
    strided[:] = plain
    misaligned = np.zeros(33, np.uint8)[1:].view(np.int64)
    misaligned[:] = plain
    frozen = plain.copy()
    frozen.flags.writeable = False
    for ids in (plain, strided, misaligned, frozen, plain.tolist(), tuple(plain.tolist())):
        assert_same_bits(rows(ids, wf.Normal(), (30, 4)), table[plain])


def test_layout_of_the_target_does_not_change_the_rows(dtype):
    table = wf.create((30, 6), wf.Normal(), seed=SEED, stream=STREAM, dtype=dtype)
    ids = np.arange(29, -1, -3)
    for out in (np.zeros((6, 10), dtype).T, np.zeros((20, 12), dtype)[::-2, ::2], np.zeros((10, 9), dtype)[:, 3:]):
        wf.fill_rows(out, wf.Normal(), ids, seed=SEED, stream=STREAM, shape=(30, 6))
        assert_same_bits(out, table[ids])


def test_many_rows_are_independent_of_thread_count(dtype):
    ids = np.random.default_rng(0).integers(0, 2**40, 5000)
    expected = rows(ids, wf.Normal(), (None, 64), dtype, threads=1)
    for threads in (1, 2, 3, 7):
        assert_same_bits(rows(ids, wf.Normal(), (None, 64), dtype, threads=threads), expected, threads)


def test_no_ids_fill_nothing():
    assert rows([], wf.Normal(), (None, 8)).shape == (0, 8)
    assert rows(np.empty(0, np.uint64), wf.Normal(), (5, 8)).shape == (0, 8)
    assert rows([], wf.Normal(), (0, 8)).shape == (0, 8)


def test_fill_rows_returns_its_target():
    out = np.empty((2, 3), np.float32)
    assert wf.fill_rows(out, wf.Zeros(), [0, 1], shape=(None, 3)) is out


def test_ids_of_a_list_may_lie_on_both_sides_of_2_to_the_63():
    ids = [2**63, 1, 2**64 - 1]
    out = wf.fill_rows(np.empty((3, 1), np.float32), wf.Uniform(), ids, seed=1, shape=(None, 1))
    same = wf.fill_rows(np.empty((3, 1), np.float32), wf.Uniform(), np.array(ids, np.uint64), seed=1, shape=(None, 1))
    assert (out == same).all()
