"""Elements far into tensors that no machine could hold: their values against the definition of the stream."""

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits
from tests.definition import standard_uniform
from weightfill._arguments.streams import stream_number

SEED, STREAM = 2**63 + 12345, "far"
WIDE = [np.dtype(np.float32), np.dtype(np.float64)]
STARTS = [
    2**32 - 700,
    2**32,
    2**33 - 501,
    2**34 - 500,
    2**40,
    2**40 + 3,
    2**62 - 1,
    2**63 - 700,
    2**63 + 1,
    2**64 - 2000,
]

pytestmark = pytest.mark.parametrize("dtype", WIDE, ids=str)


def expected(dtype, first, count):
    return standard_uniform(dtype, SEED, stream_number(STREAM), first, count)


def part(dtype, count, shape, start, **options):
    out = np.empty(count, dtype)
    return wf.fill(out, wf.Uniform(), seed=SEED, stream=STREAM, shape=shape, start=start, **options)


@pytest.mark.parametrize("first", STARTS)
def test_vector_has_the_values_of_its_indices(dtype, first):
    assert_same_bits(part(dtype, 1999, 2**64, first), expected(dtype, first, 1999))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_large_parts_go_through_a_boundary_of_2_to_the_32_blocks(dtype, threads):
    first = 2**34 - 700_001  # the middle lies where the block number's upper half goes up, for one of the dtypes
    if dtype == np.float64:
        first = 2**33 - 700_001
    out = part(dtype, 1_400_003, 2**50, first, threads=threads)
    assert_same_bits(out, expected(dtype, first, out.size))


@pytest.mark.parametrize("first", STARTS)
def test_misaligned_and_strided_parts_have_the_values_of_their_indices(dtype, first):
    values = expected(dtype, first, 999)
    memory = np.zeros(1 + 999 * dtype.itemsize, np.uint8)[1:].view(dtype)
    wf.fill(memory, wf.Uniform(), seed=SEED, stream=STREAM, shape=2**64, start=first)
    assert_same_bits(memory, values)
    spread = np.zeros(4 * 999, dtype)[::-4]
    wf.fill(spread, wf.Uniform(), seed=SEED, stream=STREAM, shape=2**64, start=first)
    assert_same_bits(spread, values)


@pytest.mark.parametrize(
    ("shape", "start"),
    [
        ((2**33, 2**20), (2**33 - 5, 2**20 - 7)),
        ((2**44, 1000), (2**43 + 1, 993)),
        ((3, 2**31 + 11, 2**30 - 1), (1, 2**31 + 6, 2**29)),
        ((2**20, 2**20, 2**20), (2**19, 2**20 - 5, 2**20 - 7)),
        ((2**16 - 1, 2**16 - 1, 2**16 - 1, 2**16 - 1), (2**16 - 6, 2**15, 2**15, 2**16 - 8)),
        ((2, 2**62, 2), (1, 2**62 - 5, 0)),
    ],
)
def test_window_of_a_huge_tensor_has_the_values_of_its_indices(dtype, shape, start):
    count = [min(limit - first, 5 - axis) for axis, (limit, first) in enumerate(zip(shape, start, strict=True))]
    out = part(dtype, count, shape, start, threads=2)
    for position in np.ndindex(*count):
        index = 0
        for first, offset, limit in zip(start, position, shape, strict=True):
            index = index * limit + first + offset
        assert out[position] == expected(dtype, index, 1)[0], position


def test_transposed_and_reversed_window_of_a_huge_tensor_equals_the_plain_one(dtype):
    shape, start = (2**35, 2**25), (2**34 + 3, 2**24 + 1)
    plain = part(dtype, (60, 70), shape, start)
    for out in (
        np.empty((70, 60), dtype).T,
        np.empty((60, 70), dtype)[::-1, ::-1],
        np.empty((120, 210), dtype)[::2, ::3],
    ):
        wf.fill(out, wf.Uniform(), seed=SEED, stream=STREAM, shape=shape, start=start)
        assert_same_bits(out, plain)


def test_rows_of_a_huge_table_have_the_values_of_their_indices(dtype):
    width = 96
    ids = np.array([2**57, 2**64 // width - 1, 0, 2**26, 2**34, 2**40 + 1, 2**57], np.uint64)
    out = wf.fill_rows(
        np.empty((ids.size, width), dtype), wf.Uniform(), ids, seed=SEED, stream=STREAM, shape=(None, width)
    )
    for row, id_ in zip(out, ids.tolist(), strict=True):
        assert_same_bits(row, expected(dtype, id_ * width, width))


def test_verify_looks_at_the_same_elements(dtype):
    first = 2**40 + 11
    table = expected(dtype, first, 5000).reshape(50, 100)
    options = {"seed": SEED, "stream": STREAM, "shape": (2**45, 100), "start": (2**42, 0)}
    table = expected(dtype, 2**42 * 100, 5000).reshape(50, 100)
    assert wf.verify(table, wf.Uniform(), **options)
    value, table[31, 41] = table[31, 41], 2
    result = wf.verify(table, wf.Uniform(), **options)
    assert (result.differing, result.index, result.expected, result.found) == (1, (31, 41), value, 2)


def test_bit_generator_goes_on_with_the_words_of_far_elements(dtype):
    first = 2**50 + 6
    generator = wf.PhiloxBitGenerator(SEED, STREAM).advance(first if dtype == np.float64 else first // 2)
    found = np.random.Generator(generator).random(1000, dtype=dtype)
    assert_same_bits(found, expected(dtype, first, 1000))
