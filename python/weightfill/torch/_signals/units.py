"""What torch modules are to a theory of signals: their units, weights and activations."""

from __future__ import annotations

import math
import re

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import Module
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from weightfill.signals._activations import Activation, as_activation, leaky_relu
from weightfill.signals._measures import Array

_NAMES: dict[type[Module], str] = {
    nn.CELU: "elu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.Hardswish: "hardswish",
    nn.Mish: "mish",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.SELU: "selu",
    nn.SiLU: "silu",
    nn.Sigmoid: "logistic",
    nn.Softplus: "softplus",
    nn.Softsign: "softsign",
    nn.Tanh: "tanh",
}


def activation_of(module: Module) -> Activation | None:
    """Return what the theory knows of an activation module; None of other modules and of parameters it lacks."""
    if isinstance(module, nn.LeakyReLU):
        return leaky_relu(module.negative_slope)
    if isinstance(module, nn.PReLU):
        return leaky_relu(module.weight.item()) if module.weight.numel() == 1 and not module.weight.is_meta else None
    if type(module) is nn.Hardtanh:
        return _clipped("hardtanh", 1.0, 0.0, module.min_val, module.max_val)
    if isinstance(module, nn.Hardsigmoid):
        return _clipped("hardsigmoid", 1 / 6, 0.5, 0.0, 1.0)
    name = _NAMES.get(type(module))
    if name is None or getattr(module, "alpha", 1.0) != 1 or getattr(module, "beta", 1.0) != 1:
        return None
    return as_activation("gelu_tanh" if getattr(module, "approximate", None) == "tanh" else name)


def _clipped(name: str, rise: float, middle: float, low: float, high: float) -> Activation:
    """Return the line rise * x + middle, between bounds."""
    kinks = ((low - middle) / rise, (high - middle) / rise)

    def slope(x: Array, y: Array) -> Array:
        return np.where((x > kinks[0]) & (x < kinks[1]), rise, 0.0).astype(x.dtype)

    return Activation(name, lambda x: np.clip(rise * x + middle, low, high), slope, kinks, (low, high))


class UnitAxes:
    """Which axis of an output counts the units, told in the order in which modules are called."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], int] = {}

    def of(self, module: Module, output: Tensor) -> int:
        """Return the axis: that of channels for convolutions, pooling and norms over channels, else the last.

        A module that says nothing of it, such as an activation, has the axis of the last one that had outputs with as
        many dimensions and as much in axis 1.
        """
        dims: int = output.dim()
        spatial = re.search(r"([123])d$", type(module).__name__.removeprefix("Parametrized"))
        if dims < 2:
            return 0
        if isinstance(module, _NormBase | nn.GroupNorm):
            axis = 1
        elif spatial and dims > int(spatial[1]):
            axis = dims - 1 - int(spatial[1])
        elif module._parameters or "weight" in vars(module):
            axis = dims - 1
        else:
            return self._known.get((dims, output.shape[1]), dims - 1)
        self._known[dims, output.shape[1]] = axis
        return axis


def by_units(values: Tensor, axis: int) -> Array:
    """Return values on the CPU, in float32 or float64, of shape (samples, units, positions) or (samples, units)."""
    held = values.detach()
    held = held.to("cpu", torch.float64 if held.dtype == torch.float64 else torch.float32)
    if not held.dim():
        return np.asarray(held.reshape(1, 1).numpy())
    samples, units = math.prod(held.shape[:axis]), held.shape[axis]
    rest = (math.prod(held.shape[axis + 1 :]),) if axis < held.dim() - 1 else ()
    return np.asarray(held.reshape(samples, units, *rest).numpy())


def weight_of(module: Module, computed: Tensor | None) -> Tensor | None:
    """Return the weight that a module has just used, or of several the first with 2 dimensions; None without one.

    Args:
        module: with or without a weight.
        computed: its weight, if it is parametrized.
    """
    if computed is not None:
        return computed
    weight = module._parameters.get("weight", vars(module).get("weight"))  # torch's old weight_norm keeps a plain one
    if isinstance(weight, Tensor):
        return weight
    return next((param for param in module._parameters.values() if param is not None and param.dim() > 1), None)


def rows_of(module: Module, weight: Tensor, units: int) -> Tensor | None:
    """Return a weight with a row for each unit; None if it does not have one, as those of norms and embeddings."""
    if weight.dim() < 2 or isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return None
    if isinstance(module, _ConvTransposeNd):
        return weight.transpose(0, 1).flatten(1) if weight.shape[1] == units else None
    if weight.shape[0] == units:
        return weight.flatten(1)
    return weight.t() if weight.dim() == 2 and weight.shape[1] == units else None


def equal_rows(rows: Tensor, rounding: float = 0.0) -> bool:
    """Whether there are several rows, or numbers, and all are the same, but for so much of their largest number."""
    if len(rows) < 2:
        return False
    tolerance = rounding * rows[0].abs().max()
    return all(bool(((part - rows[:1]).abs() <= tolerance).all()) for part in (rows[:2], rows))


def links(module: _ConvNd, given: torch.Size, made: torch.Size) -> tuple[float, float]:
    """Return how many inputs reach an output, and how many outputs an input reaches, on average over an image.

    Zeros beside the image do not count.

    Args:
        module: a convolution.
        given: the shape of its input.
        made: the shape of its output.
    """
    outward, inward = module.out_channels / module.groups, module.in_channels / module.groups
    dims = len(module.kernel_size)
    for axis in range(dims):
        length, outputs = given[axis - dims], made[axis - dims]
        kernel, stride, dilation = module.kernel_size[axis], module.stride[axis], module.dilation[axis]
        if module.padding_mode != "zeros":
            taps = outputs * kernel
        else:
            total = dilation * (kernel - 1)
            before = (
                (total // 2 if module.padding == "same" else 0)
                if isinstance(module.padding, str)
                else module.padding[axis]
            )
            places = stride * np.arange(outputs)[:, None] + dilation * np.arange(kernel) - before
            taps = int(np.count_nonzero((places >= 0) & (places < length)))
        inward, outward = inward * taps / outputs, outward * taps / length
    return inward, outward
