"""What tensors hold after recorded operations: draws, constants, and what no plan can say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from weightfill._initializers.base import Initializer, PlainLaw
from weightfill._initializers.laws import Normal, TruncatedNormal, Uniform
from weightfill._initializers.structured import Scaled


@dataclass(frozen=True, eq=False)
class Draw:
    """A draw of an initializer for a tensor of a shape; one of the same origin is a copy of it, or of a part."""

    init: Initializer
    shape: tuple[int, ...]
    origin: object

    def plain(self) -> PlainLaw | None:
        """Return the law of each element; None if it depends on where the element is."""
        return _plain_law(self.init, self.shape)


@lru_cache(maxsize=1024)
def _plain_law(init: Initializer, shape: tuple[int, ...]) -> PlainLaw | None:
    law = None if init.whole() is not None else init.law(shape)
    return law if isinstance(law, PlainLaw) else None


class Known(NamedTuple):
    """A constant."""

    value: float


class Unsayable(NamedTuple):
    """Values that no initializer of a plan has; `why` goes on after the name of a parameter."""

    why: str


class InMemory(NamedTuple):
    """What lies in memory, which operations on known values have computed."""


Content: TypeAlias = Draw | Known | Unsayable | InMemory
UNSET = Unsayable("which was never written")
VALUES = Unsayable("which got values that the module computes")
MEMORY = InMemory()

ELEMENTWISE = {"mul", "mul_", "div", "div_", "add", "add_", "sub", "sub_", "rsub", "neg", "neg_"}


def computed_by(operation: str) -> Unsayable:
    """Return what an operation leaves that no law describes."""
    return Unsayable(f"which {operation} computed from a draw")


def in_memory(tensor: Tensor) -> Content:
    """Return what a tensor in memory holds as a constant, if all its elements are equal."""
    values = tensor.detach()
    if values.is_complex() or values.is_quantized or not values.numel():
        return VALUES
    first = values.flatten()[:1] if values.is_contiguous() else values.reshape(-1)[:1]
    if not bool((values == first).all()):
        return VALUES
    value = float(first.item())
    return Known(value) if math.isfinite(value) else VALUES


def after(content: Content, function: Any, numbers: tuple[Any, ...], options: dict[str, Any], dtype: Any) -> Content:
    """Return what an elementwise operation with numbers makes of a content in memory of a dtype."""
    name = function.overloadpacket.__name__
    if isinstance(content, Known):
        value = float(function(torch.full((1,), content.value, dtype=dtype), *numbers, **options).item())
        return Known(value) if math.isfinite(value) else computed_by(name)
    if not isinstance(content, Draw):
        return computed_by(name) if content is UNSET else content
    try:
        return _affine(content, name.rstrip("_"), *numbers, **options)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return computed_by(name)


def _affine(draw: Draw, name: str, number: float = 0.0, alpha: float = 1.0, **options: Any) -> Content:
    if options.get("rounding_mode") is not None:
        return computed_by(name)
    factor, shift = 1.0, 0.0
    match name:
        case "mul":
            factor = float(number)
        case "div":
            return _divided(draw, float(number))
        case "neg":
            factor = -1.0
        case "add":
            shift = float(number) * alpha
        case "sub":
            shift = -float(number) * alpha
        case "rsub":
            return _affine(_moved(draw, -1.0, 0.0), "add", number) if alpha == 1 else computed_by(name)
    return Known(0.0) if factor == 0 else _moved(draw, factor, shift)


def _divided(draw: Draw, divisor: float) -> Draw:
    law = draw.plain()
    if isinstance(draw.init, Normal | Uniform) and isinstance(law, PlainLaw) and divisor > 0:
        return Draw(law.rescaled(lambda value: value / divisor), draw.shape, draw.origin)
    return _moved(draw, 1 / divisor, 0.0)


def _moved(draw: Draw, factor: float, shift: float) -> Draw:
    """Return the draw times a factor, plus a shift.

    Raises:
        ValueError: its law has no such form.
    """
    if shift == 0 and factor > 0 and not isinstance(draw.init, Normal | Uniform | TruncatedNormal):
        init = draw.init if factor == 1 else Scaled(draw.init, factor)
        return Draw(init, draw.shape, draw.origin)
    move: Callable[[float], float] = lambda value: value * factor + shift  # noqa: E731
    match draw.plain():
        case Normal(mean, std):
            law: PlainLaw = Normal(move(mean), std * abs(factor))
        case Uniform(low, high):
            law = Uniform(*sorted((move(low), move(high))))
        case TruncatedNormal() as cut:
            low, high = sorted(map(move, cut.bounds()))
            law = TruncatedNormal(move(cut.mean), cut.std * abs(factor), low=low, high=high)
        case _:
            raise ValueError("no form")
    return Draw(law, draw.shape, draw.origin)
