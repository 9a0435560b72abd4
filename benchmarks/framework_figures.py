"""The figures of torch, JAX, Keras, Dask and datasets with weightfill, each beside what the framework does."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from itertools import count, product
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import weightfill as wf
from benchmarks.cases import SEED, STREAM
from benchmarks.figure import BUDGET, Figure, at_least, run
from benchmarks.memory import Touched
from benchmarks.peers import installed
from benchmarks.timing import ratio, ratio_of_minima
from weightfill.benchmark import Task, many, seconds, take_turns

NORMAL = wf.Normal(std=0.02)
LONG = 1.0  # seconds; what takes longer runs once or twice
CALLS = 100
SIDES = (1, 4, 16, 32, 64, 256)  # of small tensors
MEGABYTE = 2**20
# Prints the bytes by which work raised the peak of the memory of its process, less those of its results.
PEAK = """
import sys
size = int(sys.argv[1])
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")) * 1024
{prepare}
before = peak()
{work}
print(peak() - before - {results})
"""


def times_faster(name: str, wanted: float, ours: list[float], theirs: list[float]) -> Figure:
    """Compare a task of weightfill with the framework's own."""
    reached, best = ratio(theirs, ours), ratio_of_minima(theirs, ours)
    text = f"{1e3 * median(ours):.4g} of {1e3 * median(theirs):.4g} ms"
    return Figure(name, f">= {wanted:g} times", f"{reached:.3g}", f"{best:.3g}", text, reached >= wanted)


def in_turns(ours: Task, theirs: Task) -> tuple[list[float], list[float]]:
    """Time both in turns; if the framework's is long, once for several of ours."""
    first = seconds(theirs)
    if first > LONG:
        (mine,) = take_turns(ours, budget=BUDGET)
        return mine, [first] if first > 5 * LONG else [seconds(theirs) for _ in range(3)]
    mine, other = take_turns(ours, theirs, budget=4 * BUDGET)
    return mine, other


def peak(name: str, prepare: str, work: str, results: str, size: int) -> Figure:
    """Measure in a process of its own what work takes beyond its results."""
    script = PEAK.format(prepare=prepare, work=work, results=results)
    done = subprocess.run([sys.executable, "-c", script, str(size)], check=True, capture_output=True, text=True)
    grown = int(done.stdout)
    return Figure(name, "<= 32 MB", f"{grown / MEGABYTE:.0f} MB", "", "", grown <= 32 * MEGABYTE)


