"""What theory predicts: the variance of signals and gradients from layer to layer of a wide random network.

In a wide layer with independent weights of mean 0, each input of the activation is a sum of many terms, so it is
normal. With q the variance of these inputs, f the activation and z standard normal (Poole et al., "Exponential
expressivity in deep neural networks through transient chaos", NeurIPS 2016, equations 3 to 5; Schoenholz et al., "Deep
information propagation", ICLR 2017, equations 9 to 12):

    q' = weight_var * E[f(sqrt(q) z)^2] + bias_var          from layer to layer, forward
    g  = weight_var * E[f'(sqrt(q) z)^2] * g'               from layer to layer, backward

where weight_var is the number of inputs (backward: of outputs) times the variance of one weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from weightfill._arguments.messages import shown
from weightfill._initializers.quadrature import REACH, normal_nodes
from weightfill.signals._activations import Activation, as_activation


class Passed(NamedTuple):
    """What an activation makes of normal inputs of mean 0: moments of its outputs and of its slope."""

    mean: float
    square: float
    slope_square: float

    @property
    def std(self) -> float:
        """The standard deviation of the outputs."""
        return math.sqrt(max(0.0, self.square - self.mean**2)) if self.square < math.inf else self.square


@lru_cache(maxsize=4096)
def passed(activation: Activation, variance: float, mean: float = 0.0) -> Passed:
    """Return what an activation makes of normal inputs of this variance and mean, good to nine digits."""
    scale = math.sqrt(variance)
    if not math.isfinite(scale + mean):
        return Passed(math.nan, math.nan, math.nan)
    inputs = [(place - mean) / scale for place in (0.0, *activation.kinks)] if scale else []
    z, weight = normal_nodes(tuple(sorted({place for place in inputs if abs(place) < REACH})))
    x = z * scale + mean
    with np.errstate(all="ignore"):
        y = activation.outputs(x)
        slope = activation.slopes(x, y)
        return Passed(float(weight @ y), float(weight @ (y * y)), float(weight @ (slope * slope)))


class LayerVariances(NamedTuple):
    """What theory must know of a layer: variances of its inputs to the activation, for inputs of mean square 1.

    Attributes:
        forward: the number of inputs times the mean square of a weight.
        backward: the number of outputs times the mean square of a weight.
        bias_mean, bias_var: of the biases.
    """

    forward: float
    backward: float
    bias_mean: float
    bias_var: float


class Predicted(NamedTuple):
    """What theory predicts of a layer: the standard deviations of its outputs, and of gradients there."""

    std: float
    grad_std: float


def predicted(layers: Sequence[LayerVariances], activation: Activation, square: float) -> list[Predicted]:
    """Return what theory predicts for each layer of a stack.

    Args:
        layers: of the stack, from its input on.
        activation: that follows each.
        square: the mean square of the network's inputs.
    """
    outputs = []
    for layer in layers:
        outputs.append(passed(activation, layer.forward * square + layer.bias_var, layer.bias_mean))
        square = outputs[-1].square
    found, gradient = [], 1.0  # the mean square of gradients at the output of the stack
    for layer, output in zip(reversed(layers), reversed(outputs), strict=True):
        found.append(Predicted(output.std, math.sqrt(gradient)))
        gradient *= layer.backward * output.slope_square
    return found[::-1]


def critical(activation: str | Activation, *, bias_var: float = 0.0) -> float:
    """Return the weight variance, times fan_in, at which gradients neither vanish nor explode: the edge of chaos.

    It is the sigma_w^2 of Poole et al., "Exponential expressivity in deep neural networks through transient chaos"
    (NeurIPS 2016), and Schoenholz et al., "Deep information propagation" (ICLR 2017): the gradient keeps its size from
    layer to layer, chi = sigma_w^2 E[f'(sqrt(q) z)^2] = 1, where q = sigma_w^2 E[f(sqrt(q) z)^2] + bias_var is the
    variance that the inputs of every layer keep. The std of the weights is sqrt(critical(...) / fan_in).

    Args:
        activation: a name such as "tanh", or an `Activation`.
        bias_var: the variance of the biases, finite and at least 0.

    >>> round(critical("relu"), 6), round(critical("tanh"), 6), round(critical("tanh", bias_var=0.05), 3)
    (2.0, 1.0, 1.761)

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: there is no such activation or no such point, or `bias_var` is negative or not finite.
    """
    kind = as_activation(activation)
    if isinstance(bias_var, bool) or not isinstance(bias_var, int | float | np.integer | np.floating):
        raise TypeError(f"bias_var must be a number, got {shown(bias_var)}")
    if not 0 <= bias_var < math.inf:
        raise ValueError(f"bias_var must be finite and at least 0, got {bias_var}")
    bias_var = float(bias_var)

    def gap(log_variance: float) -> float:  # between q and what a layer with chi = 1 makes of q, beside q
        variance = math.exp(log_variance)
        there = passed(kind, variance)
        return 1.0 - (there.square / (there.slope_square or math.nan) + bias_var) / variance

    grid = np.linspace(math.log(1e-14), math.log(1e6), 300)
    with np.errstate(all="ignore"):
        gaps = [gap(at) for at in grid]
    if bias_var == 0 and abs(gaps[0]) < 1e-6:  # kept however small the inputs are
        return 1.0 / passed(kind, math.exp(grid[0])).slope_square
    for low, high, before, after in zip(grid, grid[1:], gaps, gaps[1:], strict=False):
        if before < 0 <= after:
            at = brentq(gap, low, high, xtol=1e-12)
            return 1.0 / passed(kind, math.exp(at)).slope_square
    raise ValueError(
        f"bias_var must leave {kind.name} a point at which signals and gradients both keep their size, got {bias_var}"
    )
