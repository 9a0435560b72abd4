"""ShardedTensors, as of TorchRec's tables: every shard has the values of its place."""

import torch
import torch.distributed as dist
from torch.distributed._shard.metadata import ShardMetadata
from torch.distributed._shard.sharded_tensor import Shard, init_from_local_shards
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor._shards_wrapper import LocalShardsWrapper

import weightfill as wf
import weightfill.torch
from tests.frameworks.ranks.registry import check
from tests.frameworks.ranks.wholes import whole_of
from weightfill.torch._fill import fill
from weightfill.torch._modules import initialize


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
        Shard(torch.zeros(size), ShardMetadata(list(start), list(size), f"rank:{rank}/cpu"))
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
def dtensors_of_boxes_that_only_their_local_tensor_knows_are_filled():
    mesh = init_device_mesh("cpu", (2,))
    for name, pieces in layouts((7, 5)).items():
        held = [(torch.zeros(size), start) for rank, start, size in pieces if rank == dist.get_rank()]
        local = LocalShardsWrapper([part for part, _ in held], [start for _, start in held])
        table = DTensor.from_local(local, mesh, [Replicate()], run_check=False, shape=(7, 5), stride=(5, 1))
        assert fill(table, wf.XavierUniform(), seed=42, stream=name) is table
        whole = whole_of((7, 5), wf.XavierUniform(), stream=name)
        for part, (row, column) in held:
            assert torch.equal(part, whole[row : row + part.shape[0], column : column + part.shape[1]]), name


@check(2)
def tables_of_sharded_modules_are_filled_by_their_places():
    module = torch.nn.Sequential(ShardedModule({n: sharded_tensor((7, 5), p) for n, p in layouts((7, 5)).items()}))
    initialize(module, wf.Plan({"*": wf.XavierUniform()}, seed=42))
    for name, table in module[0].tables.items():
        for shard in table.local_shards():
            (row, column), (rows, columns) = shard.metadata.shard_offsets, shard.metadata.shard_sizes
            whole = whole_of((7, 5), wf.XavierUniform(), stream=f"0.{name}")
            assert torch.equal(shard.tensor, whole[row : row + rows, column : column + columns]), name


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
