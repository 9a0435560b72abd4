"""LSUV of a stack of layers in NumPy: every layer's output brought to unit variance, as a plan that needs no data."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._initializers.base import InitializerLike
from weightfill._initializers.laws import Zeros
from weightfill._initializers.structured import Scaled
from weightfill._plan import Plan
from weightfill._run.progress import Progress, check_progress, ticking
from weightfill._scaled_plan import (
    LayerScale,
    Parts,
    ScaledPlan,
    check_search,
    off_unit,
    scaled_plan,
    scaled_to_unit,
    variance_of,
)
from weightfill._tensor import Tensor
from weightfill.signals._activations import Activation, as_activation
from weightfill.signals._networks import Inits, Layer, Sizes, Step, Weights, forward, stack_of, weights_of
from weightfill.signals._propagation import inputs_of

Array = npt.NDArray[Any]
_ZEROS = Zeros()


def lsuv(
    sizes: Sizes,
    activation: str | Activation,
    init: Inits,
    *,
    bias: InitializerLike = _ZEROS,
    samples: int = 1000,
    batch: Array | None = None,
    seed: int = 0,
    tolerance: float = 0.02,
    trials: int = 10,
    progress: Progress = None,
) -> ScaledPlan:
    """Scale layer after layer so that its output, before the activation, has std 1; return the plan of the result.

    This is LSUV (Mishkin and Matas, "All you need is a good init", ICLR 2016, algorithm 1) in one forward pass, as
    `weightfill.torch.lsuv` does it. The plan has a rule with `Scaled(of, factor)` for each weight that is scaled:
    layer1.weight, layer2.weight and so on. `propagation` takes it as `init`, and its `report()` is a table.

    Args:
        sizes: the input and each layer, as for `propagation`.
        activation: of every layer: a name such as "tanh", or an `Activation`.
        init: what to draw as weights: an initializer, its name or call as a string, or a `Plan` for layer1.weight,
            layer1.bias and so on.
        bias: what to draw as biases, which are not scaled.
        samples: how many inputs to draw, standard normal, unless there is a batch; at least 1.
        batch: inputs of your own, of shape (samples, inputs) or (samples, channels, height, width), finite; best with
            std 1.
        seed: an integer in [0, 2**64), of weights and inputs; that of the plan that is returned.
        tolerance: how far from 1 the std of a layer may be, between 0 and 1.
        trials: how often a layer is scaled at most, at least 1.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished layers.
            An exception that it raises stops the work.

    >>> plan = lsuv("100,50x3", "relu", Orthogonal(), seed=1)
    >>> [round(layer.std_after, 1) for layer in plan.layers]
    [1.0, 1.0, 1.0]
    >>> plan.rule("layer2.weight").init.of
    Orthogonal(gain=1.0, axis=0)
    >>> propagation("100,50x3", "relu", plan, seed=1).problems
    ()

    Warns:
        UserWarning: a layer does not have std 1 afterwards; the message says why.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: there is no such activation, a size, `samples` or `trials` is not positive, `tolerance` is out of
            range, `batch` does not fit the sizes or is not finite, an initializer does not fit its layer, `seed` is out
            of range, or a layer gives NaN or infinity.
    """
    stack, kind = stack_of(sizes), as_activation(activation)
    plan = init if isinstance(init, Plan) else Plan({"*.bias": bias, "*.weight": init}, seed=seed)
    tensors = weights_of(stack, plan, bias, seed)
    values = inputs_of(stack, samples, batch, seed)
    tolerance, trials = check_search(tolerance, trials)
    check_progress(progress)
    found = []
    with ticking(progress, len(stack.layers), "scaling layers") as tick, np.errstate(all="ignore"):
        for number, (layer, weights) in enumerate(zip(stack.layers, tensors, strict=True), 1):
            row, step = _scaled(layer, weights, values, kind, tolerance, trials)
            found.append(row)
            values = step.after
            if tick:
                tick(number)
    off = off_unit(found, tolerance)
    if off:
        warnings.warn(off, stacklevel=2)
    names = [tensor.stream for weights in tensors for tensor in weights]
    return scaled_plan(plan, plan.assign(names), found)


def _scaled(
    layer: Layer, weights: Weights, values: Array, activation: Activation, tolerance: float, trials: int
) -> tuple[LayerScale, Step]:
    """Return what was found of a layer, and its forward pass with the scaled weight."""
    weight, bias = weights.weight, weights.bias[...]
    step = forward(layer, values, weight[...], bias, activation)

    def variance() -> float:
        wide = step.before.astype(np.float64).reshape(-1)
        total, squares = float(wide.sum()), float(wide @ wide)
        if not np.isfinite(squares):
            raise ValueError(f"sizes must give finite numbers, got NaN or infinity in {layer.name}; use a smaller std")
        return variance_of(wide.size, total, squares)

    def parts() -> Parts:
        units = bias.astype(np.float64).reshape(-1, *[1] * (step.before.ndim - 2))
        scaled = step.before - units
        mean, rest = scaled.mean(), units.mean()
        product = float((scaled * units).mean())
        count = scaled.size
        squares = float((scaled**2).sum())
        return Parts(
            variance_of(count, count * float(mean), squares), 2 * (product - float(mean * rest)), float(units.var())
        )

    def measure(factor: float) -> float:
        nonlocal step
        init = weight.init if factor == 1 else Scaled(weight.init, factor)
        made = Tensor(weight.shape, init, seed=weight.seed, stream=weight.stream)[...]
        step = forward(layer, values, made, bias, activation)
        return variance()

    kind = "dense" if len(layer.weight_shape) == 2 else "convolution"
    row = LayerScale(weight.stream, kind)
    row = scaled_to_unit(row, variance(), parts, measure, tolerance=tolerance, trials=trials)
    return row, step
