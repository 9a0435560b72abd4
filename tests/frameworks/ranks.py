"""What the processes of a group do in test_torch_distributed.py: `python ranks.py FOLDER` runs groups of all sizes.

A check is a function that is registered for the group's size; what came of it is in FOLDER/WORLD/RANK.json.
"""

import itertools
import json
import os
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed._shard.metadata import ShardMetadata
from torch.distributed._shard.sharded_tensor import Shard as Piece
from torch.distributed._shard.sharded_tensor import init_from_local_shards
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.tensor import DeviceMesh, DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard
from torch.nn.parallel import DistributedDataParallel

import weightfill as wf
import weightfill.torch
from weightfill.torch import _allocation as allocation
from weightfill.torch._fill import fill
from weightfill.torch._modules import initialize, materialize
from weightfill.torch._own import NAMES
from weightfill.torch._placements import parts

WORLDS = (1, 2, 4)
TIMEOUT = 60  # seconds that a rank waits for one that failed
PLAN = wf.Plan({"*norm*weight": wf.Ones(), "*bias": wf.Zeros(), "*": wf.XavierUniform()}, seed=42)
CHECKS = {}


def check(*worlds):
    """Register a check for groups of these sizes, of all if there are none."""

    def register(function):
        CHECKS[function.__name__] = (function, worlds or WORLDS)
        return function

    return register


def checks_of(world):
    return [name for name, (_, worlds) in CHECKS.items() if world in worlds]


def meshes():
    world = dist.get_world_size()
    yield init_device_mesh("cpu", (world,))
    if world == 4:
        yield init_device_mesh("cpu", (2, 2))


def empty_like(whole, mesh, placements):
    """Return a DTensor of -9, of the shape and dtype of a whole; torch alone decides who holds what."""
    return distribute_tensor(torch.full_like(whole, -9), mesh, placements, src_data_rank=None)


def whole_of(shape, init, dtype=torch.float32, stream="w"):
    return fill(torch.empty(shape, dtype=dtype), init, seed=42, stream=stream)


def assert_filled(tensor, whole, mesh, placements):
    """Compare this rank's part with what torch deals out of the whole, and the parts gathered with the whole."""
    expected = distribute_tensor(whole, mesh, placements, src_data_rank=None).to_local()
    assert torch.equal(tensor.to_local(), expected), (placements, tensor.to_local(), expected)
    assert torch.equal(tensor.full_tensor(), whole), (placements, "gathered")


@check()
def every_placement_holds_the_values_of_the_whole():
    for mesh in meshes():
        for placements in itertools.product([Shard(0), Shard(1), Replicate()], repeat=mesh.ndim):
            for shape, dtype in itertools.product([(8, 8), (7, 5), (3, 2), (1, 9)], [torch.float32, torch.bfloat16]):
                whole = whole_of(shape, wf.XavierUniform(), dtype)
                tensor = empty_like(whole, mesh, placements)
                with CommDebugMode() as communication:
                    assert fill(tensor, wf.XavierUniform(), seed=42, stream="w") is tensor
                assert communication.get_total_counts() == 0
                assert_filled(tensor, whole, mesh, placements)


@check(2, 4)
def every_initializer_knows_the_whole():
    cases = [
        ((9, 6), wf.Normal(std=0.02)),
        ((9, 6), wf.TruncatedNormal()),
        ((9, 6), wf.KaimingNormal(mode="fan_out")),
        ((9, 6), wf.Sparse(connections=2)),
        ((9, 6), wf.Identity()),
        ((9, 6, 3), wf.Dirac()),
        ((9, 6), wf.Orthogonal()),
        ((9, 6), wf.Padded(wf.Normal(), 7)),
        ((9, 6), wf.Constant(0.5)),
    ]
    for mesh in meshes():
        for placement, (shape, init) in itertools.product([Shard(0), Shard(1)], cases):
            placements = [placement] * mesh.ndim
            whole = whole_of(shape, init)
            tensor = fill(empty_like(whole, mesh, placements), init, seed=42, stream="w")
            assert_filled(tensor, whole, mesh, placements)


@check(2, 4)
def functions_of_torch_init_give_parts_of_the_whole():
    arguments = {"constant_": (0.5,), "sparse_": (0.5,), "trunc_normal_": (0, 0.5, -0.5, 1)}
    for mesh in meshes():
        for name, placement in itertools.product(NAMES, [Shard(0), Shard(1), Replicate()]):
            placements = [placement] * mesh.ndim
            function = getattr(weightfill.torch, name)
            shape = (3, 3, 3) if name == "dirac_" else (3, 7)  # of four ranks one holds no row
            torch.manual_seed(5)
            whole = function(torch.empty(shape), *arguments.get(name, ()))
            after = torch.get_rng_state()
            torch.manual_seed(5)
            tensor = empty_like(whole, mesh, placements)
            assert function(tensor, *arguments.get(name, ())) is tensor
            assert_filled(tensor, whole, mesh, placements)
            assert torch.equal(torch.get_rng_state(), after), name


