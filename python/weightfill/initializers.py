"""Initializers: what to draw, as frozen, hashable, validated values.

Parameters are kept as floats and a negative zero as zero, so equal initializers give equal bits.
"""

from __future__ import annotations

import math
import operator
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill.float_mode import in_float_mode
from weightfill.masks import Mask
from weightfill.messages import shown
from weightfill.names import made_of, named

Shape: TypeAlias = tuple[int | None, ...]


class Initializer:
    """What to draw. `law` says which law that is, once the shape of the whole tensor is known."""

    __slots__ = ()
    random: ClassVar[bool] = True  # whether the values depend on a seed

    def law(self, shape: Shape) -> Law:
        """Return the law of the elements of a tensor of this shape; an open first dimension is None."""
        raise TypeError(f"init must be an initializer such as Normal(std=0.02), got {_without(self, 'law')}")


def _without(init: Initializer, method: str) -> str:
    return f"an object of {type(init).__name__}, whose class does not define {method}"


def scalar(given: object) -> object:
    """Return the Python number in an array of no dimensions, of NumPy, JAX or torch; anything else as it is."""
    if getattr(given, "shape", None) == () and hasattr(given, "item"):
        try:
            return given.item()
        except Exception:  # a traced value, one on the meta device
            return given
    return given


@in_float_mode
def _unsigned_zero(value: float) -> float:
    """Return 0.0 for -0.0, and a subnormal number, which may have been taken for zero, as it is."""
    return value + 0.0


def store_number(initializer: Initializer, name: str, *, infinite: bool = False) -> float:
    """Make a field a float, finite unless allowed otherwise, and return it."""
    given = getattr(initializer, name)
    if not isinstance(given, Real):
        given = scalar(given)
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} must be a number, got {shown(given)}")
    try:
        value = float(given) or _unsigned_zero(float(given))
    except OverflowError:
        value = math.inf
    if math.isnan(value) or (math.isinf(value) and not infinite):
        raise ValueError(f"{name} must be {'a number' if infinite else 'finite'}, got {shown(given)}")
    object.__setattr__(initializer, name, value)
    return value


def store_integer(initializer: Initializer, name: str, least: int | None = None) -> int:
    """Make a field an int, at least `least` if that is given, and return it."""
    given = getattr(initializer, name)
    try:
        if isinstance(given, bool):
            raise TypeError
        value = operator.index(given)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {shown(given)}") from None
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, got {shown(value)}")
    object.__setattr__(initializer, name, value)
    return value


@named()
@dataclass(frozen=True, slots=True)
class Constant(Initializer):
    """Every element is `value`, rounded once to the target's dtype. Needs no seed.

    Args:
        value: a finite number; a fill refuses one beyond the largest finite value of the dtype.

    >>> Constant(0.5)
    Constant(value=0.5)

    Raises:
        TypeError: `value` is not a number.
        ValueError: `value` is not finite.
    """

    random: ClassVar[bool] = False
    value: float

    def __post_init__(self) -> None:
        store_number(self, "value")

    def law(self, shape: Shape) -> Law:
        """Return itself, for every shape."""
        return self


@named("Zero")
@dataclass(frozen=True, slots=True)
class Zeros(Initializer):
    """Every element is 0. Needs no seed.

    >>> Zeros()
    Zeros()
    """

    random: ClassVar[bool] = False

    def law(self, shape: Shape) -> Law:
        """Return Constant(0), for every shape."""
        return _ZERO


@named("One")
@dataclass(frozen=True, slots=True)
class Ones(Initializer):
    """Every element is 1. Needs no seed.

    >>> Ones()
    Ones()
    """

    random: ClassVar[bool] = False

    def law(self, shape: Shape) -> Law:
        """Return Constant(1), for every shape."""
        return _ONE


