"""Sharded tables of TorchRec in real processes: `python -m tests.frameworks.torchrec_ranks FOLDER`.

Runs all checks in groups of one and of two processes. What came of them is in FOLDER/WORLD/RANK.json.
"""

import json
import os
import re
import sys
import traceback
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

warnings.simplefilter("ignore")  # of torchrec's own imports and of what it calls

from torchrec import (  # noqa: E402
    EmbeddingBagCollection,
    EmbeddingBagConfig,
    EmbeddingCollection,
    EmbeddingConfig,
    KeyedJaggedTensor,
)
from torchrec.distributed.embedding import EmbeddingCollectionSharder  # noqa: E402
from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder  # noqa: E402
from torchrec.distributed.model_parallel import DistributedModelParallel  # noqa: E402
from torchrec.distributed.sharding_plan import (  # noqa: E402
    column_wise,
    construct_module_sharding_plan,
    data_parallel,
    row_wise,
    table_wise,
)
from torchrec.distributed.types import ShardingEnv, ShardingPlan  # noqa: E402
from torchrec.modules.embedding_configs import DataType  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.torch  # noqa: E402

TIMEOUT = 60  # seconds that a rank waits for one that failed
WORLDS = (1, 2)
SHAPES = {"user_table": (13, 16), "item_table": (8, 16)}  # of which one is not dealt out evenly
PLAN = wf.Plan({"over.bias": wf.Zeros(), "*": wf.XavierUniform()}, seed=42)
SHARDERS = [EmbeddingBagCollectionSharder(), EmbeddingCollectionSharder()]
LAYOUTS = {
    "table_wise": lambda world: {name: table_wise(rank=i % world) for i, name in enumerate(SHAPES)},
    "row_wise": lambda world: {name: row_wise() for name in SHAPES},
    "column_wise": lambda world: {name: column_wise(ranks=[i % world for i in range(2)]) for name in SHAPES},
    "columns_of_one_rank": lambda world: {name: column_wise(ranks=[world - 1] * 2) for name in SHAPES},
    "data_parallel": lambda world: {name: data_parallel() for name in SHAPES},
}
CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


class Model(torch.nn.Module):
    """Tables, and a dense layer over them."""

    def __init__(self, tables):
        super().__init__()
        self.tables = tables
        self.over = torch.nn.Linear(sum(columns for _, columns in SHAPES.values()), 3, device=tables.device)

    def forward(self, features):
        return self.tables(features)


def tables_of(kind, init_fn=None, dtype=DataType.FP32, device="meta"):
    """Return a collection of the tables."""
    config = EmbeddingBagConfig if kind is EmbeddingBagCollection else EmbeddingConfig
    configs = []
    for name, (rows, columns) in SHAPES.items():
        fill = {} if init_fn is None else {"init_fn": init_fn(name)}
        config_of_it = config(
            name=name, num_embeddings=rows, embedding_dim=columns, feature_names=[f"{name}_id"], data_type=dtype, **fill
        )
        configs.append(config_of_it)
    return kind(tables=configs, device=torch.device(device))


def sharded(model, layout, *, as_dtensors=False):
    """Return the model with its tables dealt out; state_dict() has them as ShardedTensors, or as DTensors."""
    world = dist.get_world_size()
    sharder = next(sharder for sharder in SHARDERS if sharder.module_type is type(model.tables))
    dealt = construct_module_sharding_plan(
        model.tables, LAYOUTS[layout](world), sharder, local_size=world, world_size=world, device_type="cpu"
    )
    env = ShardingEnv.from_process_group(dist.group.WORLD)
    if as_dtensors:
        env.output_dtensor, env.device_mesh = True, init_device_mesh("cpu", (world,))
    plan = ShardingPlan({"tables": dealt})
    return DistributedModelParallel(model, env=env, device=torch.device("cpu"), plan=plan, sharders=SHARDERS)


def layouts():
    """Yield every layout, with tables as ShardedTensors and as DTensors."""
    for as_dtensors in (False, True):
        for layout in LAYOUTS:
            yield layout, as_dtensors


