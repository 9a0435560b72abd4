"""Laws: distributions with their numbers, of which every initializer becomes one once the shape is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._initializers.base import Floats, Initializer, PlainLaw, Shape, store_number
from weightfill._initializers.names import named

# How far from the mean, in standard deviations, the outermost word lies: the quantiles of 2**-33 and 2**-65.
REACH = {32: 6.3379577545537895, 64: 9.155293772686072}
# The same for a normal law cut at its mean, the farthest that a cut one gets beyond its mean or its bound.
CUT_REACH = {32: 6.4439345265385635, 64: 9.22983443305775}
# The narrowest uniform law: 2**24 steps of the smallest normal float32, 2**53 of the smallest normal float64.
NARROWEST = {32: 2.0**-102, 64: 2.0**-969}


@named()
@dataclass(frozen=True, slots=True)
class Constant(PlainLaw):
    """Every element is `value`, rounded to the dtype. Needs no seed.

    Args:
        value: a finite number. Filling raises ValueError if the dtype cannot hold it.

    >>> Constant(0.5)
    Constant(value=0.5)

    Raises:
        TypeError: `value` is not a number.
        ValueError: `value` is not finite.
    """

    core_name: ClassVar[str] = "constant"
    random: ClassVar[bool] = False
    value: float

    def __post_init__(self) -> None:
        store_number(self, "value")

    def parameters(self) -> tuple[float, ...]:
        """Return the value."""
        return (self.value,)

    def span(self, word_bits: int) -> tuple[float, float]:
        """Return the value twice."""
        return self.value, self.value

    def moments(self) -> tuple[float, float]:
        """Return the value and 0."""
        return self.value, 0.0

    def rescaled(self, change: Callable[[float], float]) -> Constant:
        """Return the constant changed."""
        return Constant(change(self.value))


@named("Zero")
@dataclass(frozen=True, slots=True)
class Zeros(Initializer):
    """Every element is 0. Needs no seed.

    >>> Zeros()
    Zeros()
    """

    random: ClassVar[bool] = False

    def law(self, shape: Shape) -> Constant:
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

    def law(self, shape: Shape) -> Constant:
        """Return Constant(1), for every shape."""
        return _ONE


@named(pair=True)
@dataclass(frozen=True, slots=True)
class Uniform(PlainLaw):
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

    core_name: ClassVar[str] = "uniform"
    bounded: ClassVar[bool] = True
    half_open: ClassVar[bool] = True
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        low, high = store_number(self, "low"), store_number(self, "high")
        if not low < high:
            raise ValueError(f"low must be less than high, got low={low}, high={high}")

    def parameters(self) -> tuple[float, ...]:
        """Return both bounds."""
        return self.low, self.high

    def span(self, word_bits: int) -> tuple[float, float]:
        """Return both bounds."""
        return self.low, self.high

    def moments(self) -> tuple[float, float]:
        """Return the middle, and the distance of the bounds divided by sqrt(12)."""
        return self.low + (self.high - self.low) / 2, (self.high - self.low) / math.sqrt(12)

    def density(self, x: Floats) -> Floats:
        """Return 1 / (high - low) between the bounds."""
        return np.where((x >= self.low) & (x <= self.high), 1 / (self.high - self.low), 0.0)

    def rescaled(self, change: Callable[[float], float]) -> Uniform:
        """Return the law between the bounds changed."""
        return Uniform(change(self.low), change(self.high))

    def check_steps(self, dtype: np.dtype[Any]) -> None:
        """Raise ValueError if the steps between values would be subnormal."""
        narrowest = NARROWEST[CORE_DTYPES[dtype].word_bits]
        if self.high - self.low < narrowest:
            raise ValueError(
                f"init must span at least {narrowest:.1e} in {dtype}, so that its steps are not subnormal, got {self}; "
                "draw from a wider distribution and scale the values"
            )


@named(pair=True)
@dataclass(frozen=True, slots=True)
class Normal(PlainLaw):
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

    core_name: ClassVar[str] = "normal"
    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        store_number(self, "mean")
        if (std := store_number(self, "std")) < 0:
            raise ValueError(f"std must be at least 0, got {std}")

    def parameters(self) -> tuple[float, ...]:
        """Return mean and std."""
        return self.mean, self.std

    def span(self, word_bits: int) -> tuple[float, float]:
        """Return the values of the outermost words."""
        return self.mean - REACH[word_bits] * self.std, self.mean + REACH[word_bits] * self.std

    def moments(self) -> tuple[float, float]:
        """Return mean and std."""
        return self.mean, self.std

    def density(self, x: Floats) -> Floats | None:
        """Return the bell curve; None without spread.

        >>> Normal(std=0.5).density(np.array([0.0, 0.5])).round(4)
        array([0.7979, 0.4839])
        """
        if self.std == 0:
            return None
        result: Floats = np.exp(-(((x - self.mean) / self.std) ** 2) / 2) / (self.std * math.sqrt(2 * math.pi))
        return result

    def rescaled(self, change: Callable[[float], float]) -> Normal:
        """Return the law with mean and std changed."""
        return Normal(change(self.mean), change(self.std))


@named("TruncNormal", pair=True)
@dataclass(frozen=True, slots=True)
class TruncatedNormal(PlainLaw):
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

    core_name: ClassVar[str] = "truncated_normal"
    bounded: ClassVar[bool] = True
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

    def parameters(self) -> tuple[float, ...]:
        """Return mean, std and both bounds."""
        return (self.mean, self.std, *self.bounds())

    def span(self, word_bits: int) -> tuple[float, float]:
        """Return the bounds, or the values of the outermost words where these are nearer."""
        low, high = self.bounds()
        reach = CUT_REACH[word_bits] * self.std
        return max(low, min(self.mean, high) - reach), min(high, max(self.mean, low) + reach)

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation after the cut, by quadrature.

        >>> mean, std = TruncatedNormal(std=0.02).moments()
        >>> f"{mean:.6g}, {std:.6g}"
        '0, 0.0175925'
        """
        z, weight, _ = self._weights()
        weight = weight / weight.sum()
        mean = float(weight @ z) if z[0] != -z[-1] else 0.0
        return self.mean + self.std * mean, self.std * math.sqrt(float(weight @ (z - mean) ** 2))

    def density(self, x: Floats) -> Floats:
        """Return the part of the bell curve between the bounds, above an area of 1."""
        z, weight, peak = self._weights()
        area = float(weight.sum()) * float(z[1] - z[0]) * self.std
        low, high = self.bounds()
        inside = (x >= low) & (x <= high)
        return np.where(inside, np.exp((peak * peak - ((x - self.mean) / self.std) ** 2) / 2) / area, 0.0)

    def _weights(self) -> tuple[Floats, Floats, float]:
        """Return the middles of equal steps between the bounds, in std, their weights, and where the weight is 1."""
        low, high = ((bound - self.mean) / self.std for bound in self.bounds())
        peak = min(max(low, 0.0), high)
        reach = math.sqrt(peak * peak + 80)  # beyond, the density is below e^-40 of its largest
        low, high = max(low, -reach), min(high, reach)
        z = low + (np.arange(_STEPS, dtype=np.float64) + 0.5) * ((high - low) / _STEPS)
        return z, np.exp((peak * peak - z * z) / 2), peak

    def rescaled(self, change: Callable[[float], float]) -> TruncatedNormal:
        """Return the law with all numbers changed, but for a cutoff."""
        mean, std = change(self.mean), change(self.std)
        if self.cutoff is not None:
            return TruncatedNormal(mean, std, self.cutoff)
        low, high = self.bounds()
        return TruncatedNormal(mean, std, low=change(low), high=change(high))

    def __repr__(self) -> str:
        bounds = f"cutoff={self.cutoff}" if self.low is None else f"low={self.low}, high={self.high}"
        return f"TruncatedNormal(mean={self.mean}, std={self.std}, {bounds})"


_STEPS = 1 << 16  # of a quadrature
_ZERO = Constant(0.0)
_ONE = Constant(1.0)
