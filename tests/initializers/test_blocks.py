"""Blocks: each a tensor of its own, whole and in parts."""

import math
import re

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits, codes
from tests.initializers.block_cases import CASES, made_one_by_one
from tests.repository import DATA

GOLDEN = [line for line in (DATA / "blocks_v1.txt").read_text().splitlines() if not line.startswith("#")]
HOW = {"seed": 42, "stream": "layers.0.qkv"}
LARGE = [
    (wf.Blocks(wf.XavierUniform(), 4), (40, 30)),
    (wf.Blocks(wf.KaimingNormal(), (7, 1, 22), axis=1), (40, 30)),
    (wf.Blocks((wf.Sparse(3, axis=0), wf.Padded(wf.Normal(), 2), wf.LogRange()), (10, 10, 20)), (40, 30)),
    (wf.Blocks((wf.Sparse(3), wf.Identity(), wf.Zeros()), 3, axis=1), (40, 30)),
    (wf.Blocks(wf.Blocks((wf.Normal(), wf.Uniform()), (10, 5), axis=-1), 2, axis=0), (4, 20, 15)),
    (wf.Scaled(wf.Blocks((wf.Normal(), wf.Uniform()), 2), 0.5), (40, 30)),
]


def test_golden_values_of_blocks_never_change():
    for line in GOLDEN:
        init, _, rest = line.partition(" | ")
        place, _, values = rest.partition(" -> ")
        dtype, seed, shape, *name = place.split()
        shape = tuple(map(int, shape.split("x")))
        assert codes(wf.create(shape, init, seed=int(seed), stream="".join(name), dtype=dtype)) == values.split(), line
    assert len(GOLDEN) == 5 * 6 * 2


@pytest.mark.parametrize(("init", "shape"), [*CASES, *LARGE[:-1]], ids=str)
def test_every_block_is_the_tensor_of_its_own_stream_and_shape(init, shape, dtype):
    expected = made_one_by_one(init, shape, 42, "layers.0.qkv", dtype)
    assert_same_bits(wf.create(shape, init, dtype=dtype, **HOW), expected)
    assert wf.verify(expected, init, **HOW)


@pytest.mark.parametrize(("init", "shape"), LARGE, ids=str)
def test_parts_are_those_of_the_full_tensor(init, shape, dtype):
    tensor = wf.Tensor(shape, init, dtype=dtype, **HOW)
    whole = np.asarray(tensor)
    assert not tensor.only_whole
    rest = len(shape) - 2
    for start, part in [((3, 5), (30, 20)), ((9, 6), (2, 2)), ((0, 0), (40, 1)), ((39, 29), (1, 1))]:
        start, part = (*(0,) * rest, *np.minimum(start, shape[-2:])), (*shape[:rest], *part)
        part = tuple(min(n, count - begin) for n, begin, count in zip(part, start, shape, strict=True))
        window = np.empty(part, dtype)
        tensor.fill(window, start=start)
        cut = whole[tuple(slice(begin, begin + count) for begin, count in zip(start, part, strict=True))]
        assert_same_bits(window, cut)
        assert tensor.verify(window, start=start)
    rows = np.array([3, 0, 1, 3, 2, 1]) * (shape[0] - 1) // 3
    assert_same_bits(tensor.fill_rows(np.empty((6, *shape[1:]), dtype), rows), whole[rows])
    for index in [(-1,), (slice(None, None, -2), ..., 3), (1, ..., slice(12, 3, -4)), ([2, 0],), (slice(3, 3),)]:
        assert_same_bits(np.asarray(tensor[index]), np.asarray(whole[index]), index)


def test_strided_memory_and_any_number_of_threads_get_the_same_values():
    init, shape = LARGE[2]
    expected = wf.create(shape, init, **HOW)
    for threads in (1, 2, 5):
        strided = np.zeros((40, 61), np.float32)[:, 60:0:-2]
        assert_same_bits(wf.fill(strided, init, threads=threads, **HOW), expected)


def test_each_block_has_its_own_fans():
    fused = wf.create((3 * 200, 400), wf.Blocks(wf.XavierUniform(), 3), **HOW)
    assert abs(fused).max() == pytest.approx(math.sqrt(6 / (200 + 400)), rel=1e-3)
    assert len(np.unique(fused[:, 0])) == 600


def test_orthogonal_gates_are_orthogonal_each_and_different():
    gates = wf.create((32, 8), wf.Blocks(wf.Orthogonal(), 4), **HOW).reshape(4, 8, 8)
    for gate in gates:
        np.testing.assert_allclose(gate @ gate.T, np.eye(8), atol=1e-6)
    assert abs(gates[0] - gates[1]).max() > 0.1
    tensor = wf.Tensor((32, 8), wf.Blocks(wf.Orthogonal(), 4), **HOW)
    assert tensor.only_whole
    assert_same_bits(tensor[9:11, 2:], gates.reshape(32, 8)[9:11, 2:])


