"""LSUV on ranks: one plan for all, that of all batches together."""

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.parallel import DistributedDataParallel

import weightfill as wf
import weightfill.torch
from tests.frameworks.ranks.modules import PLAN, Block, Language, fully_sharded
from tests.frameworks.ranks.registry import check


@check(2)
def lsuv_finds_the_factors_of_all_batches_together():
    batch = weightfill.torch.fill(torch.empty(48, 10), wf.Normal(), seed=1, stream="batch")
    rank = dist.get_rank()
    own = batch.split([31, 17])[rank]
    alone = [dist.new_group([one]) for one in range(2)][rank]
    plan = wf.Plan({"*.weight": wf.Orthogonal(), "*.bias": wf.Normal(std=0.1)}, seed=42)
    for dtype in (torch.float32, torch.bfloat16):
        model, same, other = (Block(10, 14).to(dtype) for _ in range(3))
        scaled = weightfill.torch.lsuv(DistributedDataParallel(model), own.to(dtype), plan)
        assert scaled == weightfill.torch.lsuv(same, batch.to(dtype), plan, group=alone)
        assert scaled != weightfill.torch.lsuv(other, own.to(dtype), plan, group=alone)
        for param, expected in zip(model.parameters(), same.parameters(), strict=True):
            assert torch.equal(param, expected)
        found = [None, None]
        dist.all_gather_object(found, scaled.to_toml())
        assert found[0] == found[1]


@check(2)
def units_are_normalized_over_all_batches_together():
    batch = weightfill.torch.fill(torch.empty(48, 10), wf.Normal(0.5, 2.0), seed=1, stream="batch")
    own = batch.split([31, 17])[dist.get_rank()]
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(10, 7))
    plan = wf.Plan({"*original0": wf.Ones(), "*original1": wf.Normal(), "bias": wf.Zeros()}, seed=42)
    with torch.no_grad():
        units = weightfill.torch.normalize_units(layer, own, plan)(batch)
    assert units.mean(0).abs().max() < 1e-5
    assert (units.std(0, correction=0) - 1).abs().max() < 1e-5


@check(2)
def lsuv_asks_for_a_model_that_is_not_sharded():
    module = fully_sharded(Language(), init_device_mesh("cpu", (2,)))
    with pytest.raises(
        ValueError, match="model must have its parameters whole, got 'scale', .*; scale a model that is"
    ):
        weightfill.torch.lsuv(module, torch.arange(6), PLAN)
