"""What tensors hold after recorded operations: draws, constants, and what no plan can say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from weightfill._initializers.base import Initializer, PlainLaw
from weightfill._initializers.laws import Normal, TruncatedNormal, Uniform
from weightfill._initializers.log_uniform import LogUniform
from weightfill._initializers.structured import Scaled
from weightfill.torch._recorded.regions import Place


@dataclass(frozen=True, eq=False)
class Draw:
    """A draw of an initializer for a tensor of a shape; one of the same origin is a copy of it, or of a part.

    Attributes:
        init: what was drawn.
        shape: of the tensor that was drawn.
        origin: the draw.
        copy: the copy of it that this is; None for itself.
        steps: operations on each element that no initializer has; see `functions_of`.
        order: where all elements lie in the storage, as `Place.order`; for draws that are not the same everywhere.
    """

    init: Initializer
    shape: tuple[int, ...]
    origin: object
    copy: object = None
    steps: tuple[str, ...] = ()
    order: object = None

    def is_all_of(self, place: Place, shape: tuple[int, ...]) -> bool:
        """Whether a place of a shape holds it as it was drawn: all of it, with no element in the place of another."""
        return self.shape == shape and (self.plain() is not None or self.order == place.order)

    def plain(self) -> PlainLaw | None:
        """Return the law of each element; None if it depends on where the element is, or there is none."""
        return None if self.steps else _plain_law(self.init, self.shape)


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


@dataclass(frozen=True, eq=False)
class Computed:
    """Real values, as they lie in a storage from its element `first` on."""

    memory: Tensor
    first: int

    def at(self, place: Place) -> Tensor:
        """Return those of a place in the storage."""
        return torch.as_strided(self.memory, place.shape, place.stride, place.offset - self.first)


Content: TypeAlias = Draw | Known | Unsayable | InMemory | Computed
UNSET = Unsayable("which was never written")
NOT_REAL = Unsayable("which got complex or quantized numbers")
NOT_FINITE = Unsayable("which got values that are not all finite numbers")
MEMORY = InMemory()

_AFFINE = {"mul", "mul_", "div", "div_", "add", "add_", "sub", "sub_", "rsub", "neg", "neg_"}
_FUNCTIONS = {"exp", "exp_", "log", "log_", "expm1", "expm1_", "clamp", "clamp_", "clamp_min", "clamp_min_"}
ELEMENTWISE = _AFFINE | _FUNCTIONS
_INVERSE_SOFTPLUS = ("neg", "expm1", "neg", "log")  # which is added to what it is of
_MOST_BYTES = 1 << 26  # of values that are kept of a tensor
_TOO_MANY = Unsayable("which got values that the module computes, too many to be kept")


def computed_by(operation: str) -> Unsayable:
    """Return what an operation leaves that no law describes."""
    return Unsayable(f"which {operation} computed from a draw")


def in_memory(values: Tensor, place: Place, dtype: torch.dtype) -> Content:
    """Return what a place in a storage of a dtype holds that has got values in memory: a constant if all are equal."""
    values = values.detach()
    if values.is_complex() or values.is_quantized or not values.numel():
        return NOT_REAL
    first = values.flatten()[:1] if values.is_contiguous() else values.reshape(-1)[:1]
    if bool((values == first).all()):
        value = float(first.item())
        return Known(value) if math.isfinite(value) else NOT_FINITE
    if (place.end - place.offset) * dtype.itemsize > _MOST_BYTES:
        return _TOO_MANY
    memory = torch.zeros(place.end - place.offset, dtype=dtype, device="cpu")
    computed = Computed(memory, place.offset)
    kept = computed.at(place).copy_(values)
    return computed if bool(kept.double().isfinite().all()) else NOT_FINITE


def after(content: Content, function: Any, numbers: tuple[Any, ...], options: dict[str, Any], dtype: Any) -> Content:
    """Return what an elementwise operation with numbers makes of a content in memory of a dtype."""
    name = function.overloadpacket.__name__
    if isinstance(content, Known):
        value = float(function(torch.full((1,), content.value, dtype=dtype), *numbers, **options).item())
        return Known(value) if math.isfinite(value) else computed_by(name)
    if isinstance(content, Computed):
        memory = function(content.memory.clone(), *numbers, **options)
        return Computed(memory, content.first) if memory.dtype == dtype else computed_by(name)
    if not isinstance(content, Draw):
        return computed_by(name) if content is UNSET else content
    kind = name.rstrip("_")
    try:
        if name in _FUNCTIONS or content.steps:
            return _function(content, kind, *numbers, **options)
        return _affine(content, kind, *numbers, **options)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return replace(content, steps=(*content.steps, name)) if not numbers and not options else computed_by(name)


def sum_of(first: Content, second: Content) -> Content:
    """Return the sum of two contents, element by element: of a draw and what makes its inverse softplus of it."""
    match first, second:
        case Draw(LogUniform(low, high, then=None) as law, shape, origin, copy, ()), Draw(other, _, same, _, steps) if (
            law,
            origin,
            steps,
        ) == (other, same, _INVERSE_SOFTPLUS):
            return Draw(LogUniform(low, high, then="inverse_softplus"), shape, origin, copy)
    return computed_by("add")


def _function(draw: Draw, name: str, *numbers: float | None, **options: Any) -> Content:
    """Return a function of each element of a draw; ValueError if no initializer says it."""
    if draw.steps:
        raise ValueError("steps go on")
    law = draw.plain()
    match name, law:
        case "exp", Uniform(low, high):
            ends = (float(f"{math.exp(end):.15g}") for end in (low, high))  # exp(log(0.001)) is 0.001
            return replace(draw, init=LogUniform(*ends))
        case (("clamp" | "clamp_min"), Uniform() | TruncatedNormal() | LogUniform()):
            low, high = law.span(64)
            bounds = dict(zip(("min", "max"), numbers, strict=False)) | options
            least, most = bounds.get("min"), bounds.get("max")
            if (least is None or least <= low) and (most is None or most >= high):
                return draw
            return computed_by(name)
    raise ValueError("no form")


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
    if isinstance(draw.init, Normal | Uniform | TruncatedNormal) and isinstance(law, PlainLaw) and divisor > 0:
        return replace(draw, init=law.rescaled(lambda value: value / divisor))
    return _moved(draw, 1 / divisor, 0.0)


def _moved(draw: Draw, factor: float, shift: float) -> Draw:
    """Return the draw times a factor, plus a shift.

    Raises:
        ValueError: its law has no such form.
    """
    if shift == 0 and factor > 0 and not isinstance(draw.init, Normal | Uniform | TruncatedNormal):
        init = draw.init if factor == 1 else Scaled(draw.init, factor)
        return replace(draw, init=init)
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
    return replace(draw, init=law)