@named(pair=True)
@dataclass(frozen=True, slots=True)
class Uniform(Initializer):
    """Uniform on [low, high): low + u * (high - low), u in steps of 2**-24 (2**-53 for float64).

    `low <= x < high` holds after rounding to the target's dtype, too. One bound alone is given by name.

    Args:
        low: the smallest value, finite.
        high: what all values are below, finite.

    >>> Uniform(-0.1, 0.1)
    Uniform(low=-0.1, high=0.1)

    Raises:
        TypeError: a bound is not a number, or one is given alone and without its name.
        ValueError: a bound is not finite, or `low` is not below `high`.
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        low, high = store_number(self, "low"), store_number(self, "high")
        if not low < high:
            raise ValueError(f"low must be less than high, got low={low}, high={high}")

    def law(self, shape: Shape) -> Law:
        """Return itself, for every shape."""
        return self


@named(pair=True)
@dataclass(frozen=True, slots=True)
class Normal(Initializer):
    """Normal, by the quantile function of one random word an element.

    One parameter alone is given by name: Normal(0.02) would be the mean here and the std in JAX, and is an error.
    It reaches 6.34 standard deviations from the mean, 9.16 in float64; `std` is that of the law before this limit.

    Args:
        mean: of the values, finite.
        std: the standard deviation, finite and at least 0.

    >>> Normal(std=0.02)
    Normal(mean=0.0, std=0.02)

    Raises:
        TypeError: a parameter is not a number, or one is given alone and without its name.
        ValueError: a parameter is not finite, or `std` is negative.
    """

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        store_number(self, "mean")
        if (std := store_number(self, "std")) < 0:
            raise ValueError(f"std must be at least 0, got {std}")

    def law(self, shape: Shape) -> Law:
        """Return itself, for every shape."""
        return self


@named("TruncNormal", pair=True)
@dataclass(frozen=True, slots=True)
class TruncatedNormal(Initializer):
    """The normal law given that the value lies within bounds: `low <= x <= high`, after rounding to the dtype, too.

    `mean` and `std` are those of the normal law before it is cut; the values' own deviation is smaller (0.88 * std for
    the default cutoff). The bounds are either `mean - cutoff * std` and `mean + cutoff * std`, or `low` and `high` in
    the units of the values, either of which may be infinite or left out. No rejection: the cost is that of Normal.

    Args:
        mean: of the law before it is cut, finite.
        std: the standard deviation of the law before it is cut, finite and greater than 0.
        cutoff: how many standard deviations from the mean the bounds are, greater than 0; 2 if no bound is given.
        low: the lower bound, instead of `cutoff`; minus infinity if only `high` is given.
        high: the upper bound, instead of `cutoff`; infinity if only `low` is given.

    >>> TruncatedNormal(std=0.02)
    TruncatedNormal(mean=0.0, std=0.02, cutoff=2.0)
    >>> TruncatedNormal(std=0.02, low=-0.05, high=0.05)
    TruncatedNormal(mean=0.0, std=0.02, low=-0.05, high=0.05)

    Raises:
        TypeError: a parameter is not a number, `mean` is given alone and without its name, or `cutoff` is given
            together with `low` or `high`.
        ValueError: `mean`, `std` or `cutoff` is not finite, `std` or `cutoff` is not positive, a bound is NaN, or `low`
            is not below `high`.
    """

    mean: float = 0.0
    std: float = 1.0
    cutoff: float | None = None
    _: KW_ONLY
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        store_number(self, "mean")
        if (std := store_number(self, "std")) <= 0:
            raise ValueError(f"std must be greater than 0, got {std}; use Constant(mean) for no spread")
        if self.low is None and self.high is None:
            self._store_cutoff()
            return
        if self.cutoff is not None:
            raise TypeError(
                f"cutoff must be left out where low or high is given, got cutoff={self.cutoff}; "
                "cutoff counts standard deviations, low and high are values"
            )
        for name, default in (("low", -math.inf), ("high", math.inf)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        low, high = store_number(self, "low", infinite=True), store_number(self, "high", infinite=True)
        if not low < high:
            raise ValueError(f"low must be less than high, got low={low}, high={high}")

    def _store_cutoff(self) -> None:
        if self.cutoff is None:
            object.__setattr__(self, "cutoff", 2.0)
        cutoff = store_number(self, "cutoff")
        if cutoff <= 0:
            raise ValueError(f"cutoff must be greater than 0, got {cutoff}")
        if not self.mean - cutoff * self.std < self.mean + cutoff * self.std:
            raise ValueError(f"cutoff * std must not vanish beside the mean, got {self}")

    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest value that may occur, in the units of the values.

        >>> TruncatedNormal(mean=1.0, std=0.5).bounds()
        (0.0, 2.0)
        """
        if self.low is not None and self.high is not None:
            return self.low, self.high
        assert self.cutoff is not None
        return self.mean - self.cutoff * self.std, self.mean + self.cutoff * self.std

    def law(self, shape: Shape) -> Law:
        """Return itself, for every shape."""
        return self

    def __repr__(self) -> str:
        bounds = f"cutoff={self.cutoff}" if self.low is None else f"low={self.low}, high={self.high}"
        return f"TruncatedNormal(mean={self.mean}, std={self.std}, {bounds})"


class WholeTensor(Initializer):
    """An initializer whose tensor can only be made as a whole; a part of it is cut from the whole."""

    __slots__ = ()

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raise ValueError if there is no such tensor."""
        raise TypeError(f"init must be an initializer such as Orthogonal(), got {_without(self, 'check')}")

    def tensor(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], *, seed: int, stream: str, threads: int
    ) -> npt.NDArray[Any]:
        """Return the tensor; errors as of `check`."""
        raise TypeError(f"init must be an initializer such as Orthogonal(), got {_without(self, 'tensor')}")


@dataclass(frozen=True, slots=True)
class Masked:
    """A law for the elements that a mask keeps; the others are zero."""

    law: PlainLaw
    mask: Mask


PlainLaw: TypeAlias = Constant | Uniform | Normal | TruncatedNormal
Law: TypeAlias = PlainLaw | Masked

InitializerName: TypeAlias = Literal[
    "Constant",
    "DeltaOrthogonal",
    "DepthScaled",
    "Dirac",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "KaimingNormal",
    "KaimingUniform",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Ones",
    "Orthogonal",
    "Padded",
    "ScaledNormal",
    "Sparse",
    "StandardUniform",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
]
InitializerLike: TypeAlias = Initializer | InitializerName | str  # a text may be a call, too

_ZERO = Constant(0.0)
_ONE = Constant(1.0)


def as_initializer(init: InitializerLike, argument: str = "init") -> Initializer:
    """Return an initializer, or the one that a text describes: its name, or a call of it.

    >>> as_initializer("kaiming_normal")
    KaimingNormal(gain=1.4142135623730951, mode='fan_in', truncated=False)
    >>> as_initializer("Normal(std=0.02)")
    Normal(mean=0.0, std=0.02)

    Raises:
        TypeError: it is neither, or a parameter is of the wrong kind.
        ValueError: there is no initializer of this name, or a parameter has a wrong value.
    """
    if isinstance(init, Initializer):
        return init
    if isinstance(init, str):
        made: Initializer = made_of(init, argument)
        return made
    if isinstance(init, type) and issubclass(init, Initializer):
        raise TypeError(f"{argument} must be an initializer, got the class {init.__name__}; write {init.__name__}(...)")
    raise TypeError(f"{argument} must be an initializer such as Normal(std=0.02), got {shown(init)}")
