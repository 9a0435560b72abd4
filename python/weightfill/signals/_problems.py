"""What is wrong in single layers, one line for all layers that share it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from weightfill.signals._layers import LayerSignal
from weightfill.signals._measures import LIMITS

_SATURATED, _DEAD = 0.5, 0.5  # shares from which a layer has a problem
_OUTSIDE = {"float16": 0.1, "bfloat16": 0.1, "float8_e4m3fn": 0.5, "float8_e5m2": 0.5}  # as float8 is scaled by tensor
_MOST_RUNS = 2  # of layers that are named each

Layers = Sequence[LayerSignal]


def problems_of(layers: Layers) -> tuple[str, ...]:
    """Return what is wrong in single layers, the graver first."""
    found = []
    for init in dict.fromkeys(layer.init for layer in layers if layer.equal_units):
        here = [layer for layer in layers if layer.equal_units and layer.init == init]
        counts = _range([f"{count:,}" for count in sorted({layer.equal_units for layer in here})])
        drawn = "" if init is None else f" ({init})"
        found.append(f"{places(here, layers)}: {counts} equal units, which training keeps equal{drawn}")
    beyond = [layer for layer in layers if not math.isfinite(layer.std)]
    if beyond:
        found.append(f"{places(beyond, layers)}: outputs overflow")
    dead = [layer for layer in layers if layer.dead >= _DEAD and not layer.equal_units]
    if dead:
        shares = _percents([layer.dead for layer in dead])
        found.append(f"{places(dead, layers)}: {shares} of units give the same output for every sample")
    full = [layer for layer in layers if layer.saturated >= _SATURATED]
    if full:
        found.append(f"{places(full, layers)}: {_percents([one.saturated for one in full])} of outputs are saturated")
    found += _outside(layers, "outputs", lambda layer: layer.outside, lambda layer: layer.rms)
    found += _outside(layers, "gradients", lambda layer: layer.grad_outside, lambda layer: layer.grad_std)
    return tuple(found)


def places(some: Layers, layers: Layers) -> str:
    """Return which of all layers some are: a name, a range or two, or how many between two.

    >>> layers = [LayerSignal(f"layer{number}", 0.0, 1.0, 1.0) for number in range(1, 10)]
    >>> places(layers[2:5], layers), places(layers[::8], layers), places(layers[::2], layers)
    ('layer3 to layer5', 'layer1 and layer9', '5 layers from layer1 to layer9')
    """
    chosen = {id(layer) for layer in some}
    runs: list[list[LayerSignal]] = [[]]
    for layer in layers:
        if id(layer) in chosen:
            runs[-1].append(layer)
        elif runs[-1]:
            runs.append([])
    runs = [run for run in runs if run]
    if len(runs) > _MOST_RUNS:
        return f"{len(some)} layers from {some[0].name} to {some[-1].name}"
    return _listed([run[0].name if len(run) == 1 else f"{run[0].name} to {run[-1].name}" for run in runs])


def _outside(
    layers: Layers,
    what: str,
    shares: Callable[[LayerSignal], Mapping[str, float]],
    size: Callable[[LayerSignal], float],
) -> list[str]:
    """Return a line for what is lost in a format; formats that lose it in the same layers share one."""
    lost: dict[tuple[str, str], dict[str, Layers]] = {}
    for name, limits in LIMITS.items():
        middle = math.sqrt(math.prod(limits))  # in logarithms
        here = [
            layer
            for layer in layers
            if shares(layer).get(name, 0.0) >= _OUTSIDE[name] and math.isfinite(layer.std + size(layer))
        ]
        small, large = ([one for one in here if (size(one) < middle) is below] for below in (True, False))
        for some, fate in ((small, "become 0"), (large, "overflow")):
            if some:
                lost.setdefault((places(some, layers), fate), {})[name] = some
    return [
        f"{where}: {_percents([shares(one)[name] for name, some in formats.items() for one in some])} of {what} {fate} "
        f"in {_listed(list(formats))}"
        for (where, fate), formats in lost.items()
    ]


def _percents(shares: Sequence[float]) -> str:
    return _range([f"{share:.0%}" for share in (min(shares), max(shares))])


def _range(texts: Sequence[str]) -> str:
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
