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

from weightfill._arguments.messages import shown
from weightfill._initializers.masks import Mask
from weightfill._initializers.names import made_of, named
from weightfill._run.float_mode import in_float_mode

Shape: TypeAlias = tuple[int | None, ...]


class Initializer:
    """What to draw; the base class of all initializers.

    An initializer becomes a law (a distribution with its numbers) once the shape of the full tensor is known: `law`.
    """

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
    """Every element is `value`, rounded to the dtype. Needs no seed.

    Args:
        value: a finite number. Filling raises ValueError if the dtype cannot hold it.

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
    """Uniform on [low, high): low + u * (high - low), with u in steps of 2**-24 (2**-53 for float64).

    `low <= x < high` holds in every dtype, also after rounding. If you pass one bound only, pass it by name.

    Args:
        low: the smallest value, finite.
        high: the upper bound, which no value reaches, finite.

    >>> Uniform(-0.1, 0.1)
    Uniform(low=-0.1, high=0.1)

    Raises:
        TypeError: a bound is not a number, or a single bound is passed without its name.
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
    """Normal, computed from one random number per element by the inverse of the distribution function.

    If you pass one parameter only, pass it by name: Normal(0.02) is an error, as it would be the mean here and the std
    in JAX. Values beyond 6.34 standard deviations from the mean (9.16 in float64) never occur; the effect on the
    standard deviation is negligible.

    Args:
        mean: the mean, finite.
        std: the standard deviation, finite and at least 0.

    >>> Normal(std=0.02)
    Normal(mean=0.0, std=0.02)

    Raises:
        TypeError: a parameter is not a number, or a single parameter is passed without its name.
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
    """Normal, restricted to `low <= x <= high`, which holds in every dtype, also after rounding.

    `mean` and `std` are those of the normal distribution before truncation. The values have a smaller standard
    deviation: 0.88 * std with the default cutoff. Give the bounds either by `cutoff`, as `mean - cutoff * std` and
    `mean + cutoff * std`, or as values, by `low` and `high`; one of these may be infinite or left out. Values are
    computed directly, without rejection sampling, so it is as fast as Normal.

    Args:
        mean: the mean before truncation, finite.
        std: the standard deviation before truncation, finite and greater than 0.
        cutoff: the distance of the bounds from the mean in standard deviations, greater than 0. The default is 2.
        low: the lower bound, instead of `cutoff`; minus infinity if you pass only `high`.
        high: the upper bound, instead of `cutoff`; infinity if you pass only `low`.

    >>> TruncatedNormal(std=0.02)
    TruncatedNormal(mean=0.0, std=0.02, cutoff=2.0)
    >>> TruncatedNormal(std=0.02, low=-0.05, high=0.05)
    TruncatedNormal(mean=0.0, std=0.02, low=-0.05, high=0.05)

    Raises:
        TypeError: a parameter is not a number, `mean` is passed alone without its name, or `cutoff` is passed together
            with `low` or `high`.
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
        """Return the smallest and the largest possible value.

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
