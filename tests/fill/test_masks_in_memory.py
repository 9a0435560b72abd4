"""Memory in which the core cannot tell the places of a mask: refused, whoever calls the core."""

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits
from weightfill import _core

SHAPE = (20, 100)
INITS = (wf.Sparse(connections=2), wf.Sparse(connections=50), wf.Identity(), wf.Padded(wf.Normal(), 3))


@pytest.mark.parametrize("init", INITS, ids=str)
@pytest.mark.parametrize(
    ("part", "first", "strides"),
    [
        ((10, 20), 0, (200, 3)),
        ((10, 20), 0, (300, 100)),
        ((10, 20), 90, (100, 1)),
        ((10, 20), 1190, (100, 1)),
        ((10, 20), 0, (7, 1)),
        ((10, 20), 19, (100, 2**64 - 1)),
        ((10, 20), 0, None),
        ((), 0, ()),
    ],
)
def test_other_parts_than_windows_are_refused(init, part, first, strides):
    law = wf.Tensor(SHAPE, init, seed=1)._core_law
    out = np.full(part, 7, np.float32)
    for call in (_core.fill, _core.verify):
        with pytest.raises(ValueError, match=r"^(index_strides|memory) must .*, got "):
            call(out, part, 0, law, 1, 0, first, strides, None, 1, None)
    assert (out == 7).all()


@pytest.mark.parametrize("init", [wf.Sparse(connections=k, axis=0) for k in (1, 10)], ids=str)
def test_rows_beyond_a_tensor_are_refused(init):
    law = wf.Tensor(SHAPE, init, seed=1)._core_law
    out = np.full((3, 100), 7, np.float32)
    rows = np.array([0, 20, 1], np.uint64)
    for call in (_core.fill, _core.verify):
        with pytest.raises(ValueError, match="^memory must stay within the 20 positions of a slice, got position 20$"):
            call(out, out.shape, 0, law, 1, 0, 0, None, rows, 1, None)
    assert (out == 7).all()


@pytest.mark.parametrize("init", INITS, ids=str)
def test_windows_and_rows_are_filled(init):
    tensor = wf.Tensor(SHAPE, init, seed=1)
    whole = np.asarray(tensor)
    out = np.empty((10, 20), np.float32)
    _core.fill(out, out.shape, 0, tensor._core_law, 1, 0, 1080, (100, 1), None, 1, None)
    assert_same_bits(out, np.ascontiguousarray(whole[10:, 80:]))
    out = np.empty((3, 100), np.float32)
    _core.fill(out, out.shape, 0, tensor._core_law, 1, 0, 0, None, np.array([7, 19, 7], np.uint64), 1, None)
    assert_same_bits(out, whole[[7, 19, 7]])


def test_fillers_of_other_shapes_than_the_tensors_are_refused():
    law = wf.Tensor(SHAPE, wf.Sparse(connections=2), seed=1)._core_law
    out = np.full((10, 20), 7, np.float32)
    with pytest.raises(ValueError, match="^index_strides must go from slice to slice along axis 0, got 20$"):
        _core.filler(law, 0, out.shape)(out.ctypes.data, 1, 1)
    assert (out == 7).all()


def test_connections_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="^mask must keep at most the 64 elements of a slice, got 65$"):
        _core.draw_slices(count=64, stride=1, kept=65, number=7, seed=1, slices=8, threads=1)
    with pytest.raises(MemoryError, match="no memory for what a thread notes"):
        _core.draw_slices(count=64, stride=1, kept=32, number=7, seed=1, slices=2**63, threads=1)
