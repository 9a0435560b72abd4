"""Modules under fully_shard, tensor parallelism and wrappers: the parameters are those of one process."""

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard
from torch.nn.parallel import DistributedDataParallel

import weightfill as wf
import weightfill.torch
from tests.frameworks.ranks.registry import check
from tests.frameworks.ranks.wholes import whole_of
from weightfill.torch import _allocation as allocation
from weightfill.torch._fill import fill
from weightfill.torch._modules import initialize, materialize
from weightfill.torch._placements import parts

PLAN = wf.Plan({"*norm*weight": wf.Ones(), "*bias": wf.Zeros(), "*": wf.XavierUniform()}, seed=42)


class Language(torch.nn.Module):
    """Tied weights, sizes that no group divides, a frozen parameter with fewer rows than there are ranks."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(23, 10)
        self.blocks = torch.nn.ModuleList(Block(10, 14) for _ in range(2))
        self.norm = torch.nn.LayerNorm(10)
        self.head = torch.nn.Linear(10, 23, bias=False)
        self.head.weight = self.embedding.weight
        self.scale = torch.nn.Parameter(torch.ones(3, 2), requires_grad=False)

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)) * self.scale.sum()


class Block(torch.nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.up = torch.nn.Linear(width, hidden)
        self.down = torch.nn.Linear(hidden, width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))


def language_on_meta(dtype=torch.float32):
    with torch.device("meta"):
        return Language().to(dtype)


def assert_gathered(module, expected):
    """Compare the gathered parameters with those of a module of one process."""
    named = dict(expected.named_parameters())
    assert [name for name, _ in module.named_parameters()] == list(named)
    for name, param in module.named_parameters():
        whole = param.full_tensor() if isinstance(param, DTensor) else param
        assert torch.equal(whole, named[name]), name
        assert param.requires_grad == named[name].requires_grad, name
        assert isinstance(param, torch.nn.Parameter), name


def train(module, optimizer, ids):
    loss = module(ids).square().mean()
    loss.backward()
    optimizer.step()
    return loss


def fully_sharded(module, mesh, **options):
    for block in module.blocks:
        fully_shard(block, mesh=mesh, **options)
    return fully_shard(module, mesh=mesh, **options)


@check()
def fully_shard_from_meta_is_the_model_of_one_process():
    ids = torch.arange(20).reshape(4, 5)
    for dtype in (torch.float32, torch.bfloat16):
        alone = initialize(Language().to(dtype), PLAN)
        module = fully_sharded(language_on_meta(dtype), init_device_mesh("cpu", (dist.get_world_size(),)))
        objects = [id(param) for param in module.parameters()]
        optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
        with CommDebugMode() as communication:
            assert materialize(module, PLAN) is module
        assert communication.get_total_counts() == 0
        assert [id(param) for param in module.parameters()] == objects
        assert module.head.weight is module.embedding.weight
        assert_gathered(module, alone)
        assert torch.equal(module(ids), alone(ids))
        other = torch.optim.SGD([p for p in alone.parameters() if p.requires_grad], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            other.zero_grad()
            torch.testing.assert_close(train(module, optimizer, ids), train(alone, other, ids))


@check(2)
def large_parts_are_allocated_by_weightfill():
    before, allocation.LARGE = allocation.LARGE, 1
    try:
        module = materialize(fully_sharded(language_on_meta(), init_device_mesh("cpu", (2,))), PLAN)
    finally:
        allocation.LARGE = before
    alone = initialize(Language(), PLAN)
    assert_gathered(module, alone)
    assert torch.equal(module(torch.arange(6)), alone(torch.arange(6)))


@check(2, 4)
def initialize_fills_the_shards_also_after_a_forward_pass():
    ids = torch.arange(20).reshape(4, 5)
    module = fully_sharded(Language(), init_device_mesh("cpu", (dist.get_world_size(),)))
    module(ids)  # leaves the root's parameters gathered
    initialize(module, PLAN)
    alone = initialize(Language(), PLAN)
    assert_gathered(module, alone)
    assert torch.equal(module(ids), alone(ids))


@check(2, 4)
def what_stops_materialize_leaves_all_on_meta():
    module = fully_sharded(language_on_meta(), init_device_mesh("cpu", (dist.get_world_size(),)))

    def stop(done, total):
        raise KeyboardInterrupt

    for plan, options, error in [
        (wf.Plan({"*.bias": wf.Zeros()}), {}, ValueError),
        (wf.Plan({"*": wf.XavierUniform()}, seed=1), {}, ValueError),  # a bias has no fans
        (PLAN, {"progress": stop}, KeyboardInterrupt),
    ]:
        with pytest.raises(error):
            materialize(module, plan, **options)
        assert all(param.is_meta for param in module.parameters())
    materialize(module, PLAN)
    alone = initialize(Language(), PLAN)
    assert_gathered(module, alone)
    assert torch.equal(module(torch.arange(6)), alone(torch.arange(6)))


@check(4)
def replicated_groups_of_shards_hold_the_same():
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard"))
    module = materialize(fully_sharded(language_on_meta(), mesh), PLAN)
    alone = initialize(Language(), PLAN)
    assert_gathered(module, alone)
    assert torch.equal(module(torch.arange(6)), alone(torch.arange(6)))


STYLES = {
    **{f"blocks.{number}.up": ColwiseParallel() for number in range(2)},
    **{f"blocks.{number}.down": RowwiseParallel() for number in range(2)},
}


@check(2)
def tensor_parallel_from_meta():
    mesh = init_device_mesh("cpu", (2,))
    module = parallelize_module(language_on_meta(), mesh, STYLES)
    assert {param.device.type for param in module.parameters()} == {"meta"}
    with CommDebugMode() as communication:
        materialize(module, PLAN)
    assert communication.get_total_counts() == 0
    alone = initialize(Language(), PLAN)
    assert_gathered(module, alone)
    torch.testing.assert_close(module(torch.arange(6)), alone(torch.arange(6)))
    initialize(module, wf.Plan({"*bias": wf.Ones(), "*": wf.Normal()}, seed=7))
    assert_gathered(module, initialize(Language(), wf.Plan({"*bias": wf.Ones(), "*": wf.Normal()}, seed=7)))


@check(4)
def fully_shard_over_tensor_parallel_from_meta():
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
    module = fully_sharded(parallelize_module(language_on_meta(), mesh["tp"], STYLES), mesh["dp"])
    placements = {placement for param in module.parameters() for placement in param.placements}
    assert any(isinstance(placement, _StridedShard) for placement in placements)
    with CommDebugMode() as communication:
        materialize(module, PLAN)
    assert communication.get_total_counts() == 0
    alone = initialize(Language(), PLAN)
    assert_gathered(module, alone)
    ids = torch.arange(20).reshape(4, 5)
    torch.testing.assert_close(module(ids), alone(ids))
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    assert train(module, optimizer, ids).isfinite()


@check(2)
def wrapped_for_data_parallelism_or_not_the_values_are_the_same():
    alone = dict(initialize(Language(), PLAN).named_parameters())
    wrapped = initialize(DistributedDataParallel(torch.compile(Language(), backend="eager")), PLAN)
    for name, param in wrapped.named_parameters():
        assert name.startswith("module._orig_mod.")
        assert torch.equal(param, alone[name.removeprefix("module._orig_mod.")]), name


@check(2)
def flattened_parameters_are_refused():
    module = FullyShardedDataParallel(Language(), device_id=torch.device("cpu"), use_orig_params=True)
    before = [param.clone() for param in module.parameters()]
    with pytest.raises(ValueError, match="flattened by FullyShardedDataParallel"):
        initialize(module, PLAN)
    for param in module.parameters():
        with pytest.raises(ValueError, match="tensor must not be flattened by FullyShardedDataParallel, got"):
            fill(param, wf.Ones())
    assert all(map(torch.equal, module.parameters(), before))
    with FullyShardedDataParallel.summon_full_params(module):
        assert (fill(module.head.weight.data, wf.Ones()) == 1).all()
    with FullyShardedDataParallel.summon_full_params(module):
        assert (module.head.weight == 1).all()


@check(2, 4)
def rows_of_padding_are_zero_wherever_they_are():
    def build():
        return torch.nn.Sequential(torch.nn.Embedding(23, 10, padding_idx=17))

    for function in (initialize, materialize):
        with torch.device("meta" if function is materialize else "cpu"):
            module = build()
        module = fully_shard(module, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
        function(module, wf.Plan({"*": wf.XavierUniform()}, seed=42))
        whole = whole_of((23, 10), wf.XavierUniform(), stream="0.weight")
        whole[17] = 0
        assert torch.equal(module[0].weight.full_tensor(), whole)


@check(2, 4)
def modules_are_verified_by_the_parts_of_this_rank():
    plan = wf.Plan({"*": wf.XavierUniform()}, seed=42)
    module = torch.nn.Sequential(torch.nn.Embedding(23, 10, padding_idx=17))
    module = fully_shard(module, mesh=init_device_mesh("cpu", (dist.get_world_size(),)))
    materialized = initialize(module, plan)
    found = weightfill.torch.verify(materialized, plan)
    assert found
    assert found["0.weight"].verification.total == module[0].weight.to_local().numel()
    assert [row.shape for row in weightfill.torch.explain(module, plan)] == [(23, 10)]
    with torch.no_grad():
        module[0].weight.to_local()[1, 2] += 1
    found = weightfill.torch.verify(materialized, plan)["0.weight"].verification
    (part,) = parts(module[0].weight)
    assert (found.differing, found.index) == (1, (part.start[0] + 1, 2))


@check(2)
def buffers_of_integers_are_set_by_their_places():
    mesh = init_device_mesh("cpu", (2,))
    plan = wf.Plan({"*ids": wf.Arange(5), "*": wf.Normal()}, seed=42)
    for placement in (Replicate(), Shard(0)):
        module = torch.nn.Linear(3, 2)
        whole = torch.arange(5, 12)
        module.register_buffer("ids", distribute_tensor(torch.zeros_like(whole), mesh, [placement], src_data_rank=None))
        initialize(module, plan)
        assert torch.equal(module.ids.full_tensor(), whole)
        assert weightfill.torch.verify(module, plan)
        module.ids.to_local()[-1] = 0
        assert weightfill.torch.verify(module, plan)["ids"].verification.differing == 1
