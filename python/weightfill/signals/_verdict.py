"""What becomes of a signal, said in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from weightfill._initializers.base import Initializer, PlainLaw
from weightfill._initializers.laws import Normal
from weightfill._initializers.schemes import KaimingNormal, LecunNormal, XavierNormal
from weightfill.signals._activations import Activation
from weightfill.signals._layers import LayerSignal
from weightfill.signals._theory import LayerVariances, critical, predicted

_KEPT = (
    0.1  # of the std of the first layer, below which a signal counts as vanished in the last; above 1 / this, exploded
)
_SATURATED, _DEAD, _OUTSIDE = 0.5, 0.5, 0.1  # shares from which a layer has a problem


def verdict_of(layers: Sequence[LayerSignal], activation: Activation | None) -> str:
    """Return what becomes of a signal in these layers, in a sentence.

    The order of the cases is that of their weight: no signal, overflow, equal units, saturation, what becomes of the
    activations, what becomes of the gradients.
    """
    if not layers:
        return "has no layers"
    first, last = layers[0], layers[-1]
    if first.std == 0:
        return f"no signal: {first.name} gives the same output for every input{_cause(first, activation, layers)}"
    beyond = [layer.name for layer in layers if not math.isfinite(layer.std)]
    if beyond:
        return f"explodes: {beyond[0]} overflows{_cause(first, activation, layers)}"
    saturated = sum(layer.saturated for layer in layers if layer.saturated > 0) / len(layers)
    if saturated >= _SATURATED:
        return f"saturates: {saturated:.0%} of outputs are near a bound{_cause(last, activation, layers, 'large')}"
    change, each = _change([layer.std for layer in layers])
    if change < _KEPT:
        return f"vanishes {each:.2g}x a layer{_cause(last, activation, layers, 'small')}"
    if change > 1 / _KEPT:
        return f"explodes {each:.3g}x a layer{_cause(last, activation, layers, 'large')}"
    # Without the last layer, where gradients enter: its few outputs make those before it small, which says nothing.
    gradients = [layer.grad_std for layer in reversed(layers[:-1]) if not math.isnan(layer.grad_std)]
    if len(gradients) > 1:
        change, each_gradient = _change(gradients)
        if change < _KEPT:
            return f"gradients vanish {each_gradient:.2g}x a layer{_cause(last, activation, layers, 'small')}"
        if change > 1 / _KEPT:
            return f"gradients explode {each_gradient:.3g}x a layer{_cause(last, activation, layers, 'large')}"
    return f"holds: std {first.std:.3g} in the first layer, {last.std:.3g} in the last, {each:.2f}x a layer"


def _change(stds: Sequence[float]) -> tuple[float, float]:
    """Return by how much a deviation changes from the first to the last layer, and in each layer on average."""
    seen = [std for std in stds if std > 0]
    if len(stds) < 2 or not seen:
        return 1.0, 1.0
    each = (seen[-1] / seen[0]) ** (1 / max(1, len(seen) - 1))
    return (seen[-1] / seen[0] if len(seen) == len(stds) else 0.0), each


def _cause(layer: LayerSignal, activation: Activation | None, layers: Sequence[LayerSignal], size: str = "") -> str:
    """Return why, and what to take instead, as far as both are known."""
    if layer.fan_in is None or activation is None:
        return ""
    if layer.equal_units:
        cause = f": {layer.init} makes {layer.equal_units:,} equal units"
    elif size and layer.weight_std > 0:
        cause = f": std {layer.weight_std:.3g} is too {size} for {activation.name} at {layer.fan_in:,} inputs"
    else:
        cause = ""
    better = better_for(activation, [(one.fan_in or 1, one.units or 1) for one in layers])
    return f"{cause}; {_short(better)} keeps it" if better is not None else cause


def _short(init: Initializer) -> str:
    """Return the name of an initializer, with its parameters unless they are the defaults."""
    kind = type(init)
    return kind.__name__ if init == kind() else f"Normal(std={init.std:g})" if isinstance(init, Normal) else repr(init)


def better_for(activation: Activation, fans: Sequence[tuple[int, int]]) -> Initializer | None:
    """Return an initializer with which theory says that signals and gradients last; None if none is known."""
    candidates: list[Initializer] = [XavierNormal(), KaimingNormal(), LecunNormal()]
    try:
        largest = max(fan_in for fan_in, _ in fans)
        candidates.append(Normal(std=float(f"{math.sqrt(critical(activation) / largest):.3g}")))
    except ValueError:
        pass
    for init in candidates:
        layers = []
        for fan_in, units in fans:
            law = init.law((units, fan_in))
            assert isinstance(law, PlainLaw)
            square = law.moments()[1] ** 2
            layers.append(LayerVariances(fan_in * square, units * square, 0.0, 0.0))
        found = predicted(layers, activation, 1.0)
        forward, _ = _change([one.std for one in found])
        back, _ = _change([one.grad_std for one in reversed(found)])
        if all(_KEPT <= change <= 1 / _KEPT for change in (forward, back)):
            return init
    return None


def problems_of(layers: Sequence[LayerSignal]) -> tuple[str, ...]:
    """Return what is wrong in single layers."""
    found = []
    for layer in layers:
        if layer.equal_units:
            found.append(
                f"{layer.name}: {layer.equal_units:,} equal units, which stay equal in training ({layer.init})"
            )
        if not math.isfinite(layer.std) or not math.isfinite(layer.mean):
            found.append(f"{layer.name}: outputs overflow")
        if layer.dead >= _DEAD:
            found.append(f"{layer.name}: {layer.dead:.0%} of units give the same output for every sample")
        if layer.saturated >= _SATURATED:
            found.append(f"{layer.name}: {layer.saturated:.0%} of outputs are saturated")
        for what, shares in (("outputs", layer.outside), ("gradients", layer.grad_outside)):
            lost = [f"{share:.0%} in {name}" for name, share in shares.items() if share >= _OUTSIDE]
            if lost:
                found.append(f"{layer.name}: {what} beyond the range of a format: {', '.join(lost)}")
    return tuple(found)
