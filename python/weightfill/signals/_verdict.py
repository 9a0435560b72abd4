"""What becomes of a signal, said in one sentence: what happens, how fast, why, and the way out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

from weightfill._initializers.base import Initializer, PlainLaw
from weightfill._initializers.gains import NEUTRAL_GAINS
from weightfill._initializers.schemes import KaimingNormal, LecunNormal, XavierNormal
from weightfill.signals._activations import Activation
from weightfill.signals._layers import LayerSignal
from weightfill.signals._theory import LayerVariances, critical, predicted

KEPT = 0.1  # of the std of the first layer: less in the last layer counts as vanished; above 1 / this, as exploded
_STEADY = 0.75  # of a std is the least that a better initializer keeps in each layer, and 1 / this the most
_ONE_STEP = 0.8  # of the whole change, in logarithms: a layer that makes as much of it is named
_SATURATED, _DEAD = 0.5, 0.9  # shares from which the verdict is about them
_FULL = 0.9  # the share of saturated outputs in a single layer from which it is about that
_SAME = 0.2  # of a std: closer to another counts as the same
_UNDERFLOW = 1e-18  # a std before which the next 0 is what is left of a small number, and not a layer that is off
_USUAL = 0.01  # a std below this, or above 1 / this, is unusual even if every layer keeps it

Layers = Sequence[LayerSignal]


def verdict_of(layers: Layers, activation: Activation | None) -> str:
    """Return what becomes of a signal in these layers, in a sentence.

    The cases come in the order of their weight: no signal, overflow, equal units, saturation, what becomes of the
    outputs, what becomes of the gradients, dead units, saturation in one layer.
    """
    if not layers:
        return "has no layers"
    for case in (_no_signal, _overflow, _equal, _saturated, _forward, _backward, _dead, _saturated_once):
        said = case(layers, activation)
        if said:
            return said
    first, last = layers[0], layers[-1]
    if not _USUAL <= first.std <= 1 / _USUAL:
        size = "small" if first.std < 1 else "large"
        return f"holds, but at std {first.std:.3g}, which is {size}: scale the inputs, or the weights of {first.name}"
    if len(layers) == 1:
        return f"holds: std {first.std:.3g} in its one layer"
    each = change_of([layer.std for layer in layers])[1]
    return f"holds: std {first.std:.3g} in the first layer, {last.std:.3g} in the last, {each:.2f}x a layer"


def _no_signal(layers: Layers, activation: Activation | None) -> str | None:
    number = next((number for number, layer in enumerate(layers) if layer.std == 0 or layer.dead == 1), None)
    if number is None:
        return None
    layer = layers[number]
    if layer.equal_units:
        return (
            f"no signal: {layer.name} gives the same output for every input, as "
            f"{_maker(layer)} its {layer.equal_units:,} units equal; {_drawn_instead(layers, activation)}"
        )
    if number and layers[number - 1].std < _UNDERFLOW:
        return f"vanishes to 0 by {layer.name}{_why(layers, layers[:number], activation, 'small')}"
    same = f"no signal: {layer.name} gives the same output for every input"
    if activation is None or activation.bounds is None:
        return f"{same}, as all its units are off; wider layers, biases of 0 or leaky_relu keep some on"
    if layer.saturated >= _SATURATED:
        return f"{same}, as all its units are at a bound; take smaller weights and biases of 0"
    return f"{same}, as differences are lost in rounding{_why(layers, (), activation, 'small')}"


def _overflow(layers: Layers, activation: Activation | None) -> str | None:
    number = next((number for number, layer in enumerate(layers) if not math.isfinite(layer.std)), None)
    if number is None:
        return None
    return f"explodes: {layers[number].name} overflows{_why(layers, layers[:number], activation, 'large')}"


def _equal(layers: Layers, activation: Activation | None) -> str | None:
    equal = [layer for layer in layers if layer.equal_units]
    if not equal:
        return None
    first, others = equal[0], len(equal) - 1
    more = f" and {others} other layer{'s' if others > 1 else ''}" if others else ""
    return (
        f"equal units: {_maker(first)} the {first.equal_units:,} units of {first.name}{more} the same, and training "
        f"keeps them so; {_drawn_instead(layers, activation)}"
    )


def _maker(layer: LayerSignal) -> str:
    return "its weight has equal rows, which make" if layer.init is None else f"{layer.init} makes"


def _saturated(layers: Layers, activation: Activation | None) -> str | None:
    share = sum(layer.saturated for layer in layers if layer.saturated > 0) / len(layers)
    if share < _SATURATED:
        return None
    why = _cause_and_way_out(_typical(layers), layers, activation, "large")
    return f"saturates: {share:.0%} of outputs are near a bound{why}"


def _saturated_once(layers: Layers, activation: Activation | None) -> str | None:
    full = next((layer for layer in layers if layer.saturated >= _FULL), None)
    if full is None:
        return None
    return (
        f"saturates in {full.name}: {full.saturated:.0%} of outputs are near a bound; scale its inputs or its weights"
    )


def _dead(layers: Layers, activation: Activation | None) -> str | None:
    worst = max(layers, key=lambda layer: 0.0 if math.isnan(layer.dead) else layer.dead)
    if not worst.dead >= _DEAD:
        return None
    return (
        f"dies: {worst.dead:.0%} of units in {worst.name} give the same output for every sample; wider layers, biases "
        f"of 0 or leaky_relu keep more on"
    )


def _forward(layers: Layers, activation: Activation | None) -> str | None:
    change, each = change_of([layer.std for layer in layers])
    if KEPT <= change <= 1 / KEPT:
        return None
    verb, size = ("vanishes", "small") if change < 1 else ("explodes", "large")
    place = _step(layers)
    if place is None:
        return f"{verb} {_times(each)} a layer{_why(layers, layers, activation, size, rate=False)}"
    layer, ratio = layers[place], layers[place].std / layers[place - 1].std
    return f"{verb} in {layer.name}, {_times(ratio)} there{_cause_and_way_out(layer, layers, activation, size)}"


def _backward(layers: Layers, activation: Activation | None) -> str | None:
    # Without the last layer, where gradients enter, and with the widths made up for: a gradient that spreads over more
    # units is smaller in each of them, and no less for that (He et al. 2015, section 2.2).
    known = [layer for layer in reversed(layers[:-1]) if not math.isnan(layer.grad_std)]
    beyond = [layer for layer in known if math.isinf(layer.grad_std)]
    if beyond:
        return f"gradients explode: {beyond[0].name} overflows{_why(layers, [], activation, 'large')}"
    if any(layer.outputs is None for layer in known):
        sizes = [layer.grad_std for layer in known]
    else:
        sizes = [layer.grad_std * math.sqrt(layer.outputs or 1) for layer in known]
    change, each = change_of(sizes)
    if KEPT <= change <= 1 / KEPT:
        return None
    verb, size = ("vanish", "small") if change < 1 else ("explode", "large")
    return f"gradients {verb} {_times(each)} a layer{_why(layers, layers, activation, size, rate=False)}"


def change_of(stds: Sequence[float]) -> tuple[float, float]:
    """Return by how much a deviation changes from the first to the last layer, and in each layer on average.

    >>> change_of([1.0, 0.5, 0.25]), change_of([1.0, 0.5, 0.0])
    ((0.25, 0.5), (0.0, 0.5))
    """
    seen = [std for std in stds if 0 < std < math.inf]
    if len(stds) < 2 or not seen:
        return 1.0, 1.0
    if len(seen) == 1:
        return (0.0 if stds[-1] == 0 else math.inf), 1.0
    ratio = math.log(seen[-1]) - math.log(seen[0])  # as a quotient might overflow
    whole = math.exp(min(ratio, 700.0))
    return (whole if len(seen) == len(stds) else 0.0 if stds[-1] == 0 else math.inf), math.exp(ratio / (len(seen) - 1))


def _step(layers: Layers) -> int | None:
    """Return the number of the layer that makes most of the change alone; None if several share in it."""
    if len(layers) < 4:
        return None
    ratios = [math.log(two.std) - math.log(one.std) for one, two in pairwise(layers)]
    whole = sum(ratios)
    place = max(range(len(ratios)), key=lambda number: ratios[number] * math.copysign(1, whole))
    return place + 1 if abs(ratios[place]) >= _ONE_STEP * abs(whole) else None


def _why(layers: Layers, before: Layers, activation: Activation | None, size: str, *, rate: bool = True) -> str:
    """Return the rest of the sentence: how fast, until it was over; why; what to take instead."""
    stds = [layer.std for layer in before]
    fast = f", {_times(change_of(stds)[1])} a layer" if rate and len(stds) > 1 else ""
    return fast + _cause_and_way_out(_typical(layers), layers, activation, size)


def _cause_and_way_out(layer: LayerSignal, layers: Layers, activation: Activation | None, size: str) -> str:
    """Return why, and what to take instead.

    With weights as theory wants them, it is the biases if that is what theory says, and else chance.
    """
    known = activation is not None and all(one.fan_in is not None for one in layers)
    better = better_for(activation, layers) if activation is not None and known else None
    if better is not None and abs(_std_of(better, layer) / layer.weight_std - 1) < _SAME:
        stds = [[one.predicted_std for one in layers], [one.predicted_grad_std for one in layers[-2::-1]]]
        changes = [change_of([std for std in line if std is not None])[0] for line in stds]
        if not all(KEPT <= change <= 1 / KEPT for change in changes):
            return ": by its biases; take biases of 0"
        return f": by chance, which is large in layers of {layer.units:,} units; wider ones keep it"
    if not known or activation is None:
        return _cause(layer, activation, size)
    way_out = (
        f"no std keeps it through {len(layers)} layers of {activation.name}: normalize layers, or take fewer"
        if better is None
        else f"{_short(better, activation)} keeps it"
    )
    return f"{_cause(layer, activation, size)}; {way_out}"


def _times(factor: float) -> str:
    return f"{factor:.2g}x" if factor < 1 else f"{factor:.3g}x"


def _typical(layers: Layers) -> LayerSignal:
    return layers[(len(layers) - 1) // 2]


def _cause(layer: LayerSignal, activation: Activation | None, size: str) -> str:
    if layer.fan_in is None or not layer.weight_std > 0:
        return ""
    mean, std = _drawn_from(layer)
    if abs(mean) * math.sqrt(layer.fan_in) > std:
        return f": weights of mean {mean:.3g} move all units of {layer.name} together, it should be 0"
    if activation is not None:
        return f": std {std:.3g} is too {size} for {activation.name} at {layer.fan_in:,} inputs"
    lecun, he = 1 / math.sqrt(layer.fan_in), math.sqrt(2 / layer.fan_in)
    if size == "small" and std < 0.9 * lecun:
        return f": std {std:.3g} is small for {layer.fan_in:,} inputs, 1 / sqrt(inputs) is {lecun:.3g}"
    if size == "large" and std > 1.1 * he:
        return f": std {std:.3g} is large for {layer.fan_in:,} inputs, sqrt(2 / inputs) is {he:.3g}"
    return ""


def _drawn_from(layer: LayerSignal) -> tuple[float, float]:
    """Return mean and std of what a weight is drawn from; 0 and the std that it has, if that is not known."""
    if layer.init is not None and layer.init.whole() is None:
        law = layer.init.law((_fan_out(layer), layer.fan_in or 1))
        if isinstance(law, PlainLaw):
            return law.moments()
    return 0.0, layer.weight_std


def _drawn_instead(layers: Layers, activation: Activation | None) -> str:
    better = None if activation is None else better_for(activation, layers)
    such = "" if better is None or activation is None else f", such as {_short(better, activation)}"
    return f"draw random weights{such}"


def _short(init: Initializer, activation: Activation) -> str:
    """Return how an initializer is written, without what is left to its defaults."""
    kind = type(init)
    if init == kind():
        return kind.__name__
    gain = getattr(init, "gain", 1.0)
    written = repr(activation.name) if gain == NEUTRAL_GAINS.get(activation.name) else f"gain={gain:g}"
    return f"{kind.__name__}({written})"


def better_for(activation: Activation, layers: Layers) -> Initializer | None:
    """Return an initializer with which theory says that signals and gradients last; None if none is known."""
    return next((init for init in _candidates(activation) if _keeps(init, activation, layers)), None)


def _candidates(activation: Activation) -> Iterator[Initializer]:
    yield from (XavierNormal(), KaimingNormal(), LecunNormal())
    if activation.name in NEUTRAL_GAINS:
        yield KaimingNormal(gain=NEUTRAL_GAINS[activation.name])
    with suppress(ValueError):
        yield KaimingNormal(gain=float(f"{math.sqrt(critical(activation)):.3g}"))


def _keeps(init: Initializer, activation: Activation, layers: Layers) -> bool:
    variances = []
    for layer in layers:
        square = _std_of(init, layer) ** 2
        variances.append(LayerVariances((layer.fan_in or 1) * square, _fan_out(layer) * square, 0.0, 0.0))
    found = predicted(variances, activation, 1.0)
    gradients = [one.grad_std * math.sqrt(layer.outputs or 1) for one, layer in zip(found, layers, strict=True)]
    changes = (change_of([one.std for one in found]), change_of(gradients[:-1][::-1]))
    return all(KEPT <= whole <= 1 / KEPT and _STEADY <= each <= 1 / _STEADY for whole, each in changes)


def _std_of(init: Initializer, layer: LayerSignal) -> float:
    law = init.law((_fan_out(layer), layer.fan_in or 1))
    assert isinstance(law, PlainLaw)
    return law.moments()[1]


def _fan_out(layer: LayerSignal) -> int:
    return layer.fan_out or layer.units or 1
