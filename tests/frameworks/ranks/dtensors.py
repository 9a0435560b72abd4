"""DTensors: every rank fills its own parts with the values of the full tensor."""

import itertools

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DeviceMesh, DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.distributed.tensor.placement_types import _StridedShard

import weightfill as wf
import weightfill.torch
from tests.frameworks.ranks.registry import check
from tests.frameworks.ranks.wholes import assert_filled, empty_like, meshes, whole_of
from weightfill.torch._fill import fill
from weightfill.torch._modules import initialize
from weightfill.torch._nn_init.originals import NAMES
from weightfill.torch._placements import parts


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

    from torch.distributed.tensor._dtensor_spec import DTensorSpec, ShardOrderEntry  # the latter is new in torch

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
