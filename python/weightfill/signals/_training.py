"""A small classifier in training: for demonstrations, in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from weightfill._initializers.base import Initializer
from weightfill.signals._activations import ACTIVATIONS, Activation
from weightfill.signals._measures import Array
from weightfill.signals._networks import Stack, Step, Weights, backward, forward


class Gradient(NamedTuple):
    """The gradients of one layer's weight and bias."""

    weight: Array
    bias: Array


class Network:
    """The layers of a stack with weights of its own, which may change; the last has no activation.

    Args:
        stack: the layers.
        tensors: of each layer, from which weights and biases are made.
        activation: of all layers but the last.
    """

    def __init__(self, stack: Stack, tensors: Sequence[Weights], activation: Activation) -> None:
        self.layers = stack.layers
        self.activations = [activation] * (len(stack.layers) - 1) + [ACTIVATIONS["linear"]]
        self.weights: list[Array] = [one.weight[...] for one in tensors]
        self.biases: list[Array] = [one.bias[...] for one in tensors]

    def forward(self, samples: Array) -> list[Step]:
        """Return what each layer makes of samples."""
        steps: list[Step] = []
        for number, layer in enumerate(self.layers):
            given = steps[-1].after if steps else samples
            steps.append(forward(layer, given, self.weights[number], self.biases[number], self.activations[number]))
        return steps

    def gradients(self, samples: Array, classes: Array) -> list[Gradient]:
        """Return the gradients, in each layer, of the mean cross entropy of the softmax of the outputs."""
        steps = self.forward(samples)
        outputs = steps[-1].after
        shares = np.exp(outputs - outputs.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        shares[np.arange(len(classes)), classes] -= 1
        gradient = shares / len(classes)
        found = []
        for number in range(len(steps) - 1, -1, -1):
            gradient, weight, bias = backward(self.layers[number], steps[number], gradient, self.activations[number])
            found.append(Gradient(weight, bias))
        return found[::-1]


class Case(NamedTuple):
    """How one initialization fared.

    Attributes:
        init, bias: what weights and biases were drawn from.
        steps: the steps after which was measured; 0 is before training.
        units: at each, how many units of the first hidden layer differ.
        rank: at each, the rank of the gradient of the first weight.
        accuracy: at each, on samples that were held out.
        weight: the first weight in the end, of shape (hidden units, inputs).
    """

    init: Initializer
    bias: Initializer
    steps: Array
    units: Array
    rank: Array
    accuracy: Array
    weight: Array
