"""LSUV: every layer's output brought to unit variance, in one forward pass, as a plan that needs no data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.nn import Module

from weightfill._arguments.messages import listed, shown
from weightfill._fill import create
from weightfill._initializers.base import Initializer
from weightfill._initializers.structured import Scaled, computed_dtype, times
from weightfill._models.rules import Rule
from weightfill._plan import Plan
from weightfill._run.progress import Progress, Tick, ticking
from weightfill._scaled_plan import (
    LayerScale,
    Parts,
    ScaledPlan,
    check_search,
    off_unit,
    scaled_plan,
    scaled_to_unit,
)
from weightfill.torch._assignment import assigned
from weightfill.torch._fill import fill
from weightfill.torch._memory import torch_threads
from weightfill.torch._modules import initialize
from weightfill.torch._signals.one_pass import Reached, Visit, check_model, one_pass, parts, restored_on_error, variance
from weightfill.torch._signals.weighted import WeightedLayer, adds_to_its_weight, weighted_layers
from weightfill.torch._views import array_of


def lsuv(
    model: Module,
    batch: Any,
    plan: Plan,
    *,
    tolerance: float = 0.02,
    trials: int = 10,
    layers: str | Sequence[str] = "*",
    group: Any = None,
    threads: int | None = None,
    progress: Progress = None,
) -> ScaledPlan:
    """Fill a model by a plan, scale layer after layer so that its output has std 1, and return the plan of the result.

    This is LSUV (Mishkin and Matas, "All you need is a good init", ICLR 2016, algorithm 1) in one forward pass. When
    the pass reaches a layer, its weight is multiplied by a factor, its output is computed again, and goes on. The
    standard deviation is that over all elements of the layer's own output, before any nonlinearity, summed in float64.
    Biases are left as they are, as in the paper; a plan usually makes them zero. The paper starts from `Orthogonal()`;
    any initializer will do. The batch should have unit variance, as normalized inputs have.

    The plan that is returned has a rule with `Scaled(of, factor)` for each weight that is scaled, and then the rules of
    `plan`. The model has exactly the values of `initialize(model, returned)`, bit for bit. So the result can be written
    with `to_toml()`, verified, and used for shards, all without the data. `returned.layers` and `returned.report()` say
    what was measured.

    - Layers are all modules with a `weight` of 2 or more dimensions, except embeddings and norms: Linear, Bilinear,
      convolutions, and others such as transformers' Conv1D. Of MultiheadAttention it is the output projection.
      Recurrent layers have no such weight and are left as they are.
    - With `weight_norm` the magnitude is scaled (`original0`, or `weight_g`). Weights that are computed otherwise, as
      by `spectral_norm`, are left as they are.
    - A layer that is called several times is scaled by its first call. Tied layers are scaled once, by the first call
      of any of them; a weight that is also an embedding is left as it is.
    - The model stays in its mode (train or eval). Buffers, such as running statistics of norms, gradients and torch's
      random generators do not change.
    - If torch.distributed is set up, all ranks must make this call, with the same model, each with its own batch. They
      add their sums, so all get the same factors.

    If anything fails, parameters and buffers have the values from before. They are kept in memory meanwhile.

    Args:
        model: a module with parameters on the CPU, as for `initialize`.
        batch: what the model is called with: a tensor, a tuple or list of all positional arguments, or a mapping of
            keyword arguments.
        plan: what to draw.
        tolerance: how far from 1 the std of a layer's output may be, between 0 and 1.
        trials: how often a layer is scaled at most, at least 1; one trial is enough where the output is linear in the
            weight.
        layers: a pattern of names of weights, or several; other layers are not scaled.
        group: the torch.distributed process group whose ranks have this model. The default is all ranks.
        threads: the most threads with which to fill. The default is `get_threads()` for large arrays and 1 for small
            ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished layers.

    >>> import torch
    >>> import weightfill.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8))
    >>> batch = torch.from_numpy(create((256, 64), Normal(), seed=1, stream="batch"))
    >>> plan = Plan({"*.bias": Zeros(), "*": Normal(std=0.01)}, seed=42)
    >>> scaled = weightfill.torch.lsuv(model, batch, plan)
    >>> scaled.rule("0.weight").init
    Scaled(of=Normal(mean=0.0, std=0.01), factor=12.62)
    >>> print(scaled.report())
    weight    layer       std  scaled  factor  trials  note
    0.weight  Linear  0.07922  0.9998   12.62       1
    2.weight  Linear  0.03689       1   27.11       1
    >>> bool(weightfill.torch.verify(model, scaled))
    True

    Warns:
        UserWarning: a layer was called whose output does not have std 1 afterwards; the message says why.

    Raises:
        TypeError: `model` is not a torch module, `plan` is not a Plan, or another argument has a wrong type.
        ValueError: an error of `initialize`; `tolerance`, `trials` or `layers` is out of range; a parameter is on
            another device or sharded; or the batch, or what a layer gives, has NaN or infinity.
    """
    tolerance, trials = check_search(tolerance, trials)
    check_model(model, plan, batch, threads, progress)
    tensors, rules, _, _, kept, _ = assigned(model, plan)
    found = [_unless_kept(layer, kept) for layer in weighted_layers(model, tensors | kept)]
    chosen = _chosen(found, layers)
    scaling = _Scaling(plan, rules, tolerance, trials, group, threads)
    with restored_on_error(model):
        initialize(model, plan, threads=threads, progress=progress is True)
        with ticking(progress, len(chosen), "scaling layers") as tick:
            scaling.tick = tick
            scaled = [layer for layer in chosen if layer.param is not None]
            one_pass(model, batch, {module: scaling.visit(layer) for layer in scaled for module in layer.modules})
            if tick is not None and len(scaling.found) < len(chosen):
                tick(len(chosen))
    rows = scaling.rows(chosen)
    off = off_unit(rows, tolerance)
    if off:
        warnings.warn(off, stacklevel=2)
    return scaled_plan(plan, rules, rows)


def _unless_kept(layer: WeightedLayer, kept: Mapping[str, Tensor]) -> WeightedLayer:
    """Return a layer, left as it is if the plan leaves its weight."""
    if layer.name not in kept:
        return layer
    return layer._replace(param=None, note="left as it is: its rule is KeepValues()")


def _chosen(found: Iterable[WeightedLayer], layers: object) -> list[WeightedLayer]:
    patterns = [layers] if isinstance(layers, str) else layers
    if not isinstance(patterns, tuple | list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"layers must be a pattern of names of weights, or several, got {shown(layers)}")
    given = list(found)
    for pattern in patterns:
        if not any(fnmatchcase(layer.name, pattern) for layer in given):
            raise ValueError(
                f"layers must match weights of layers, got {shown(pattern)}, which matches none of "
                f"{listed(layer.name for layer in given) or 'a model without any'}"
            )
    return [layer for layer in given if any(fnmatchcase(layer.name, pattern) for pattern in patterns)]


class _Scaling:
    """The search for all factors: what was found so far."""

    def __init__(
        self, plan: Plan, rules: dict[str, Rule], tolerance: float, trials: int, group: Any, threads: int | None
    ) -> None:
        self.plan, self.rules, self.group, self.threads = plan, rules, group, threads
        self.tolerance, self.trials = tolerance, trials
        self.found: dict[str, LayerScale] = {}
        self.calls: dict[str, int] = {}
        self.tick: Tick | None = None
        self.replaying = False

    def visit(self, layer: WeightedLayer) -> Visit:
        """Return what happens when a layer is reached."""

        def reached(call: Reached) -> Any:
            if layer.name in self.found:
                self.calls[layer.name] += not self.replaying
                return None
            return self._scaled(layer, call)

        return reached

    def _scaled(self, layer: WeightedLayer, call: Reached) -> Any:
        name, output = layer.name, call.output
        assert layer.param is not None
        before = variance(name, output, self.group)
        if math.isnan(before):  # no elements, as of an expert that no sample has reached yet
            return None
        # A layer around others calls them again when it is called again.
        outer, self.replaying = self.replaying, True
        weight = _Weight(layer.param, self.rules[name].init, self.plan.seed or 0, name, self.threads)

        def measure(factor: float) -> float:
            nonlocal output
            weight.write(factor)
            output = call.again()
            return variance(name, output, self.group)

        def found_parts() -> Parts:
            found = None
            if adds_to_its_weight(call.module):
                weight.write(0.0)
                found = parts(name, call.output, call.again(), self.group)
                weight.write(1.0)
            return found or Parts(before)

        self.found[name] = scaled_to_unit(
            LayerScale(name, layer.kind, note=layer.note),
            before,
            found_parts,
            measure,
            tolerance=self.tolerance,
            trials=self.trials,
        )
        self.replaying, self.calls[name] = outer, 1
        if self.tick is not None:
            self.tick(len(self.found))
        return output

    def rows(self, layers: Iterable[WeightedLayer]) -> list[LayerScale]:
        """Return what was found of each layer: first those that were reached, in their order, then the others."""
        rest = [layer for layer in layers if layer.name not in self.found]
        never = [LayerScale(layer.name, layer.kind, note=layer.note or "never called") for layer in rest]
        return [*(self._with_calls(layer) for layer in self.found.values()), *never]

    def _with_calls(self, layer: LayerScale) -> LayerScale:
        calls = self.calls[layer.name]
        if calls == 1:
            return layer
        said = f"called {calls} times, scaled by the first"
        return layer._replace(note=f"{layer.note}; {said}" if layer.note else said)


class _Weight:
    """A weight that is written again with other factors."""

    def __init__(self, param: Tensor, init: Initializer, seed: int, name: str, threads: int | None) -> None:
        self.param, self.init, self.seed, self.name, self.threads = param, init, seed, name, threads
        self._made: npt.NDArray[Any] | None = None

    def write(self, factor: float) -> None:
        """Fill the parameter with its values times a factor, as `Scaled` has them; 1 and 0 are none."""
        if self.init.whole() is not None:
            array = array_of(self.param)
            assert array is not None  # it is filled
            array[...] = times(self._whole(array), factor, array.dtype)
            increment_version(self.param)
        elif factor == 0:
            self.param.zero_()
        else:
            init = self.init if factor == 1 else Scaled(self.init, factor)
            try:
                fill(self.param, init, seed=self.seed, stream=self.name, threads=self.threads)
            except ValueError as error:
                raise ValueError(f"params[{shown(self.name)}], {shown(init)}: {error}") from error

    def _whole(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what Scaled multiplies. It takes long to make, so it is made once, or taken from the parameter."""
        if self._made is None:
            wide = computed_dtype(array.dtype)
            if array.dtype == wide:
                self._made = np.array(array)  # as `initialize` has filled it
            else:
                threads = torch_threads(array.size, self.threads)
                self._made = create(
                    array.shape, self.init, seed=self.seed, stream=self.name, dtype=wide, threads=threads
                )
        return self._made
