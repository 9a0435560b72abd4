"""What theory predicts of a chain of torch modules, from the weights that it has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import Module
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from weightfill.signals._activations import Activation
from weightfill.signals._measures import moments
from weightfill.signals._theory import Predicted, passed
from weightfill.torch._signals.units import activation_of, by_units, links

_CHANCE = 5  # standard errors, beyond which the mean of a weight is not 0


class Called(NamedTuple):
    """A module that was called: its name, itself, the shapes of what it was given and made, the weight it used."""

    name: str
    module: Module
    given: torch.Size
    made: torch.Size
    weight: Tensor | None


def predictions(
    model: Module, called: Sequence[Called], square: float | None, gradient: float
) -> tuple[list[Predicted], str | None]:
    """Return what theory predicts for the outputs of each module of a chain; nothing, and why, for other models.

    A weight counts by its own mean square, which stands for that of its distribution. See `signals._theory`.

    Args:
        model: whose modules they are.
        called: in the order of execution.
        square: the mean square of the model's input; None if it is not one floating tensor.
        gradient: that of gradients at the output.
    """
    chain = list(_chain(model))
    if chain == [model] and not _known(model):
        return [], f"theory covers nn.Sequential of Linear or Conv and activations, and the model is {_kind(model)}"
    if [id(one.module) for one in called] != [id(part) for part in chain]:
        return [], "theory covers nn.Sequential whose modules are called in turn, each once"
    if square is None:
        return [], "theory needs a batch of one floating tensor"
    deviations, slopes = [], []
    inputs: tuple[float, float] | None = None  # the variance and mean of what goes into an activation, if normal
    for one in called:
        activation = activation_of(one.module)
        if isinstance(one.module, nn.Linear | _ConvNd) and not isinstance(one.module, _ConvTransposeNd):
            mean, std, rms = moments(by_units(_of(one.weight), 0))
            if abs(mean) > _CHANCE * std / math.sqrt(max(1, _of(one.weight).numel())):
                return [], f"theory needs weights of mean 0, and that of {one.name!r} has mean {mean:.3g}"
            into, out = _links(one)
            bias = one.module.bias
            offset, scatter, _ = (0.0, 0.0, 0.0) if bias is None else moments(by_units(bias, 0))
            inputs = into * rms**2 * square + scatter**2, offset
            deviations.append(math.sqrt(inputs[0]))
            square = inputs[0] + offset**2
            slopes.append(out * rms**2)
        elif activation is not None:
            if inputs is None:
                return [], f"theory needs a Linear or Conv before each activation, and {one.name!r} has none"
            made = passed(activation, *inputs)
            deviations.append(made.std)
            slopes.append(made.slope_square)
            square, inputs = made.square, None
        elif _passes_on(one.module):
            deviations.append(deviations[-1] if deviations else math.sqrt(square))
            slopes.append(1.0)
        else:
            return (
                [],
                f"theory covers chains of Linear or Conv and activations, and {one.name!r} is {_kind(one.module)}",
            )
    gradients = [gradient]
    for slope in reversed(slopes[1:]):
        gradients.append(gradients[-1] * slope)
    return [Predicted(std, math.sqrt(g)) for std, g in zip(deviations, reversed(gradients), strict=True)], None


def one_activation(called: Sequence[Called]) -> Activation | None:
    """Return the activation of a chain, if all that it has are the same."""
    found = [activation for one in called if (activation := activation_of(one.module)) is not None]
    return found[0] if found and all(one.name == found[0].name for one in found) else None


def _chain(model: Module) -> Iterator[Module]:
    if type(model) is nn.Sequential:
        for part in model:
            yield from _chain(part)
    else:
        yield model


def _known(module: Module) -> bool:
    return isinstance(module, nn.Linear | _ConvNd) or activation_of(module) is not None or _passes_on(module)


def _passes_on(module: Module) -> bool:
    dropout = isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d | nn.AlphaDropout)
    return isinstance(module, nn.Identity | nn.Flatten | nn.Unflatten) or (dropout and not module.training)


def _links(one: Called) -> tuple[float, float]:
    if isinstance(one.module, _ConvNd):
        return links(one.module, one.given, one.made)
    rows, columns = _of(one.weight).shape
    return columns, rows


def _of(weight: Tensor | None) -> Tensor:
    assert weight is not None
    return weight


def _kind(module: Module) -> str:
    return type(module).__name__
