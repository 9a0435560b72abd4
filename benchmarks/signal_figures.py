"""The figures of signals: what measuring costs beside the passes that are measured."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

import weightfill as wf
from benchmarks.cases import SEED
from benchmarks.figure import Figure, run
from benchmarks.lsuv_figures import lsuv_figures
from benchmarks.peers import installed
from benchmarks.timing import ratio, ratio_of_minima, spread
from weightfill import signals
from weightfill.benchmark import Task, take_turns
from weightfill.signals._activations import as_activation
from weightfill.signals._networks import Array, backward, forward, stack_of

LAYERS = 50


def at_most(name: str, wanted: float, unit: str, ours: Task, theirs: Task, budget: float = 8) -> Figure:
    """Compare the time of a task with that of what it stands on; both take turns."""
    mine, other = take_turns(ours, theirs, budget=budget, at_least=3)
    reached, best, (low, high) = (f(mine, other) for f in (ratio, ratio_of_minima, spread))
    text = f"{low:.2f} to {high:.2f}; {1e3 * median(mine):.0f} of {1e3 * median(other):.0f} ms"
    return Figure(name, f"<= {wanted:g} {unit}", f"{reached:.2f}", f"{best:.2f}", text, reached <= wanted)


class SignalFigures:
    """The measurements, in groups; `size` is the bytes of one layer's outputs, as many samples as units."""

    def __init__(self, size: int) -> None:
        self._width = max(16, math.isqrt(size // 4))

    def propagation(self) -> Iterator[Figure]:
        """What `propagation` takes, beside one forward and one backward pass in NumPy."""
        width = self._width
        stack = stack_of(f"{width}x{LAYERS + 1}")
        weights = [
            wf.create(layer.weight_shape, wf.XavierNormal(), seed=SEED, stream=layer.name) for layer in stack.layers
        ]
        batch = wf.create((width, width), wf.Normal(), seed=SEED, stream="batch")
        for activation in ("relu", "tanh"):
            yield at_most(
                f"propagation, NumPy, {LAYERS} layers of {width} {activation}, {width} samples",
                3,
                "forward and backward passes",
                partial(signals.propagation, stack.text, activation, "xavier_normal", samples=width),
                partial(_passes, stack.text, weights, batch, activation),
            )

    def torch_propagation(self) -> Iterator[Figure]:
        """What `weightfill.torch.propagation` takes, beside the model's own forward and backward pass."""
        if not installed("torch"):
            return
        torch, ours = import_module("torch"), import_module("weightfill.torch")
        nn, width = torch.nn, self._width
        channels, features = max(4, width // 16), max(16, width // 2 // 8 * 8)
        dense = [part for _ in range(10) for part in (nn.Linear(width, width), nn.Tanh())]
        images = [
            part
            for number in range(8)
            for part in (
                nn.Conv2d(channels if number else 3, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            )
        ]
        encoder = nn.TransformerEncoderLayer(features, 8, 4 * features, batch_first=True)
        models = [
            (f"10 layers of {width} tanh, {width} samples", nn.Sequential(*dense), (width, width)),
            (f"8 convolutions of {channels} channels with norms", nn.Sequential(*images), (32, 3, 32, 32)),
            (
                f"2 blocks of a transformer of width {features}, 8 x 128 tokens",
                nn.TransformerEncoder(encoder, 2, enable_nested_tensor=False),
                (8, 128, features),
            ),
        ]
        for name, model, shape in models:
            batch = torch.from_numpy(wf.create(shape, wf.Normal(), seed=SEED, stream="batch"))
            yield at_most(
                f"propagation, torch, {name}",
                2,
                "of the model's own passes",
                partial(ours.propagation, model, batch),
                partial(_own_passes, model, batch),
            )

    def lsuv(self) -> Iterator[Figure]:
        """What LSUV of a torch model takes, beside one forward pass and the package `lsuv`, where that is there."""
        yield from lsuv_figures(self._width // 4)


def _own_passes(model: Any, batch: Any) -> None:
    """Pass a batch forward through a torch model and gradients backward."""
    output = model(batch)
    output.backward(batch.new_ones(output.shape))
    for parameter in model.parameters():
        parameter.grad = None


def _passes(sizes: str, weights: list[Array], batch: Array, name: str) -> None:
    """Pass a batch forward and gradients backward through a stack, and measure nothing."""
    stack, activation, steps = stack_of(sizes), as_activation(name), []
    bias = np.zeros(stack.layers[0].weight_shape[0], np.float32)
    for layer, weight in zip(stack.layers, weights, strict=True):
        steps.append(forward(layer, batch, weight, bias, activation))
        batch = steps[-1].after
    gradient = np.ones_like(batch)
    for layer, step in zip(reversed(stack.layers), reversed(steps), strict=True):
        gradient, _, _ = backward(layer, step, gradient, activation)


if __name__ == "__main__":
    sys.exit(run("signal_figures", __doc__, SignalFigures, ("propagation", "torch_propagation", "lsuv"), "4MB"))
