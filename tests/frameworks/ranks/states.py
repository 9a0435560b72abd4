"""States that torch.distributed.checkpoint loads from a plan: every rank has its parts of the model of one process."""

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard
from torch.nn.parallel import DistributedDataParallel

import weightfill as wf
from tests.frameworks.ranks.modules import PLAN, STYLES, Language, assert_gathered, fully_sharded, language_on_meta
from tests.frameworks.ranks.registry import check
from tests.frameworks.ranks.tables import layouts, sharded_tensor
from tests.frameworks.ranks.wholes import whole_of
from weightfill.torch import PlanReader, initialize


def emptied(module):
    with torch.no_grad():
        for param in module.parameters():
            (param.to_local() if isinstance(param, DTensor) else param).fill_(7)
    return module


def untied():
    module = Language()
    module.head.weight = torch.nn.Parameter(module.head.weight.detach().clone())
    return module


@check()
def a_fully_sharded_model_is_loaded_as_that_of_one_process():
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for dtype in (torch.float32, torch.bfloat16):
        alone = initialize(Language().to(dtype), PLAN)
        module = emptied(fully_sharded(Language().to(dtype), mesh))
        dcp.load({"model": module.state_dict()}, storage_reader=PlanReader(PLAN, module, prefix="model."))
        assert_gathered(module, alone)
        state = get_model_state_dict(emptied(module))
        dcp.load(state, storage_reader=PlanReader(PLAN, Language()))
        set_model_state_dict(module, state)
        assert_gathered(module, alone)
    module = emptied(fully_sharded(untied(), mesh))
    dcp.load({"model": module}, storage_reader=PlanReader(PLAN, prefix="model."))
    assert_gathered(module, initialize(untied(), PLAN))


@check(2, 4)
def a_state_on_meta_is_allocated_by_torch_and_loaded():
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    module = fully_sharded(language_on_meta(), mesh)
    state = module.state_dict()
    dcp.load(state, storage_reader=PlanReader(PLAN, module))
    wholes = dict(initialize(Language(), PLAN).state_dict())
    for name, tensor in state.items():
        assert torch.equal(tensor.full_tensor(), wholes[name]), name


@check(2)
def tensor_parallel_and_replicated_parameters_are_loaded():
    mesh = init_device_mesh("cpu", (2,))
    module = emptied(parallelize_module(Language(), mesh, STYLES))
    dcp.load(module.state_dict(), storage_reader=PlanReader(PLAN, module))
    assert_gathered(module, initialize(Language(), PLAN))
    module = emptied(DistributedDataParallel(Language()))
    dcp.load({"net": module.state_dict()}, storage_reader=PlanReader(PLAN, Language(), prefix="net.module."))
    assert_gathered(module.module, initialize(Language(), PLAN))
    dcp.load(emptied(module).state_dict(), storage_reader=PlanReader(PLAN, module))
    assert_gathered(module.module, initialize(Language(), PLAN))


@check(4)
def fully_shard_over_tensor_parallel_and_groups_of_shards_are_loaded():
    alone = initialize(Language(), PLAN)
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard"))
    module = emptied(fully_sharded(Language(), mesh))
    dcp.load(module.state_dict(), storage_reader=PlanReader(PLAN, module))
    assert_gathered(module, alone)
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "model"))
    module = emptied(fully_sharded(parallelize_module(Language(), mesh["model"], STYLES), mesh["data"]))
    dcp.load(module.state_dict(), storage_reader=PlanReader(PLAN, module))
    assert_gathered(module, alone)


@check()
def every_placement_of_a_state_has_the_values_of_the_whole():
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    inits = {"normal": wf.Normal(), "orthogonal": wf.Orthogonal(), "sparse": wf.Sparse(connections=2)}
    inits |= {"padded": wf.Padded(wf.Normal(), 6), "fans": wf.KaimingNormal(mode="fan_out")}
    for placement in (Shard(0), Shard(1), Replicate()):
        wholes = {name: whole_of((9, 7), init, stream=name) for name, init in inits.items()}
        state = {name: distribute_tensor(torch.zeros(9, 7), mesh, [placement], src_data_rank=None) for name in wholes}
        dcp.load(state, storage_reader=PlanReader(wf.Plan(inits, seed=42)))
        for name, whole in wholes.items():
            assert torch.equal(state[name].full_tensor(), whole), (name, placement)


@check(2)
def shards_of_tables_are_loaded_by_their_places():
    tables = {name: sharded_tensor((7, 5), pieces) for name, pieces in layouts((7, 5)).items()}
    dcp.load(
        {"tables": tables}, storage_reader=PlanReader(wf.Plan({"*": wf.XavierUniform()}, seed=42), prefix="tables.")
    )
    for name, table in tables.items():
        whole = whole_of((7, 5), wf.XavierUniform(), stream=name)
        for shard in table.local_shards():
            (row, column), (rows, columns) = shard.metadata.shard_offsets, shard.metadata.shard_sizes
            assert torch.equal(shard.tensor, whole[row : row + rows, column : column + columns]), name


@check(2, 4)
def a_state_that_cannot_be_loaded_stays_as_it_was_on_every_rank():
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    plan = wf.Plan({"*": wf.Normal()}, seed=42)
    strided = distribute_tensor(torch.zeros(12, 4), mesh, [_StridedShard(0, split_factor=3)], src_data_rank=None)
    state = {"a": distribute_tensor(torch.zeros(8, 4), mesh, [Shard(0)], src_data_rank=None), "z": strided}
    for wrong, message in [
        (state, r"state\['z'\] must hold one box of the whole on a rank, as the checkpoints of torch have it, got "),
        ({"a": state["a"], "step": torch.tensor(3)}, "state must hold what the plan draws, got 'step' as well"),
    ]:
        with pytest.raises(dcp.CheckpointException, match=message) as caught:
            dcp.load(wrong, storage_reader=PlanReader(plan))
        assert len(caught.value.failures) == dist.get_world_size()
        assert not state["a"].to_local().any()
