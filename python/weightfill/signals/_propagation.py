"""Propagation through a stack of layers in NumPy: what is measured, beside what theory predicts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._fill import create
from weightfill._initializers.base import InitializerLike, Masked, PlainLaw
from weightfill._initializers.equal_units import equal_units
from weightfill._initializers.laws import Normal, Zeros
from weightfill._initializers.masks import AllButRows, Connections
from weightfill._plan import Plan
from weightfill._run.progress import Progress, Tick, check_progress, ticking
from weightfill._tensor import Tensor
from weightfill.signals._activations import Activation, as_activation
from weightfill.signals._layers import LayerSignal
from weightfill.signals._measures import NARROW, Array, compared, evenly_taken, moments, spread
from weightfill.signals._networks import Inits, Sizes, Stack, Step, Weights, backward, forward, stack_of, weights_of
from weightfill.signals._report import Report
from weightfill.signals._theory import LayerVariances, Predicted, predicted

_ZEROS = Zeros()


def propagation(
    sizes: Sizes,
    activation: str | Activation,
    init: Inits,
    *,
    bias: InitializerLike = _ZEROS,
    samples: int = 1000,
    batch: Array | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> Report:
    """Pass a batch forward through a new network and random gradients backward, and measure both in every layer.

    Each layer is a matrix product or convolution, a bias and the activation. At the output of the last layer the
    gradient is standard normal. Beside what is measured stands what theory predicts for wide layers (see
    docs/concepts/theory.md): Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (AISTATS 2010), section 4.2; He et al., "Delving deep into rectifiers" (ICCV 2015), section 2.2; Poole et
    al., "Exponential expressivity in deep neural networks through transient chaos" (NeurIPS 2016), equation 3.

    Args:
        sizes: the input and each layer: [784, 500, 10], or as text with repeats: "784,500x10,10". Convolutions begin
            with an image: [(3, 32, 32), Conv(64, 3), 10], or "3@32x32,64c3,10". They have stride 1 and circular
            padding.
        activation: of every layer: a name such as "tanh", or an `Activation`.
        init: what to draw as weights: an initializer, its name or call as a string, or a `Plan` with rules for
            layer1.weight, layer1.bias, layer2.weight and so on, which uses its own seed.
        bias: what to draw as biases.
        samples: how many inputs to draw, standard normal, unless there is a batch; at least 1.
        batch: inputs of your own, of shape (samples, inputs) or (samples, channels, height, width), finite.
        seed: an integer in [0, 2**64), of weights, inputs and gradients.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished passes
            through a layer. An exception that it raises stops the work.

    >>> report = propagation("500x11", "relu", KaimingNormal(), seed=1)
    >>> [round(layer.predicted_std, 4) for layer in report.layers[:2]]
    [0.8256, 0.8256]
    >>> abs(report.layers[0].std - 0.8256) < 0.03
    True
    >>> print(propagation("500x11", "tanh", Normal(std=0.01)).verdict)
    vanishes 0.22x a layer: std 0.01 is too small for tanh at 500 inputs; XavierNormal keeps it

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: there is no such activation, a size or `samples` is not positive, `batch` does not fit the sizes or
            is not finite, an initializer does not fit its layer, or `seed` is out of range.
    """
    stack, kind = stack_of(sizes), as_activation(activation)
    tensors = weights_of(stack, init, bias, seed)
    inputs = inputs_of(stack, samples, batch, seed)
    check_progress(progress)
    with ticking(progress, 2 * len(stack.layers), "measuring") as tick, np.errstate(all="ignore"):
        signals, steps = _forward(stack, tensors, inputs, kind, tick)
        signals = _backward(stack, signals, steps, kind, seed, tick)
    square = 1.0 if batch is None else moments(inputs)[2] ** 2
    theory, why = _theory_of(stack, tensors, steps, kind, square)
    if theory:
        pairs = zip(signals, theory, strict=True)
        signals = [one._replace(predicted_std=two.std, predicted_grad_std=two.grad_std) for one, two in pairs]
    drawn = "a plan" if isinstance(init, Plan) else init if isinstance(init, str) else repr(init)
    equal = batch is not None and len(inputs) > 1 and bool((inputs == inputs[:1]).all())
    return Report(tuple(signals), f"{stack.text} {kind.name}, {drawn}", kind, why, equal_samples=equal)


def _forward(
    stack: Stack, tensors: Sequence[Weights], values: Array, activation: Activation, tick: Tick | None
) -> tuple[list[LayerSignal], list[Step]]:
    signals, steps = [], []
    for number, (layer, (weight, bias)) in enumerate(zip(stack.layers, tensors, strict=True), 1):
        step = forward(layer, values, weight[...], bias[...], activation)
        values = step.after
        found, units = spread(values), compared(values)
        signals.append(
            LayerSignal(
                name=layer.name,
                mean=found.mean,
                std=found.std,
                rms=found.rms,
                weight_std=moments(step.weight)[1],
                dead=units.dead,
                saturated=activation.saturated(evenly_taken(values)),
                effective_rank=units.effective_rank,
                correlation=units.correlation,
                outside=found.outside,
                histogram=found.histogram,
                fan_in=layer.fan_in,
                units=layer.weight_shape[0],
                init=weight.init.for_stream(weight.stream),
                equal_units=equal_units(weight.law, weight.shape),
                fan_out=layer.fan_out,
                outputs=math.prod(layer.output_shape),
            )
        )
        steps.append(step)
        if tick:
            tick(number)
    return signals, steps


def _backward(
    stack: Stack,
    signals: Sequence[LayerSignal],
    steps: Sequence[Step],
    activation: Activation,
    seed: int,
    tick: Tick | None,
) -> list[LayerSignal]:
    """Return the signals with what is measured of gradients, which are standard normal at the output of the stack."""
    gradient = create(steps[-1].after.shape, Normal(), seed=seed, stream="gradient")
    found = []
    for layer, signal, step in zip(reversed(stack.layers), reversed(signals), reversed(steps), strict=True):
        at_output = spread(gradient)
        gradient, of_weight, _ = backward(layer, step, gradient, activation)
        weight = moments(step.weight)[2]
        change = moments(of_weight)[2] / len(step.given)
        found.append(
            signal._replace(
                grad_std=at_output.std,
                grad_to_weight=change / weight if weight else math.nan,
                grad_outside=at_output.outside,
                grad_histogram=at_output.histogram,
            )
        )
        if tick:
            tick(len(steps) + len(found))
    return found[::-1]


def inputs_of(stack: Stack, samples: int, batch: Array | None, seed: int) -> Array:
    """Return the inputs of a stack: standard normal ones, or a batch; errors as of `propagation`."""
    count = as_integer(samples, "samples")
    if count < 1:
        raise ValueError(f"samples must be at least 1, got {count}")
    if batch is None:
        return create((count, *stack.input_shape), Normal(), seed=seed, stream="batch")
    return _checked_batch(batch, stack.input_shape)


def _checked_batch(batch: Array, shape: tuple[int, ...]) -> Array:
    try:
        array = np.asarray(batch)
    except ValueError:
        raise TypeError(f"batch must be an array of real numbers, got {shown(batch)}") from None
    if array.dtype.kind not in "fiub" and array.dtype.name not in NARROW:
        raise TypeError(f"batch must be an array of real numbers, got {array.dtype}")
    if array.ndim < 2 or (array.shape[1:] != shape and math.prod(array.shape[1:]) != math.prod(shape)):
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"batch must have the shape (samples, {wanted}), got {array.shape}")
    if not len(array):
        raise ValueError(f"batch must have at least 1 sample, got {array.shape}")
    values = np.ascontiguousarray(array, np.float32).reshape(len(array), *shape)
    wrong = ~np.isfinite(values)
    if wrong.any():
        place = tuple(map(int, np.unravel_index(int(wrong.argmax()), values.shape)))
        raise ValueError(f"batch must be finite, got {values[place]} at {place}")
    return values


def _theory_of(
    stack: Stack, tensors: Sequence[Weights], steps: Sequence[Step], activation: Activation, square: float
) -> tuple[list[Predicted], str | None]:
    """Return what theory predicts for each layer; nothing, and why, where it does not hold."""
    layers = []
    for layer, (weight, bias), step in zip(stack.layers, tensors, steps, strict=True):
        weight_square = mean_square(weight)
        if weight.only_whole:
            weight_square = moments(step.weight)[2] ** 2
        if weight_square is None:
            return [], f"theory needs independent weights of mean 0, and {layer.name}.weight is {weight.init}"
        if isinstance(bias.law, PlainLaw):
            bias_mean, bias_std = bias.law.moments()
        else:
            return [], f"theory needs biases of one distribution, and {layer.name}.bias is {bias.init}"
        layers.append(
            LayerVariances(layer.fan_in * weight_square, layer.fan_out * weight_square, bias_mean, bias_std**2)
        )
    return predicted(layers, activation, square), None


def mean_square(weight: Tensor) -> float | None:
    """Return the expected square of a weight; None for tensors made in one piece, and unless their mean is 0.

    >>> round(mean_square(Tensor((20, 50), Sparse(10, std=0.1), seed=1)), 6)
    0.002
    """
    law = weight.law
    share = 1.0
    if isinstance(law, Masked):
        match law.mask:
            case Connections() as mask:
                share = mask.kept / mask.inputs
            case AllButRows(rows, _):
                share = 1 - len(rows) / weight.shape[0]
            case _:
                return None
        law = law.law
    if law is None:
        return None
    mean, std = law.moments()
    return None if abs(mean) > 1e-6 * std else share * std**2