class FrameworkFigures:
    """The measurements, in groups; `size` is the bytes of a float32 tensor."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._memory = Touched()

    def torch(self) -> Iterator[Figure]:
        """The functions of torch.nn.init on tensors touched before."""
        if not installed("torch.nn.init"):
            return
        torch, ours = import_module("torch"), import_module("weightfill.torch")
        theirs = torch.nn.init
        elements = self._size // 4
        tensor = torch.from_numpy(self._memory(self._size).view(np.float32))
        narrow = tensor.view(torch.bfloat16)[:elements]
        side = int(elements**0.5)
        square = tensor[: side * side].view(side, side)
        cases: list[tuple[str, float, Any, str, tuple[Any, ...], wf.Initializer]] = [
            ("uniform_", 14, tensor, "float32", (-0.05, 0.05), wf.Uniform(-0.05, 0.05)),
            ("normal_", 14, tensor, "float32", (0.0, 0.02), NORMAL),
            ("trunc_normal_", 25, tensor, "float32", (), wf.TruncatedNormal()),
            ("normal_", 30, narrow, "bfloat16", (0.0, 0.02), NORMAL),
            ("sparse_", 100, square, "float32", (1 - 10 / side,), wf.Sparse(sparsity=1 - 10 / side, axis=0)),
        ]
        for name, wanted, target, dtype, arguments, init in cases:
            fill, own = getattr(ours, name), getattr(theirs, name)
            key = torch.empty((), dtype=torch.int64)
            torch.manual_seed(SEED)
            fill(target, *arguments)
            torch.manual_seed(SEED)
            key.random_(-(2**63), None)
            array = import_module("weightfill.torch._views").array_of(target)
            assert wf.verify(array, init, seed=int(key) % 2**64), name
            mine, other = in_turns(partial(fill, target, *arguments), partial(own, target, *arguments))
            yield times_faster(f"{name}, {target.numel():,} {dtype}", wanted, mine, other)
        yield peak(
            f"peak memory of trunc_normal_, {self._size // MEGABYTE} MB",
            "import torch, weightfill.torch as wt\n"
            "tensor = torch.zeros(size // 4)\nwt.trunc_normal_(torch.empty(1000))",
            "wt.trunc_normal_(tensor)",
            "0",
            self._size,
        )

    def calls(self) -> Iterator[Figure]:
        """Each function of torch.nn.init on small tensors: a model has more of these than of large ones."""
        if not installed("torch.nn.init"):
            return
        torch, ours = import_module("torch"), import_module("weightfill.torch")
        theirs = torch.nn.init
        arguments: dict[str, tuple[Any, ...]] = {"constant_": (0.5,), "sparse_": (0.9,)}
        names = [name for name in vars(theirs) if name[0] != "_" and name.endswith("_")]
        for name, side in product(names, SIDES):
            target = torch.zeros((side, side, 1) if name == "dirac_" else (side, side))
            calls = 1 if name == "orthogonal_" and side > 64 else CALLS
            mine, other = (
                many(partial(getattr(module, name), target, *arguments.get(name, ())), calls)
                for module in (ours, theirs)
            )
            fast, slow = take_turns(mine, other, budget=BUDGET / 2)
            fast, slow = ([t / calls for t in times] for times in (fast, slow))
            yield times_faster(f"{name}, one call, {side * side:,} float32", 1, fast, slow)

    def models(self) -> Iterator[Figure]:
        """Building modules, as they are and in `patched()`; memory and all."""
        if not installed("torch.nn.init"):
            return
        torch, ours = import_module("torch"), import_module("weightfill.torch")
        gpt2 = import_module("benchmarks.gpt2_module")
        layers = min(12, max(1, self._size // (20 * MEGABYTE)))
        rows = min(10**6, self._size // 256)
        builds: list[tuple[str, float, Callable[[], Any]]] = [
            (f"GPT-2, {layers} layers", 5, partial(gpt2.GPT2, layers)),
            ("nn.Transformer()", 1, partial(torch.nn.Transformer, batch_first=True)),
            (f"nn.Embedding({rows:,}, 128)", 1, partial(torch.nn.Embedding, rows, 128)),
        ]
        for name, wanted, build in builds:
            mine, other = in_turns(ours.patched()(build), build)
            yield times_faster(f"patched(): {name}", wanted, mine, other)
        plan = wf.Plan({"*.bias": wf.Zeros(), "*ln_*": wf.Ones(), "*": NORMAL}, seed=SEED)

        def materialize() -> None:
            with torch.device("meta"):
                module = gpt2.GPT2(layers)
            ours.materialize(module, plan)

        mine, other = in_turns(materialize, partial(gpt2.GPT2, layers))
        yield times_faster(f"meta and materialize: GPT-2, {layers} layers", 5, mine, other)
        yield peak(
            "peak memory of materialize, GPT-2",
            "import torch, weightfill as wf, weightfill.torch as wt\n"
            "from benchmarks import gpt2_module\n"
            f"with torch.device('meta'): model = gpt2_module.GPT2({layers})\n"
            "plan = wf.Plan({'*': wf.Normal(std=0.02)}, seed=42)\n"
            "wt.materialize(torch.nn.Linear(2, 2, device='meta'), plan)",
            "wt.materialize(model, plan)",
            "4 * gpt2_module.elements(model)",
            self._size,
        )

    def checkpoints(self) -> Iterator[Figure]:
        """A state loaded from a plan by torch.distributed.checkpoint, against `fill` of the same tensors."""
        if not installed("torch.nn.init"):
            return
        torch, dcp = import_module("torch"), import_module("torch.distributed.checkpoint")
        ours = import_module("weightfill.torch")
        layers = max(1, self._size // (20 * MEGABYTE))
        shapes = {"c_attn.weight": (1024, 3072), "c_proj.weight": (2048, 1024), "c_proj.bias": (1024,)}
        state = {f"h.{i}.{name}": torch.zeros(shape) for i in range(layers) for name, shape in shapes.items()}
        plan = wf.Plan({"*.bias": wf.Zeros(), "*": NORMAL}, seed=SEED)

        def load() -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there is only one process
                dcp.load(state, storage_reader=ours.PlanReader(plan))

        def fill() -> None:
            for name, tensor in state.items():
                ours.fill(tensor, plan.rule(name).init, seed=SEED, stream=name)

        load()
        for name, tensor in state.items():
            assert wf.verify(tensor, plan.rule(name).init, seed=SEED, stream=name), name
        mine, other = take_turns(load, fill, budget=4 * BUDGET)
        size = sum(tensor.nbytes for tensor in state.values()) // MEGABYTE
        yield at_least(f"PlanReader, a state of {size} MB", 0.7, mine, other, "of fill's rate")

    def jax(self) -> Iterator[Figure]:
        """An initializer of weightfill beside jax.nn.initializers, eager, new arrays."""
        if not installed("JAX"):
            return
        jax, ours = import_module("jax"), import_module("weightfill.jax")
        elements = self._size // 4
        key = jax.random.key(SEED)
        mine, own = ours.initializer(NORMAL), jax.nn.initializers.normal(0.02)
        fast, slow = in_turns(
            lambda: mine(key, (elements,)).block_until_ready(), lambda: own(key, (elements,)).block_until_ready()
        )
        yield times_faster(f"jax initializer(Normal), {elements:,} float32", 25, fast, slow)
        yield peak(
            f"peak memory of initializer(Normal), {self._size // MEGABYTE} MB",
            "import jax, weightfill as wf, weightfill.jax as wj\nkey = jax.random.key(1)\n"
            "init = wj.initializer(wf.Normal())\ninit(key, (1000,)).block_until_ready()",
            "array = init(key, (size // 4,)).block_until_ready()",
            "size",
            self._size,
        )
        yield peak(
            f"peak memory of jax create, {self._size // MEGABYTE} MB",
            "import jax, weightfill as wf, weightfill.jax as wj\n"
            "wj.create(1000, wf.Normal(), seed=1).block_until_ready()",
            "array = wj.create((size // 4,), wf.Normal(), seed=1).block_until_ready()",
            "size",
            self._size,
        )

    def keras(self) -> Iterator[Figure]:
        """Building a model in Keras (its torch backend, unless KERAS_BACKEND is set), as it is and in `patched()`."""
        if not installed("keras"):
            return
        os.environ.setdefault("KERAS_BACKEND", "torch")
        keras, ours = import_module("keras"), import_module("weightfill.keras")
        layers = min(12, max(1, self._size // (20 * MEGABYTE)))
        build = partial(import_module("benchmarks.bert_in_keras").bert, layers)
        mine, other = in_turns(ours.patched()(build), build)
        yield times_faster(f"keras patched(): BERT, {layers} layers, on {keras.backend.backend()}", 4, mine, other)

    def dask(self) -> Iterator[Figure]:
        """Two workers, against one fill in this process."""
        if not installed("dask"):
            return
        dask, ours = import_module("dask"), import_module("weightfill.dask")
        shape = (self._size // 512, 128)
        whole = partial(wf.create, shape, NORMAL, seed=SEED, stream=STREAM)
        touched = self._memory(self._size).view(np.float32).reshape(shape)
        seeds = count()

        def create(seed: int) -> Any:
            return ours.create(shape, NORMAL, seed=seed, stream=STREAM)

        with dask.config.set(scheduler="threads", num_workers=2):
            assert (create(SEED).compute() == whole()).all()
            mine, other = take_turns(lambda: create(next(seeds)).persist(), whole, budget=4 * BUDGET)
        rate = "of one create's rate"
        yield at_least(f"dask, 2 threads, {shape[0]:,} x 128, persist", 0.7, mine, other, rate)
        yield from self._cluster(create, whole, touched)

    def _cluster(self, create: Callable[[int], Any], whole: Task, touched: Any) -> Iterator[Figure]:
        if not installed("distributed"):
            return
        distributed, seeds = import_module("distributed"), count()
        fill = partial(wf.fill, touched, NORMAL, seed=SEED, stream=STREAM)
        cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
        with cluster, distributed.Client(cluster):

            def persist() -> None:  # another seed each time: the cluster may still have what was dropped
                distributed.wait(create(next(seeds)).persist())

            mine, other = take_turns(persist, whole, budget=4 * BUDGET)
            yield at_least("dask, 2 worker processes, persist", 0.7, mine, other, "of one create's rate")
            mine, other = take_turns(persist, fill, budget=4 * BUDGET)
            yield at_least("dask, 2 worker processes, persist", 0.7, mine, other, "of one fill's rate, memory touched")

    def datasets(self) -> Iterator[Figure]:
        """Filled, against zeros written into the same dataset in the same blocks."""
        if not (installed("h5py") and installed("zarr")):
            return
        h5py, zarr = import_module("h5py"), import_module("zarr")
        shape, rows = (self._size // 512, 128), 2**14  # of 8 MB
        zeros = np.zeros((rows, 128), np.float32)

        def write_zeros(dataset: Any) -> None:
            for row in range(0, shape[0], rows):
                dataset[row : row + rows] = zeros[: shape[0] - row]

        with TemporaryDirectory(dir="/dev/shm") as folder, h5py.File(f"{folder}/table.h5", "w") as file:
            stored = {
                "HDF5, contiguous": file.create_dataset("contiguous", shape, "f4"),
                "HDF5, chunks of 1 MB": file.create_dataset("chunks", shape, "f4", chunks=(2**11, 128)),
                "zarr, chunks of 4 MB, not compressed": zarr.create_array(
                    f"{folder}/table.zarr",
                    shape=shape,
                    chunks=(2**13, 128),
                    dtype="f4",
                    compressors=None,
                    config={"write_empty_chunks": True},
                ),
            }
            for name, dataset in stored.items():
                fill = partial(wf.fill, dataset, NORMAL, seed=SEED, stream=STREAM)
                fill()
                assert wf.verify(dataset, NORMAL, seed=SEED, stream=STREAM)
                mine, other = take_turns(fill, partial(write_zeros, dataset), budget=4 * BUDGET)
                yield at_least(name, 0.5, mine, other, "of the rate of zeros written")


if __name__ == "__main__":
    groups = ("torch", "calls", "models", "checkpoints", "jax", "keras", "dask", "datasets")
    sys.exit(run("framework_figures", __doc__, FrameworkFigures, groups, "256MB"))
