"""The figures of recorded plans: models of transformers by their own plan, beside their plain construction."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

import weightfill as wf
from benchmarks.cases import SEED
from benchmarks.figure import Figure, at_least, run
from benchmarks.framework_figures import times_faster
from benchmarks.peers import installed
from weightfill._run.allocation import empty
from weightfill.benchmark import take_turns

GIGABYTE = 2**30
PAGE = 4096
NORMAL = wf.Normal(std=0.02)
SECONDS, MEMORY = 30.0, 2 * GIGABYTE  # that recording the largest model may take
# Prints the seconds of recording a model and of its plan, three times each, and the most memory that the process had.
LARGE = """
import time
from transformers import AutoModelForCausalLM, LlamaConfig
import weightfill.torch as wt
config = LlamaConfig(
    hidden_size=8192, intermediate_size=28672, num_hidden_layers={layers}, num_attention_heads=64,
    num_key_value_heads=8, vocab_size=128256,
)
for _ in range(3):
    began = time.perf_counter()
    with wt.recording() as recorded:
        model = AutoModelForCausalLM.from_config(config)
    built = time.perf_counter()
    plan = recorded.plan(model, seed=42)
    print(built - began, time.perf_counter() - built)
print(sum(param.numel() for param in model.parameters()))
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")) * 1024)
"""


def free(size: int) -> None:
    """Let the system have so much free memory that was used just now.

    Hosts of virtual machines take memory back that is free for seconds. To get it again may take longer than all else;
    so what runs first after a long task would pay for that.
    """
    empty((size,), np.dtype(np.uint8))[::PAGE] = 1


class RecordingFigures:
    """The measurements, in groups; `size` is the bytes of a loaded state. With less than 1 GB models are smaller."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._share = min(1.0, size / GIGABYTE)

    def llama_70b(self) -> Iterator[Figure]:
        """Recording a model with the shapes of Llama 3 70B, and its plan, in a process of its own."""
        if not installed("transformers"):
            return
        script = LARGE.format(layers=self._some(80))
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        *times, count, memory = done.stdout.split()
        recording, planning = [float(t) for t in times[::2]], [float(t) for t in times[1::2]]
        billions = f"{int(count) / 1e9:.3g}"
        for what, seconds in (("recording", recording), ("its plan", planning)):
            reached = median(seconds)
            spread = f"{min(seconds):.2f} to {max(seconds):.2f} s"
            yield Figure(
                f"Llama of {billions} billion parameters, {what}",
                f"<= {SECONDS:g} s",
                f"{reached:.2f} s",
                f"{min(seconds):.2f} s",
                spread,
                reached <= SECONDS,
            )
        yield Figure(
            f"Llama of {billions} billion parameters, memory of the whole process",
            f"<= {MEMORY / 1e6:.0f} MB",
            f"{int(memory) / 1e6:.0f} MB",
            "",
            "",
            int(memory) <= MEMORY,
        )

    def gpt2(self) -> Iterator[Figure]:
        """GPT-2 with 12 layers."""
        yield from self._model(
            "GPT-2", 10, "CausalLM", "GPT2Config", n_layer=self._some(12), vocab_size=self._some(50257)
        )

    def vit(self) -> Iterator[Figure]:
        """ViT-Base."""
        yield from self._model("ViT", 5, "ImageClassification", "ViTConfig", num_hidden_layers=self._some(12))

    def clip(self) -> Iterator[Figure]:
        """CLIP with ViT-B/32."""
        layers = {"num_hidden_layers": self._some(12)}
        yield from self._model("CLIP", 5, "", "CLIPConfig", text_config=layers, vision_config=layers)

    def llama_1b(self) -> Iterator[Figure]:
        """The shapes of Llama 3.2 1B."""
        yield from self._model(
            "Llama 1B",
            5,
            "CausalLM",
            "LlamaConfig",
            hidden_size=2048,
            intermediate_size=8192,
            num_hidden_layers=self._some(16),
            num_attention_heads=32,
            num_key_value_heads=8,
            vocab_size=self._some(128256),
            tie_word_embeddings=True,
        )

    def reader(self) -> Iterator[Figure]:
        """Loading a state by `PlanReader`, beside fills of the same tensors, touched before."""
        if not installed("torch"):
            return
        torch, ours = import_module("torch"), import_module("weightfill.torch")
        dcp = import_module("torch.distributed.checkpoint")
        side = max(1, int((self._size / 64) ** 0.5))
        module = torch.nn.Sequential(*(torch.nn.Linear(side, side, bias=False) for _ in range(16)))
        plan = wf.Plan({"*": NORMAL}, seed=SEED)
        state = {name: torch.zeros_like(tensor) for name, tensor in module.state_dict().items()}

        def load() -> None:
            with warnings.catch_warnings():  # that there is one process only
                warnings.simplefilter("ignore")
                dcp.load(state, storage_reader=ours.PlanReader(plan, module))

        def fill() -> None:
            for name, tensor in state.items():
                ours.fill(tensor, NORMAL, seed=SEED, stream=name)

        load()
        for name, tensor in state.items():
            assert wf.verify(tensor.numpy(), NORMAL, seed=SEED, stream=name), name
        mine, other = take_turns(load, fill, budget=5)
        name = f"dcp.load by PlanReader, 16 tensors of {side} x {side} float32"
        yield at_least(name, 0.7, mine, other, "of fill's rate")

    def _some(self, full: int) -> int:
        """Return so many layers, or rows, as a model of this share of the full size has."""
        return max(1, round(full * self._share))

    def _model(self, name: str, wanted: float, head: str, kind: str, **options: Any) -> Iterator[Figure]:
        """Compare a model by its recorded plan with its plain construction; the three ways take turns."""
        if not installed("transformers"):
            return
        transformers, ours = import_module("transformers"), import_module("weightfill.torch")
        transformers.logging.set_verbosity_error()
        auto = getattr(transformers, f"AutoModelFor{head}" if head else "AutoModel")
        build: Callable[[], Any] = partial(auto.from_config, getattr(transformers, kind)(**options))
        with ours.recording() as recorded:
            model = build()
        plan = recorded.plan(model, seed=SEED)
        assert ours.verify(ours.materialize(model, plan), plan), name
        count = sum(param.numel() for param in model.parameters())
        millions = f"{name}, {count / 1e6:.0f} million parameters"
        del model

        def by_plan() -> None:
            with ours.recording():
                model = build()
            ours.materialize(model, plan)

        def first_time() -> None:
            with ours.recording() as recorded:
                model = build()
            ours.materialize(model, recorded.plan(model, seed=SEED))

        mine, first, other = take_turns(
            by_plan, first_time, build, budget=15 * self._share, at_least=3, before=partial(free, 4 * count)
        )
        yield times_faster(f"{millions}: built and made by its plan", wanted, mine, other)
        yield times_faster(f"{millions}: recorded, planned and made", wanted, first, other)


if __name__ == "__main__":
    groups = ("llama_70b", "gpt2", "vit", "clip", "llama_1b", "reader")
    sys.exit(run("recording_figures", __doc__, RecordingFigures, groups, "1GB"))
