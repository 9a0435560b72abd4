"""Taps in a model: what comes out of each layer in a forward pass, and the gradients there in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import Module
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils.hooks import RemovableHandle

from weightfill._models.wrappers import place
from weightfill._run.progress import Tick
from weightfill.signals._measures import Array, Compared, Spread, compared, evenly_taken, spread
from weightfill.torch._signals.undisturbed import tensors_in
from weightfill.torch._signals.units import UnitAxes, activation_of, by_units, weight_of


@dataclass
class Tap:
    """What was measured at one call of a module.

    Attributes:
        name: of the module, and the number of the call if it is not the first.
        module: that was called.
        given, made: the shapes of its first input and of its first floating output.
        units: how many outputs there are for each sample and position.
        weight: what it used, if it has one.
        outputs, units_compared, saturated: of its first floating output; NaN for functions without bounds.
        gradients: there; None where there was no gradient.
    """

    name: str
    module: Module
    given: torch.Size
    made: torch.Size
    units: int
    weight: Tensor | None
    outputs: Spread
    units_compared: Compared
    saturated: float
    gradients: Spread | None = None


class Taps:
    """Hooks in all modules of a model, of which those are measured that call no others.

    An output that needs no gradient by itself, as behind frozen parameters, is given one, so that all gradients are
    seen.
    """

    def __init__(self, model: Module) -> None:
        self.found: list[Tap] = []
        self.starts: list[Tensor] = []  # to which gradients go where no parameter needs them
        self._names = {
            part: place(model, f"{path}.weight")[0].rpartition(".")[0] if path else type(model).__name__
            for path, part in model.named_modules()
        }
        chains = [part for part in model.modules() if isinstance(part, ParametrizationList)]
        self._within_chains = {part for chain in chains for part in chain.modules()}
        self._computed: dict[Module, Tensor] = {}
        self._calls: list[tuple[Module, int]] = []  # that have begun, and what had been found before
        self._times: dict[Module, int] = {}
        self._axes = UnitAxes()
        self._going_back = False
        self._layers = sum(not part._modules for part in self._names if part not in self._within_chains)
        self._tick: Tick | None = None
        self._gradients = 0
        self._handles: list[RemovableHandle] = []

    @property
    def total(self) -> int:
        """The number of steps of progress: calls forward and backward, if each layer is called once."""
        return 2 * self._layers

    @contextmanager
    def open(self, tick: Tick | None) -> Iterator[None]:
        """Keep the hooks while the block runs, and tell `tick` of calls that are done."""
        self._tick = tick
        try:
            for part in self._names:
                self._handles.append(part.register_forward_pre_hook(self._begun))
                self._handles.append(part.register_forward_hook(self._ended, with_kwargs=True))
            yield
        finally:
            for handle in self._handles:
                handle.remove()

    def go_back(self) -> None:
        """Say that the forward pass is over: what is called now is computed again, for a checkpoint."""
        self._going_back = True

    def _begun(self, module: Module, args: tuple[Any, ...]) -> None:
        self._calls.append((module, len(self.found)))

    def _ended(self, module: Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> Any:
        before = len(self.found)
        while self._calls:  # a call that a model gave up, catching an exception, has not ended
            begun, before = self._calls.pop()
            if begun is module:
                break
        if isinstance(module, ParametrizationList) and isinstance(output, Tensor):
            self._computed[module] = output
        if module in self._within_chains or len(self.found) > before:
            return None
        first = next((tensor for tensor in tensors_in(output) if _has_values(tensor)), None)
        if first is None:
            return None
        if not self._going_back:
            self._measure(module, next(tensors_in((args, kwargs)), first).shape, first)
        if output is first and not first.requires_grad and torch.is_grad_enabled():
            first = first + self._start(first)
        if first.requires_grad and not self._going_back:
            self._handles.append(first.register_hook(self._gradient_at(self.found[-1])))
        return first if isinstance(output, Tensor) else None

    def _measure(self, module: Module, given: torch.Size, output: Tensor) -> None:
        times = self._times[module] = self._times.get(module, 0) + 1
        name = self._names[module] if times == 1 else f"{self._names[module]} ({_ordinal(times)} call)"
        axis = self._axes.of(module, output)
        values = by_units(output, axis)
        activation = activation_of(module)
        bounded = activation is not None and activation.bounds is not None
        chains = getattr(module, "parametrizations", {})
        weight = weight_of(module, self._computed.get(chains["weight"]) if "weight" in chains else None)
        self.found.append(
            Tap(
                name,
                module,
                given,
                output.shape,
                output.shape[axis] if output.dim() else 1,
                weight,
                spread(values),
                compared(values, _product),
                activation.saturated(evenly_taken(values)) if activation is not None and bounded else float("nan"),
            )
        )
        if self._tick:
            self._tick(min(len(self.found), self._layers))

    def _start(self, output: Tensor) -> Tensor:
        # What is added is -0.0, which changes no number, not even +0.0 or -0.0.
        start = torch.full((), -0.0, dtype=output.dtype, device=output.device, requires_grad=True)
        self.starts.append(start)
        return start

    def _gradient_at(self, tap: Tap) -> Any:
        def measure(gradient: Tensor) -> None:
            tap.gradients = spread(by_units(gradient, max(0, gradient.dim() - 1)))
            self._gradients += 1
            if self._tick:
                self._tick(self._layers + min(self._gradients, self._layers))

        return measure


def _has_values(tensor: Tensor) -> bool:
    """Whether there are numbers to measure: not for an expert without tokens, within vmap, or of ragged rows."""
    return tensor.is_floating_point() and not (
        is_functorch_wrapped_tensor(tensor) or tensor.is_nested or tensor.is_sparse or not tensor.numel()
    )


def _product(left: Array, right: Array) -> Array:
    with torch.autocast("cpu", enabled=False):  # in which the model may run
        return np.asarray(torch.mm(torch.from_numpy(left), torch.from_numpy(right)).numpy())


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