def test_a_forget_gate_begins_at_one():
    bias = wf.create(16, wf.Blocks((wf.Zeros(), wf.Ones(), wf.Zeros(), wf.Zeros()), 4), **HOW)
    assert bias.tolist() == [0] * 4 + [1] * 4 + [0] * 8


def test_verify_finds_the_first_difference_and_counts_all_in_a_tensor_of_many_pieces(monkeypatch):
    monkeypatch.setattr("weightfill._whole._COMPARED", 64)
    init, shape = LARGE[0]
    array = wf.create(shape, init, **HOW)
    array[[17, 31, 31], [4, 2, 29]] += 1
    found = wf.verify(array, init, **HOW)
    assert (found.differing, found.total, found.index, found.found) == (3, 1200, (17, 4), array[17, 4])
    assert found.expected == wf.create(shape, init, **HOW)[17, 4]
    assert wf.verify(array[:17], init, shape=shape, start=(0, 0), **HOW)


def test_blocks_stand_in_plans_and_files(tmp_path):
    plan = wf.Plan(
        {"*qkv.weight": wf.Blocks("xavier_uniform", (8, 4, 4)), "*": wf.Blocks((wf.Zeros(), "ones"), 2)}, seed=1
    )
    shapes = {"a.qkv.weight": (16, 500), "a.qkv.bias": (16,)}
    params = {name: np.empty(shape, np.float32) for name, shape in shapes.items()}
    plan.fill(params)
    for name, tensor in plan.tensors(shapes).items():
        assert_same_bits(params[name], tensor[...])
    (file,) = plan.write(tmp_path / "blocks.safetensors", shapes)
    assert wf.verify_checkpoint(file, plan)
    assert "Blocks(of=XavierUniform(gain=1.0), sizes=(8, 4, 4), axis=0)" in str(plan.explain(shapes))
    assert wf.Plan.from_toml(plan.to_toml()) == plan


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.Blocks(3, 2), TypeError, "of must be an initializer such as Normal(std=0.02), got 3"),
        (lambda: wf.Blocks("normal", 2.0), TypeError, "sizes must be an integer or a tuple of integers, got 2.0"),
        (
            lambda: wf.Blocks("normal", (2, "3")),
            TypeError,
            "sizes must be an integer or a tuple of integers, got (2, '3",
        ),
        (lambda: wf.Blocks("normal", 0), ValueError, "sizes must be at least 1, got 0"),
        (lambda: wf.Blocks("normal", (2, 0)), ValueError, "sizes must be at least 1, got (2, 0)"),
        (lambda: wf.Blocks("normal", ()), ValueError, "sizes must be at least 1, got ()"),
        (lambda: wf.Blocks("normal", 2, 0.5), TypeError, "axis must be an integer, got 0.5"),
        (
            lambda: wf.Blocks(("normal", "zeros"), 3),
            ValueError,
            "of must have one initializer for each of 3 blocks, got 2",
        ),
        (lambda: wf.DepthScaled(wf.Blocks("normal", 2), 3), TypeError, "of must draw every element for itself, got Bl"),
        (lambda: wf.Padded(wf.Blocks("orthogonal", 2), 0), TypeError, "of must draw every element for itself, got Bl"),
    ],
)
def test_wrong_parameters_are_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("shape", "init", "message"),
    [
        ((), wf.Blocks("normal", 2), "shape must have at least 1 dimension for Blocks("),
        ((4,), wf.Blocks("normal", 2, axis=1), "axis must be within the 1 axes of shape (4,), got 1"),
        ((5, 2), wf.Blocks("normal", 2), "sizes must divide the 5 elements of axis 0 of (5, 2), got 2"),
        ((5, 2), wf.Blocks("normal", (2, 2)), "sizes must add up to the 5 elements of axis 0 of (5, 2), got (2, 2)"),
        (
            (4,),
            wf.Blocks(("zeros", "xavier_normal"), 2),
            "block [1], XavierNormal(gain=1.0, truncated=False): shape must",
        ),
        ((4,), wf.Blocks(("zeros", wf.Constant(1e30)), 2), "block [1], Constant(value=1e+30): init must stay within"),
    ],
)
def test_tensors_that_cannot_be_cut_are_refused(shape, init, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        wf.Tensor(shape, init, seed=1, stream="w", dtype="float16")