@check(2, 4)
def strided_shards_are_several_parts():
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for rows, factor in [(12, 3), (13, 3), (5, 2), (24, 2)]:
        placements = [_StridedShard(0, split_factor=factor)]
        whole = whole_of((rows, 4), wf.Normal())
        tensor = fill(empty_like(whole, mesh, placements), wf.Normal(), seed=42, stream="w")
        assert torch.equal(
            tensor.to_local(), distribute_tensor(whole, mesh, placements, src_data_rank=None).to_local()
        ), (rows, factor)
    assert len(parts(tensor)) == 2
    first = mesh.get_local_rank() * 12 // mesh.size()
    assert [part.start for part in parts(tensor)] == [(first, 0), (first + 12, 0)]


@check(4)
def dimensions_sharded_twice_in_the_other_order_are_one_part():
    mesh = init_device_mesh("cpu", (2, 2))
    placements = [_StridedShard(0, split_factor=2), Shard(0)]
    whole = whole_of((8, 3), wf.Normal())
    tensor = fill(empty_like(whole, mesh, placements), wf.Normal(), seed=42, stream="w")
    assert_filled(tensor, whole, mesh, placements)
    assert len(parts(tensor)) == 1

    from torch.distributed.tensor._dtensor_spec import DTensorSpec, ShardOrderEntry

    order = (ShardOrderEntry(tensor_dim=0, mesh_dims=(1, 0)),)
    spec = DTensorSpec(mesh, (Shard(0), Shard(0)), tensor_meta=tensor._spec.tensor_meta, shard_order=order)
    same = fill(DTensor(torch.zeros(2, 3), spec, requires_grad=False), wf.Normal(), seed=42, stream="w")
    assert torch.equal(same.to_local(), tensor.to_local())
    assert torch.equal(same.full_tensor(), whole)


@check()
def parts_are_views_with_their_place():
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    whole = torch.arange(35.0).reshape(7, 5)
    tensor = distribute_tensor(whole, mesh, [Shard(0)], src_data_rank=None)
    for part in parts(tensor):
        assert part.shape == (7, 5)
        window = tuple(slice(first, first + count) for first, count in zip(part.start, part.tensor.shape, strict=True))
        assert torch.equal(part.tensor, whole[window])
        part.tensor.fill_(-1)
    assert (tensor.to_local() == -1).all()


@check(2)
def sums_are_refused():
    mesh = init_device_mesh("cpu", (2,))
    tensor = DTensor.from_local(torch.zeros(4, 4), mesh, [Partial()])
    with pytest.raises(
        ValueError, match="placements must be Shard or Replicate, got .*; redistribute the tensor first"
    ):
        fill(tensor, wf.Normal(), seed=42)
    assert (tensor.to_local() == 0).all()


@check(2)
def parts_that_torch_would_not_deal_out_are_refused():
    mesh = init_device_mesh("cpu", (2,))
    local = torch.zeros(3 if dist.get_rank() == 0 else 1, 2)
    tensor = DTensor.from_local(local, mesh, [Shard(0)], run_check=False, shape=(4, 2), stride=(2, 1))
    with pytest.raises(ValueError, match=r"tensor must hold \(2, 2\) of \(4, 2\) on this rank"):
        parts(tensor)


@check(4)
def ranks_outside_of_the_mesh_hold_nothing():
    mesh = DeviceMesh("cpu", [1, 3])
    tensor = distribute_tensor(torch.zeros(4, 4), mesh, [Shard(0)], src_data_rank=None)
    assert fill(tensor, wf.Normal(), seed=42, stream="w") is tensor
    if dist.get_rank() in (1, 3):
        row = dist.get_rank() - 1
        assert torch.equal(tensor.to_local(), whole_of((4, 4), wf.Normal())[row : row + 2])
    else:
        assert parts(tensor) == []


@check(2, 4)
def one_rank_can_fill_alone():
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    whole = whole_of((7, 5), wf.Normal())
    tensor = empty_like(whole, mesh, [Shard(0)])
    module = torch.nn.Module()
    module.w = torch.nn.Parameter(tensor)
    if dist.get_rank() == 1:  # the others are not even there
        initialize(module, wf.Plan({"w": wf.Normal()}, seed=42))
        assert torch.equal(tensor.to_local(), distribute_tensor(whole, mesh, [Shard(0)], src_data_rank=None).to_local())
    else:
        assert (tensor.to_local() == -9).all()
    dist.barrier()


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


