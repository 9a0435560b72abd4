import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import weightfill as wf
from tests.bits import assert_same_bits

SEED, STREAM = 7, "item_table"


@st.composite
def windows(draw):
    """A tensor's shape of 1 to 4 dimensions and a slice of it along each."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple))
    slices = []
    for count in shape:
        start = draw(st.integers(0, count))
        slices.append(slice(start, draw(st.integers(start, count))))
    return shape, tuple(slices)


@given(windows())
def test_window_equals_the_slice_of_the_whole(dtype, init, case):
    shape, slices = case
    whole = wf.create(shape, init, seed=SEED, stream=STREAM, dtype=dtype)
    start = tuple(s.start for s in slices)
    part = np.empty([s.stop - s.start for s in slices], dtype)
    wf.fill(part, init, seed=SEED, stream=STREAM, shape=shape, start=start)
    assert_same_bits(part, whole[slices])


@given(windows())
def test_window_of_a_transposed_and_reversed_target_equals_the_slice(case):
    shape, slices = case
    init = wf.Uniform()
    whole = wf.create(shape, init, seed=SEED)
    part = np.empty([2 * (s.stop - s.start) for s in reversed(slices)], np.float32).T
    part = part[tuple(slice(None, None, -2) for _ in slices)]
    wf.fill(part, init, seed=SEED, shape=shape, start=tuple(s.start for s in slices), threads=3)
    assert_same_bits(part, whole[slices])


def test_large_window_is_independent_of_thread_count(dtype):
    init = wf.Normal()
    whole = wf.create((900, 700), init, seed=SEED, dtype=dtype, threads=1)
    for threads in (1, 2, 3, 7):
        part = np.empty((801, 599), dtype)
        wf.fill(part, init, seed=SEED, shape=(900, 700), start=(13, 57), threads=threads)
        assert_same_bits(part, whole[13:814, 57:656], threads)


def test_start_is_the_origin_unless_given():
    init = wf.Normal()
    whole = wf.create((6, 8), init, seed=SEED)
    assert_same_bits(wf.fill(np.empty((3, 5), np.float32), init, seed=SEED, shape=(6, 8)), whole[:3, :5])


def test_vectors_take_integers_for_shape_and_start():
    init = wf.Normal()
    whole = wf.create(100, init, seed=SEED)
    assert_same_bits(wf.fill(np.empty(30, np.float32), init, seed=SEED, shape=100, start=50), whole[50:80])
    assert_same_bits(
        wf.fill(np.empty(30, np.float32), init, seed=SEED, shape=[100], start=np.array([50])), whole[50:80]
    )


def test_shape_of_a_scalar_is_empty():
    init = wf.Normal()
    expected = wf.create(1, init, seed=SEED)[0]
    assert wf.fill(np.empty((), np.float32), init, seed=SEED, shape=(), start=()) == expected


def test_index_beyond_32_bits_is_the_c_order_index(init, dtype):
    for n in (2**32, 2**33, 2**40, 2**62):
        line = wf.fill(np.empty(1000, dtype), init, seed=SEED, shape=2 * n, start=n + 4)
        table = wf.fill(np.empty((10, 100), dtype), init, seed=SEED, shape=(n // 50, 100), start=((n + 4) // 100, 0))
        first = (n + 4) // 100 * 100
        assert_same_bits(table.ravel()[n + 4 - first :], line[: 1000 - (n + 4 - first)], n)


def test_words_beyond_32_bits_do_not_repeat():
    init = wf.Uniform()
    starts = [0, 2**32, 2**33, 2**40, 2**63, 2**64 - 64]
    parts = {wf.fill(np.empty(64), init, seed=SEED, shape=2**64, start=start).tobytes() for start in starts}
    assert len(parts) == len(starts)


def test_last_element_of_the_largest_tensor_can_be_filled(dtype):
    init = wf.Normal()
    end = wf.fill(np.empty(10, dtype), init, seed=SEED, shape=2**64, start=2**64 - 10)
    corner = wf.fill(np.empty((1, 2), dtype), init, seed=SEED, shape=(2**32, 2**32), start=(2**32 - 1, 2**32 - 2))
    assert_same_bits(corner[0], end[-2:])