def parts_of(tensor):
    """Return what this process holds of a tensor, and where it begins."""
    if isinstance(tensor, DTensor):
        with torch.no_grad():
            local = tensor.to_local()
        return list(zip(local.local_shards(), local.local_offsets(), strict=False))
    if hasattr(tensor, "local_shards"):
        return [(shard.tensor, shard.metadata.shard_offsets) for shard in tensor.local_shards()]
    return [(tensor, (0,) * tensor.dim())]


def assert_parts_of_wholes(model, wholes):
    """Compare what this process holds of each parameter with the whole, and count it."""
    elements = 0
    for name, tensor in model.state_dict().items():
        whole = torch.from_numpy(wholes[name])
        assert tuple(tensor.shape) == tuple(whole.shape)
        for part, start in parts_of(tensor):
            box = tuple(slice(first, first + count) for first, count in zip(start, part.shape, strict=True))
            assert torch.equal(part, whole[box]), name
            elements += part.numel()
    return elements


def wholes(kind, dtype="float32"):
    """Return the whole parameters of an unsharded model, by their names in it."""
    module = "embedding_bags" if kind is EmbeddingBagCollection else "embeddings"
    shapes = {f"tables.{module}.{name}.weight": (shape, dtype) for name, shape in SHAPES.items()}
    shapes |= {"over.weight": ((3, 32), "float32"), "over.bias": ((3,), "float32")}
    return {
        name: wf.create(shape, PLAN.rule(name).init, seed=42, stream=name, dtype=kind_of)
        for name, (shape, kind_of) in shapes.items()
    }


@check
def the_names_are_those_of_the_model_before_it_is_sharded():
    for kind in (EmbeddingBagCollection, EmbeddingCollection):
        model = weightfill.torch.initialize(Model(tables_of(kind, device="cpu")), PLAN)
        assert {name for name, _ in model.named_parameters()} == set(wholes(kind))
        assert_parts_of_wholes(model, wholes(kind))


@check
def every_rank_gets_its_parts_of_the_whole_tables_by_a_plan_after_sharding():
    for kind in (EmbeddingBagCollection, EmbeddingCollection):
        for layout, as_dtensors in layouts():
            model = sharded(Model(tables_of(kind)), layout, as_dtensors=as_dtensors)
            assert not weightfill.torch.verify(model, PLAN)
            assert weightfill.torch.initialize(model, PLAN) is model
            held = torch.tensor(assert_parts_of_wholes(model, wholes(kind)))
            assert weightfill.torch.verify(model, PLAN)
            dist.all_reduce(held)
            dense, tables = 3 * 32 + 3, 13 * 16 + 8 * 16
            copies = dist.get_world_size() if layout == "data_parallel" else 1
            assert held == dist.get_world_size() * dense + copies * tables, (kind, layout)


@check
def tables_of_16_bits_are_filled():
    for as_dtensors in (False, True):
        tables = tables_of(EmbeddingBagCollection, dtype=DataType.FP16)
        model = sharded(Model(tables), "row_wise", as_dtensors=as_dtensors)
        assert weightfill.torch.verify(weightfill.torch.initialize(model, PLAN), PLAN)
        assert_parts_of_wholes(model, wholes(EmbeddingBagCollection, "float16"))


@check
def one_table_is_filled_after_sharding():
    for layout, as_dtensors in layouts():
        model = sharded(Model(tables_of(EmbeddingBagCollection)), layout, as_dtensors=as_dtensors)
        for name, tensor in model.state_dict().items():
            weightfill.torch.fill(tensor, PLAN.rule(name).init, seed=42, stream=name)
        assert_parts_of_wholes(model, wholes(EmbeddingBagCollection))


