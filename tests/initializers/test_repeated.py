"""Repeat: np.repeat of a shorter tensor, whole and in parts."""

import re

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits, codes
from tests.repository import DATA

GOLDEN = [line for line in (DATA / "repeated_v1.txt").read_text().splitlines() if not line.startswith("#")]
HOW = {"seed": 42, "stream": "conv.weight"}
CASES = [
    (wf.Repeat(wf.KaimingNormal(), 4), (40, 30)),
    (wf.Repeat(wf.Sparse(2, axis=0), 3, axis=1), (40, 30)),
    (wf.Repeat(wf.Padded(wf.Normal(), (0, 3)), 5), (40, 30)),
    (wf.Repeat(wf.Repeat(wf.LogRange(), 2, axis=-1), 2), (4, 3, 30)),
    (wf.Blocks((wf.Repeat(wf.Uniform(), 2), wf.Zeros()), (10, 30)), (40, 30)),
]


def test_golden_values_of_repeated_initializers_never_change():
    for line in GOLDEN:
        init, _, rest = line.partition(" | ")
        place, _, values = rest.partition(" -> ")
        dtype, seed, shape, name = place.split()
        assert (
            codes(wf.create(tuple(map(int, shape.split("x"))), init, seed=int(seed), stream=name, dtype=dtype))
            == values.split()
        ), line
    assert len(GOLDEN) == 2 * 6


@pytest.mark.parametrize(("init", "shape"), CASES[:-1], ids=str)
def test_values_are_those_of_the_shorter_tensor(init, shape, dtype):
    axis = init.axis % len(shape)
    shorter = tuple(count // init.factor if k == axis else count for k, count in enumerate(shape))
    expected = np.repeat(wf.create(shorter, init.of, dtype=dtype, **HOW), init.factor, axis)
    assert_same_bits(wf.create(shape, init, dtype=dtype, **HOW), expected)
    assert wf.verify(expected, init, **HOW)


@pytest.mark.parametrize(("init", "shape"), CASES, ids=str)
def test_parts_are_those_of_the_full_tensor(init, shape, dtype):
    tensor = wf.Tensor(shape, init, dtype=dtype, **HOW)
    whole = np.asarray(tensor)
    assert not tensor.only_whole
    start = (1,) * (len(shape) - 1) + (7,)
    part = tuple(min(n - begin, 11) for n, begin in zip(shape, start, strict=True))
    cut = whole[tuple(slice(begin, begin + count) for begin, count in zip(start, part, strict=True))]
    assert_same_bits(tensor.fill(np.empty(part, dtype), start=start), cut)
    rows = np.array([3, 0, 1, 3, 2]) * (shape[0] - 1) // 3
    assert_same_bits(tensor.fill_rows(np.empty((5, *shape[1:]), dtype), rows), whole[rows])
    for index in [(-1,), (slice(None, None, -2), ..., 3), (1, ..., slice(12, 3, -4)), ([2, 0],)]:
        assert_same_bits(np.asarray(tensor[index]), np.asarray(whole[index]), index)


def test_pixels_that_are_made_of_one_begin_equal():
    weight = wf.create((3 * 4, 5, 3, 3), wf.Repeat(wf.KaimingNormal(), 4), **HOW)
    shuffled = weight.sum(axis=(1, 2, 3)).reshape(3, 2, 2)  # as PixelShuffle(2) places the outputs
    assert (shuffled == shuffled[:, :1, :1]).all()
    assert len(np.unique(shuffled)) == 3


def test_what_is_made_in_one_piece_is_repeated_too():
    made = wf.create((8, 4), wf.Repeat(wf.Orthogonal(), 2), **HOW)
    np.testing.assert_allclose(made[::2] @ made[1::2].T, np.eye(4), atol=1e-6)
    assert wf.Tensor((8, 4), wf.Repeat(wf.Orthogonal(), 2), **HOW).only_whole


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.Repeat(3, 2), TypeError, "of must be an initializer such as Normal(std=0.02), got 3"),
        (lambda: wf.Repeat("normal", 0), ValueError, "factor must be at least 1, got 0"),
        (lambda: wf.Repeat("normal", 2.0), TypeError, "factor must be an integer, got 2.0"),
        (
            lambda: wf.Tensor((), wf.Repeat("zeros", 2), seed=1),
            ValueError,
            "shape must have at least 1 dimension for Re",
        ),
        (
            lambda: wf.Tensor((5, 2), wf.Repeat("zeros", 2), seed=1),
            ValueError,
            "factor must divide the 5 elements of axis 0 of (5, 2), got 2",
        ),
        (
            lambda: wf.Tensor((5,), wf.Repeat("zeros", 1, axis=1), seed=1),
            ValueError,
            "axis must be within the 1 axes of shape (5,), got 1",
        ),
        (
            lambda: wf.Tensor((4,), wf.Repeat("xavier_normal", 2), seed=1),
            ValueError,
            "shape must have at least 2 dimens",
        ),
    ],
)
def test_what_cannot_be_repeated_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()
