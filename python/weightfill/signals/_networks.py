"""Stacks of dense and convolutional layers in NumPy: their shapes, weights, forward and backward passes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Initializer, InitializerLike, as_initializer
from weightfill._plan import Plan
from weightfill._tensor import Tensor
from weightfill.signals._activations import Activation

Array: TypeAlias = npt.NDArray[Any]


class Conv(NamedTuple):
    """A convolutional layer: its output channels, and the side of its square kernel, which is odd.

    It has stride 1, and the image goes on at the opposite edge (circular padding), so that all positions are alike.
    """

    channels: int
    kernel: int = 3


Size: TypeAlias = "int | tuple[int, int, int] | Conv"
Sizes: TypeAlias = "str | Sequence[Size]"


@dataclass(frozen=True)
class Layer:
    """A layer of a stack: the shapes of its weight and of one sample at its input and output."""

    name: str
    weight_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    @property
    def fan_in(self) -> int:
        """The number of inputs of each unit."""
        return math.prod(self.weight_shape[1:])

    @property
    def fan_out(self) -> int:
        """The number of units that each input reaches."""
        return self.weight_shape[0] * math.prod(self.weight_shape[2:])


@dataclass(frozen=True)
class Stack:
    """The layers of a network, each followed by one activation. `text` is the line that describes it."""

    layers: tuple[Layer, ...]
    text: str

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.layers[0].input_shape


def stack_of(sizes: Sizes) -> Stack:
    """Return the layers that a line or a sequence of sizes describes.

    >>> [layer.weight_shape for layer in stack_of("784,500x2,10").layers]
    [(500, 784), (500, 500), (10, 500)]
    >>> [layer.weight_shape for layer in stack_of([(3, 32, 32), Conv(64), 10]).layers]
    [(64, 3, 3, 3), (10, 65536)]
    >>> stack_of("3@32x32,64c3x2,10").layers[1].weight_shape
    (64, 64, 3, 3)

    Raises:
        TypeError: `sizes` is neither text nor a sequence of integers, image shapes and Conv.
        ValueError: it has fewer than 2 entries, or an entry is not positive or is out of place.
    """
    given = list(_sizes_in(sizes)) if isinstance(sizes, str) else _checked(sizes)
    if len(given) < 2:
        raise ValueError(f"sizes must have an input and at least one layer, got {shown(sizes)}; such as [784, 500, 10]")
    first = given[0]
    if isinstance(first, Conv):
        raise ValueError(f"sizes must begin with an input, got {shown(sizes)}; such as 3@32x32 before 64c3")
    here: tuple[int, ...] = (first,) if isinstance(first, int) else first
    layers = []
    for number, size in enumerate(given[1:], 1):
        name = f"layer{number}"
        if isinstance(size, int):
            layer = Layer(name, (size, math.prod(here)), here, (size,))
        elif isinstance(size, Conv):
            if len(here) != 3:
                raise ValueError(
                    f"sizes must have convolutions only where there is an image, got {shown(sizes)}: layer {number} "
                    f"has {here[0]} inputs; begin with an image, such as 3@32x32 or (3, 32, 32)"
                )
            if size.kernel > min(here[1:]):
                raise ValueError(
                    f"sizes must have kernels no larger than the image, got {size} on {here[1]} x {here[2]}"
                )
            weight = (size.channels, here[0], size.kernel, size.kernel)
            layer = Layer(name, weight, here, (size.channels, *here[1:]))
        else:
            raise ValueError(f"sizes must have an image only at the beginning, got {shown(sizes)}")
        layers.append(layer)
        here = layer.output_shape
    return Stack(tuple(layers), _text(given))


def _checked(sizes: Sequence[Size], text: str | None = None) -> list[Size]:
    if isinstance(sizes, bytes) or not isinstance(sizes, Sequence | np.ndarray):
        raise TypeError(f"sizes must be a sequence such as [784, 500, 10] or text, got {shown(sizes)}")
    found: list[Size] = []
    for size in sizes:
        if isinstance(size, Conv):
            conv = Conv(as_integer(size.channels, "channels"), as_integer(size.kernel, "kernel"))
            if conv.kernel < 1 or conv.kernel % 2 == 0:
                raise ValueError(f"kernel must be odd and at least 1, got {conv.kernel}")
            numbers, size = [conv.channels], conv
        elif isinstance(size, tuple | list):
            if len(size) != 3:
                raise ValueError(f"sizes must have images as (channels, height, width), got {shown(size)}")
            image = tuple(as_integer(length, "sizes") for length in size)
            numbers, size = list(image), (image[0], image[1], image[2])
        else:
            size = as_integer(size, "sizes")
            numbers = [size]
        if min(numbers) < 1:
            given = shown(sizes if text is None else text)
            raise ValueError(f"sizes must be at least 1, got {given}; a layer without units passes nothing on")
        found.append(size)
    return found


_ENTRY = re.compile(r"(?:(\d+)@(\d+)x(\d+)|(\d+)(?:c(\d+))?(?:x(\d+))?)")


def _sizes_in(text: str) -> Iterator[Size]:
    for entry in text.split(","):
        found = _ENTRY.fullmatch(entry.strip().replace("_", ""))
        if found is None:
            raise ValueError(
                f"sizes must be sizes between commas, such as '784,500x10,10' (500x10 is ten layers of 500) or "
                f"'3@32x32,64c3x4,10' (64c3 is a convolution, 64 channels and kernel 3), got {shown(entry)} in "
                f"{shown(text)}"
            )
        image, plain = found.groups()[:3], found.groups()[3:]
        if image[0]:
            yield from _checked([(int(image[0]), int(image[1]), int(image[2]))], text)
        else:
            size: Size = Conv(int(plain[0]), int(plain[1])) if plain[1] else int(plain[0])
            times = int(plain[2]) if plain[2] else 1
            if not 1 <= times <= _MOST_LAYERS:
                raise ValueError(f"sizes must repeat a layer 1 to {_MOST_LAYERS:,} times, got {shown(entry)}")
            yield from _checked([size], text) * times


_MOST_LAYERS = 10_000


def _text(sizes: Sequence[Size]) -> str:
    """Return the line that describes a stack, with equal neighbours together."""
    words: list[list[Any]] = []
    for size in sizes:
        if isinstance(size, Conv):
            word = f"{size.channels}c{size.kernel}"
        elif isinstance(size, tuple):
            word = f"{size[0]}@{size[1]}x{size[2]}"
        else:
            word = str(size)
        if len(words) > 1 and words[-1][0] == word:  # never the input, which is no layer
            words[-1][1] += 1
        else:
            words.append([word, 1])
    return ",".join(f"{word}x{count}" if count > 1 else word for word, count in words)


Inits: TypeAlias = "InitializerLike | Plan"


class Weights(NamedTuple):
    """The tensors of one layer, defined but not made."""

    weight: Tensor
    bias: Tensor


def weights_of(stack: Stack, init: Inits, bias: InitializerLike, seed: int) -> list[Weights]:
    """Return the weights and biases of each layer, in float32; their streams are layer1.weight, layer1.bias and so on.

    Args:
        stack: the layers.
        init: of the weights; or a plan with rules for all weights and biases, whose own seed is used.
        bias: of the biases; a plan gives them itself.
        seed: in [0, 2**64).

    Raises:
        TypeError: `init` or `bias` is not an initializer, or `seed` has a wrong type.
        ValueError: an initializer does not fit its tensor, or a plan lacks a rule.
    """
    if isinstance(init, Plan):
        shapes: dict[str, Any] = {}
        for layer in stack.layers:
            shapes |= {f"{layer.name}.weight": layer.weight_shape, f"{layer.name}.bias": layer.weight_shape[:1]}
        tensors = init.tensors(shapes)
        return [Weights(tensors[f"{layer.name}.weight"], tensors[f"{layer.name}.bias"]) for layer in stack.layers]
    of_weight, of_bias = as_initializer(init), as_initializer(bias, "bias")
    return [
        Weights(
            _tensor(layer.weight_shape, of_weight, seed, f"{layer.name}.weight"),
            _tensor(layer.weight_shape[:1], of_bias, seed, f"{layer.name}.bias"),
        )
        for layer in stack.layers
    ]


def _tensor(shape: tuple[int, ...], init: Initializer, seed: int, name: str) -> Tensor:
    try:
        return Tensor(shape, init, seed=seed, stream=name)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


class Step(NamedTuple):
    """One layer of a forward pass: its input, the weights it used, what went into the activation, what came out."""

    given: Array
    weight: Array
    bias: Array
    before: Array
    after: Array


def forward(layer: Layer, given: Array, weight: Array, bias: Array, activation: Activation) -> Step:
    """Pass samples through a layer.

    Args:
        layer: of a stack.
        given: of shape (samples, *layer.input_shape).
        weight: of the shape of the layer.
        bias: one number for each unit or channel.
        activation: what follows.
    """
    if len(layer.weight_shape) == 2:
        before = given.reshape(len(given), -1) @ weight.T
        before += bias
    else:
        before = _convolved(given, weight)
        before += bias[:, None, None]
    return Step(given, weight, bias, before, activation.outputs(before))


def backward(layer: Layer, step: Step, gradient: Array, activation: Activation) -> tuple[Array, Array, Array]:
    """Return the gradients at a layer's input, and of its weight and bias summed over samples.

    Args:
        layer: of a stack.
        step: its forward pass.
        gradient: at the output of the activation, of its shape.
        activation: that of the forward pass.
    """
    inner = gradient * activation.slopes(step.before, step.after)
    samples = len(inner)
    if len(layer.weight_shape) == 2:
        flat = step.given.reshape(samples, -1)
        return (inner @ step.weight).reshape(step.given.shape), inner.T @ flat, inner.sum(0)
    windows = _windows(step.given, layer.weight_shape[-1])  # (samples, in, height, width, kernel, kernel)
    weight_gradient = np.tensordot(inner, windows, axes=([0, 2, 3], [0, 2, 3]))
    # the transposed convolution, which circular padding makes a convolution with the kernel turned around
    turned = np.ascontiguousarray(step.weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])
    return _convolved(inner, turned), weight_gradient, inner.sum((0, 2, 3))


def _windows(images: Array, kernel: int) -> Array:
    edge = kernel // 2
    padded = np.pad(images, ((0, 0), (0, 0), (edge, edge), (edge, edge)), mode="wrap")
    return np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))


def _convolved(images: Array, weight: Array) -> Array:
    made = np.tensordot(_windows(images, weight.shape[-1]), weight, axes=([1, 4, 5], [1, 2, 3]))
    return np.ascontiguousarray(made.transpose(0, 3, 1, 2))
