"""From what a parameter was recorded to hold to the initializer that says it."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import torch

from weightfill._initializers.base import Initializer, PlainLaw
from weightfill._initializers.laws import Constant, Normal, Ones, Zeros
from weightfill._initializers.padded import Padded
from weightfill._initializers.scaling import VarianceScaling
from weightfill._initializers.schemes import KaimingNormal, KaimingUniform, StandardUniform
from weightfill._initializers.structured import DepthScaled
from weightfill.torch._contents import Draw, Known, Unsayable
from weightfill.torch._written import Painting

_LAYER = re.compile(r"(.*?)\.(\d+)\.")
_MOST_ROWS = 1000  # of zeros, which a Padded lists


def said(painting: Painting, shape: tuple[int, ...], dtype: torch.dtype) -> Initializer | Unsayable:
    """Return the initializer of a tensor, or why there is none."""
    contents = painting.held()
    for content in contents:
        if isinstance(content, Unsayable):
            return content
    if all(isinstance(content, Known) for content in contents):
        values = {content.value for content in contents if isinstance(content, Known)}
        return _constant(values.pop(), dtype) if len(values) == 1 else Unsayable("which has different constants in it")
    draws = [content for content in contents if isinstance(content, Draw)]
    init = _of_draws(draws, shape)
    if len(draws) == len(contents) or isinstance(init, Unsayable):
        return init
    return _padded(init, painting, shape)


def origins(painting: Painting) -> set[object]:
    """Return the draws from which the tensor has values, its own or those of a tensor that it is a copy of."""
    return {content.origin for content in painting.held() if isinstance(content, Draw)}


def readable(init: Initializer) -> Initializer:
    """Return the same initializer under the name by which it is known, if there is one."""
    if not isinstance(init, VarianceScaling) or init.distribution == "truncated_normal":
        return init
    uniform = init.distribution == "uniform"
    if uniform and init.mode == "fan_in" and math.isclose(init.scale, 1 / 3, rel_tol=1e-14):
        return StandardUniform()
    if math.isclose(init.scale, 2, rel_tol=1e-14):
        return KaimingUniform(mode=init.mode) if uniform else KaimingNormal(mode=init.mode)
    return replace(init, scale=float(f"{init.scale:.15g}"))


def by_depth(inits: dict[str, Initializer]) -> dict[str, Initializer]:
    """Return the same with DepthScaled for weights of all layers whose std is another one over sqrt(2 * layers).

    Only a std that is equal to the last bit is said so.
    """
    layers: dict[tuple[str, float], set[str]] = {}  # by what stands before the number, and std
    places = {name: match for name in inits if (match := _LAYER.match(name))}
    for name, match in places.items():
        init = inits[name]
        if isinstance(init, Normal) and init.mean == 0 and init.std > 0:
            layers.setdefault((match[1], init.std), set()).add(match[2])
    found = dict(inits)
    for name, match in places.items():
        init = inits[name]
        count = len(layers.get((match[1], init.std), ())) if isinstance(init, Normal) and init.mean == 0 else 0
        for std in {std for stack, std in layers if stack == match[1]} if count > 1 else ():
            scaled = DepthScaled(Normal(std=std), layers=count)
            if scaled.law(()) == init:
                found[name] = scaled
    return found


def _constant(value: float, dtype: torch.dtype) -> Initializer:
    if value in (0, 1):
        return Ones() if value else Zeros()
    if dtype == torch.float32:  # the shortest number that is the same one
        value = float(str(np.float32(value)))
    return Constant(value)


def _of_draws(draws: list[Draw], shape: tuple[int, ...]) -> Initializer | Unsayable:
    if len(draws) == 1 and draws[0].shape == shape:
        return readable(draws[0].init)
    laws: list[PlainLaw | None] = [draw.plain() for draw in draws]
    first = laws[0]
    if first is None or any(law != first for law in laws):
        return Unsayable("whose parts have different distributions")
    return first


def _padded(init: Initializer, painting: Painting, shape: tuple[int, ...]) -> Initializer | Unsayable:
    """Return the initializer with rows of zeros, if the constants are such rows."""
    rows: list[int] = []
    zero = {number for number, content in enumerate(painting.contents) if content == Known(0.0)}
    for index, low in enumerate(painting.cuts[0][:-1] if painting.cuts else ()):
        numbers: set[int] = set(np.unique(painting.cells[index]).tolist())
        if numbers <= zero:
            rows.extend(range(low, painting.cuts[0][index + 1]))
        elif not all(isinstance(painting.contents[number], Draw) for number in numbers):
            return Unsayable("part of which is constant")
    if not 0 < len(rows) <= _MOST_ROWS:
        return Unsayable("part of which is constant")
    try:
        padded = Padded(init, tuple(rows))
        padded.law(shape)
    except (TypeError, ValueError):
        return Unsayable("part of which is constant")
    return padded
