"""init_fn: what libraries of embeddings call for each table, or for a part of one."""

import copy
import pickle
import re

import numpy as np
import pytest

from tests.bits import assert_same_bits

torch = pytest.importorskip("torch", reason="torch is not installed")

from torch import nn  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch  # noqa: E402
from weightfill.torch._embeddings import init_fn  # noqa: E402
from weightfill.torch._views import array_of  # noqa: E402


def test_init_fn_fills_what_it_is_given_and_returns_it():
    table = torch.empty(6, 4)
    assert init_fn(wf.Uniform(-0.1, 0.1), 42, "item_table")(table) is table
    assert_same_bits(table.numpy(), wf.create((6, 4), wf.Uniform(-0.1, 0.1), seed=42, stream="item_table"))
    weight = nn.Embedding(6, 4).weight
    assert init_fn(wf.Uniform(-0.1, 0.1), 42, "item_table", shape=(6, 4))(weight) is weight
    assert torch.equal(weight, table)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2], ids=str)
def test_init_fn_with_a_place_gives_the_rows_of_the_whole(dtype):
    init = wf.XavierUniform()
    whole = init_fn(init, 42, "t")(torch.empty(7, 4, dtype=dtype))
    part = init_fn(init, 42, "t", shape=(7, 4), start=(5, 1))(torch.empty(2, 3, dtype=dtype))
    assert_same_bits(array_of(part), np.ascontiguousarray(array_of(whole)[5:, 1:]))


def test_init_fn_refuses_a_part_whose_place_it_does_not_know():
    with pytest.raises(
        ValueError,
        match=r"^tensor must be the whole table, of shape \(7, 4\), got \(3, 4\); give init_fn the start of this part, "
        r"too, or leave init_fn out and call weightfill.torch.initialize\(model, plan\) after sharding$",
    ):
        init_fn(wf.Normal(), 42, "t", shape=(7, 4))(torch.empty(3, 4))


def test_init_fn_leaves_meta_alone():
    table = torch.empty(7, 4, device="meta")
    assert init_fn(wf.Normal(), 42)(table) is table


def test_init_fn_is_a_value():
    function = init_fn(wf.Normal(), 42, "t", shape=(7, 4), start=[1, 0])
    again = pickle.loads(pickle.dumps(function))
    assert again == function == copy.deepcopy(function)
    assert hash(again) == hash(function)
    assert function != init_fn(wf.Normal(), 42, "t", shape=(7, 4), start=(2, 0))
    assert torch.equal(again(torch.empty(2, 4)), function(torch.empty(2, 4)))
    with pytest.raises(AttributeError):
        function.seed = 3


class Tables(nn.Module):
    def __init__(self, draw):
        super().__init__()
        self.of_module = draw(nn.Embedding(6, 4).weight)
        self.drawn_first = nn.Parameter(draw(torch.empty(6, 4)))


@pytest.mark.parametrize(
    "draw",
    [
        init_fn(wf.XavierUniform(), 42, "t"),
        init_fn(wf.XavierUniform(), 42, "t", shape=(6, 4)),
        lambda tensor: weightfill.torch.fill(tensor, wf.XavierUniform(), seed=42),
        lambda tensor: wf.fill(tensor, wf.XavierUniform(), seed=42),
    ],
)
def test_what_weightfill_draws_is_recorded(draw):
    with weightfill.torch.recording() as recorded:
        model = Tables(draw)
    assert recorded.plan(model, seed=1) == wf.Plan({"*": wf.XavierUniform()}, seed=1)


def test_parts_of_tables_are_not_recorded():
    part = init_fn(wf.Normal(), 42, shape=(6, 4), start=(2, 0))
    with (
        weightfill.torch.recording(),
        pytest.raises(ValueError, match=r"^start must be None within recording.*\(2, 0\)"),
    ):
        part(nn.Embedding(3, 4).weight)
    with weightfill.torch.recording(), pytest.raises(ValueError, match=r"^tensor must be the whole table"):
        init_fn(wf.Normal(), 42, shape=(6, 4))(nn.Embedding(3, 4).weight)
    with weightfill.torch.recording(), pytest.raises(TypeError, match=r"^seed must be given"):
        weightfill.torch.fill(nn.Embedding(3, 4).weight, wf.Normal())


def test_init_fn_needs_no_seed_for_a_constant():
    assert torch.equal(init_fn(wf.Ones())(torch.empty(2)), torch.ones(2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"init": 3}, TypeError, "init must be an initializer"),
        ({"init": wf.Normal()}, TypeError, "seed must be given for Normal"),
        ({"init": wf.Normal(), "seed": -1}, ValueError, "seed must be in [0, 2**64), got -1"),
        ({"init": wf.Normal(), "seed": 1, "stream": 3}, TypeError, "stream must be a string, got 3"),
        ({"init": wf.Normal(), "seed": 1, "shape": (-1, 2)}, ValueError, "shape must have no negative dimension"),
        ({"init": wf.Normal(), "seed": 1, "start": (1, 2)}, TypeError, "shape must be given with start"),
        (
            {"init": wf.Normal(), "seed": 1, "shape": (3, 2), "start": (4, 0)},
            ValueError,
            "shape must contain the window",
        ),
    ],
)
def test_init_fn_checks_its_arguments_at_once(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        init_fn(**arguments)


def test_init_fn_takes_only_tensors():
    with pytest.raises(TypeError, match="tensor must be a torch tensor, got ndarray"):
        init_fn(wf.Normal(), 42)(np.empty(3, np.float32))