@check
def a_forward_pass_sees_the_rows_of_the_whole_tables():
    rank = dist.get_rank()
    ids = torch.tensor([12, 0, 5 + rank, 7, 7, rank])
    features = KeyedJaggedTensor(["user_table_id", "item_table_id"], ids, lengths=torch.tensor([1, 2, 2, 1]))
    for layout, as_dtensors in layouts():
        model = sharded(Model(tables_of(EmbeddingBagCollection)), layout, as_dtensors=as_dtensors)
        weightfill.torch.initialize(model, PLAN)
        found = model(features).to_dict()
        users, items = list(wholes(EmbeddingBagCollection).values())[:2]
        expected = {
            "user_table_id": [users[12], users[0] + users[5 + rank]],
            "item_table_id": [items[7] + items[7], items[rank]],
        }
        for name, rows in expected.items():
            for row, expected_row in enumerate(rows):
                assert torch.equal(found[name][row], torch.from_numpy(expected_row)), (layout, name)


@check
def a_model_is_recorded_before_it_is_sharded():
    def init_fn(name):
        return weightfill.torch.init_fn(wf.XavierUniform(), 42, name, shape=SHAPES[name])

    for kind in (EmbeddingBagCollection, EmbeddingCollection):
        with weightfill.torch.recording() as recorded:
            by_torchrec, ours = Model(tables_of(kind, device="cpu")), Model(tables_of(kind, init_fn, device="cpu"))
        plan = recorded.plan(by_torchrec, seed=42)
        for name, parameter in by_torchrec.tables.named_parameters():
            bound = parameter.shape[0] ** -0.5
            assert (plan.rule(f"tables.{name}").init.low, plan.rule(f"tables.{name}").init.high) == pytest.approx(
                (-bound, bound)
            )
        model = sharded(Model(tables_of(kind)), "row_wise")
        assert weightfill.torch.verify(weightfill.torch.initialize(model, plan), plan)
        plan = recorded.plan(ours, seed=42)
        assert all(plan.rule(name).init == wf.XavierUniform() for name in wholes(kind) if name.startswith("tables."))


@check
def init_fn_fills_whole_tables_while_they_are_sharded():
    def init_fn(name):
        stream = f"tables.embedding_bags.{name}.weight"
        return weightfill.torch.init_fn(wf.XavierUniform(), 42, stream, shape=SHAPES[name])

    for layout in ("table_wise", "data_parallel"):
        model = sharded(Model(tables_of(EmbeddingBagCollection, init_fn)), layout)
        for name, tensor in model.state_dict().items():
            if name.startswith("tables."):
                whole = torch.from_numpy(wholes(EmbeddingBagCollection)[name])
                assert all(torch.equal(part, whole) for part, _ in parts_of(tensor)), (layout, name)


@check
def init_fn_refuses_parts_of_tables_and_says_what_to_do():
    def whole(name):
        return weightfill.torch.init_fn(wf.XavierUniform(), 42, name, shape=SHAPES[name])

    def unknown(name):
        return weightfill.torch.init_fn(wf.XavierUniform(), 42, name)

    parts = ("columns_of_one_rank",) if dist.get_world_size() == 1 else ("row_wise", "column_wise")
    cases = [(layout, whole, "tensor must be the whole table, of shape (") for layout in parts]
    cases += [(layout, unknown, "shape must be given for TorchRec's tables") for layout in (*parts, "table_wise")]
    for layout, init_fn, message in cases:
        with pytest.raises(ValueError, match=re.escape(message)):
            sharded(Model(tables_of(EmbeddingBagCollection, init_fn)), layout)


def run_checks(rank, world, folder):
    """Be one rank of a group, and write what came of its checks to FOLDER/RANK.json."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{folder}/store", rank=rank, world_size=world, timeout=timedelta(seconds=TIMEOUT)
    )
    done, failures = [], {}
    for name, function in CHECKS.items():
        try:
            function()
        except BaseException:
            failures[name] = traceback.format_exc()
        done.append(name)
    (folder / f"{rank}.json").write_text(json.dumps({"done": done, "failures": failures}))
    dist.barrier()
    dist.destroy_process_group()


def main(folder):
    """Run one group after the other; forking saves their ranks the imports, which take longer than the checks."""
    for world in WORLDS:
        (folder / str(world)).mkdir()
        ranks = []
        for rank in range(world):
            pid = os.fork()
            if not pid:
                try:
                    run_checks(rank, world, folder / str(world))
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(0)
            ranks.append(pid)
        for pid in ranks:
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