class ShardedModule(torch.nn.Module):
    """As TorchRec's: parameters of this rank's parts, whose places only state_dict() tells."""

    def __init__(self, tables):
        super().__init__()
        self.tables = tables
        for name, table in tables.items():
            local = [shard.tensor for shard in table.local_shards()]
            setattr(self, name, torch.nn.Parameter(local[0] if local else torch.empty(0)))

    def state_dict(self, destination=None, prefix="", keep_vars=False):
        destination = {} if destination is None else destination
        destination.update({f"{prefix}{name}": table for name, table in self.tables.items()})
        return destination


def sharded_tensor(shape, pieces):
    """Return a ShardedTensor of zeros; pieces are (rank, start, shape)."""
    shards = [
        Piece(torch.zeros(size), ShardMetadata(list(start), list(size), f"rank:{rank}/cpu"))
        for rank, start, size in pieces
        if rank == dist.get_rank()
    ]
    return init_from_local_shards(shards, *shape)


def layouts(shape):
    rows, columns = shape
    return {
        "one": [(1, (0, 0), shape)],
        "rows": [(0, (0, 0), (3, columns)), (1, (3, 0), (rows - 3, columns))],
        "columns": [(0, (0, 0), (rows, 2)), (1, (0, 2), (rows, columns - 2))],
        "grid": [
            (0, (0, 0), (4, 2)),
            (1, (0, 2), (4, columns - 2)),
            (1, (4, 0), (rows - 4, 2)),
            (0, (4, 2), (rows - 4, columns - 2)),
        ],
    }


@check(2)
def every_shard_of_a_table_has_the_values_of_the_whole():
    for init in (wf.XavierUniform(), wf.Sparse(connections=2), wf.Padded(wf.Normal(), 5), wf.Orthogonal()):
        for name, pieces in layouts((7, 5)).items():
            whole = whole_of((7, 5), init, stream=name)
            table = sharded_tensor((7, 5), pieces)
            assert fill(table, init, seed=42, stream=name) is table
            for shard in table.local_shards():
                (row, column), (rows, columns) = shard.metadata.shard_offsets, shard.metadata.shard_sizes
                assert torch.equal(shard.tensor, whole[row : row + rows, column : column + columns]), (init, name)


@check(2)
def tables_of_sharded_modules_are_filled_by_their_places():
    module = torch.nn.Sequential(ShardedModule({n: sharded_tensor((7, 5), p) for n, p in layouts((7, 5)).items()}))
    initialize(module, wf.Plan({"*": wf.XavierUniform()}, seed=42))
    for name, table in module[0].tables.items():
        for shard in table.local_shards():
            (row, column), (rows, columns) = shard.metadata.shard_offsets, shard.metadata.shard_sizes
            whole = whole_of((7, 5), wf.XavierUniform(), stream=f"0.{name}")
            assert torch.equal(shard.tensor, whole[row : row + rows, column : column + columns]), name


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
def tables_of_sharded_modules_are_verified_by_their_places():
    plan = wf.Plan({"*": wf.XavierUniform()}, seed=42)
    module = torch.nn.Sequential(ShardedModule({n: sharded_tensor((7, 5), p) for n, p in layouts((7, 5)).items()}))
    assert not weightfill.torch.verify(module, plan)
    found = weightfill.torch.verify(initialize(module, plan), plan)
    assert found
    assert found["0.one"].verification.total == (35 if dist.get_rank() == 1 else 0)
    module[0].grid.data[-1, -1] = 5
    assert weightfill.torch.verify(module, plan)["0.grid"].verification.differing == 1


def run_checks(rank, world, folder):
    """Be one rank of a group, and write what came of its checks to FOLDER/RANK.json."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{folder}/store", rank=rank, world_size=world, timeout=timedelta(seconds=TIMEOUT)
    )
    done, failures = [], {}
    for name in checks_of(world):
        try:
            CHECKS[name][0]()
        except BaseException:
            failures[name] = traceback.format_exc()
        done.append(name)
    (folder / f"{rank}.json").write_text(json.dumps({"done": done, "failures": failures}))
    dist.destroy_process_group()


def forked(function, *args):
    pid = os.fork()
    if pid:
        return pid
    try:
        function(*args)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def main(folder):
    """Run one group after the other; forking saves their ranks the imports, which take longer than the checks."""
    for world in WORLDS:
        (folder / str(world)).mkdir()
        ranks = [forked(run_checks, rank, world, folder / str(world)) for rank in range(world)]
        for pid in ranks:
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
