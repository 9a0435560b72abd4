"""Scaling by fans, which all schemes do: mean 0, variance scale / n, n one of the fans or a mean of both."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, fields
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import shown
from weightfill._arguments.rows import OpenShape
from weightfill._initializers.base import Initializer, Law, Shape, store_number
from weightfill._initializers.fans import LAYOUTS, Fans, LayoutLike, checked_groups, checked_layout, fans
from weightfill._initializers.gains import Nonlinearity, gain_named
from weightfill._initializers.laws import Normal, TruncatedNormal, Uniform
from weightfill._initializers.names import named
from weightfill._run.float_mode import in_float_mode

# The deviation of the standard normal law within [-2, 2]: sqrt(1 - 4 * density(2) / probability of [-2, 2]).
TRUNCATED_STD = 0.87962566103423978

Mode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
Distribution: TypeAlias = Literal["normal", "truncated_normal", "uniform"]
MODES = get_args(Mode)
DISTRIBUTIONS = get_args(Distribution)


@dataclass(frozen=True, slots=True, repr=False)
class FanScaled(Initializer):
    """What all schemes have: a layout, a number of groups, and the VarianceScaling that they are."""

    _: KW_ONLY
    layout: LayoutLike = "torch"
    groups: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", self.scaling.groups)  # the constructor of `scaling` checks everything

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        raise NotImplementedError  # each scheme has its own

    def fans(self, shape: OpenShape) -> Fans:
        """Return the fans of a tensor of this shape, in this scheme's layout.

        >>> XavierUniform(layout="keras").fans((784, 256))
        Fans(fan_in=784, fan_out=256)

        Raises:
            TypeError: `shape` is not a shape.
            ValueError: `shape` has no fans; see `fans`.
        """
        return fans(shape, groups=self.groups, layout=self.layout)

    def law(self, shape: Shape) -> Law:
        """Return the Normal, TruncatedNormal or Uniform law of the elements of a tensor of this shape.

        >>> StandardUniform().law((256, 400))
        Uniform(low=-0.05, high=0.05)

        Raises:
            ValueError: `shape` has no fans, or an open dimension decides the fan that is needed.
        """
        return _law(self, tuple(shape))

    def __repr__(self) -> str:
        common = FanScaled.__slots__
        listed = [f for f in fields(self) if f.name not in common]
        listed += [f for f in fields(self) if f.name in common and getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in listed)})"


@named()
@dataclass(frozen=True, slots=True, repr=False)
class VarianceScaling(FanScaled):
    """Mean 0 and variance scale / n, with n = fan_in, fan_out, (fan_in + fan_out) / 2 or sqrt(fan_in * fan_out).

    - "normal": std = sqrt(scale / n).
    - "truncated_normal": cut at 2 std, with std = sqrt(scale / n) / 0.87962566103423978, so that the result has the
      variance scale / n.
    - "uniform": within +-sqrt(3 * scale / n).

    For an empty tensor n is 1. The names are those of jax.nn.initializers.variance_scaling. In Keras's VarianceScaling
    "normal" means "truncated_normal" and "untruncated_normal" means "normal". For the fans of both pass
    layout="keras". torch has no such function.

    Args:
        scale: the variance times n, from 1e-250 to 1e250.
        mode: which fan n is: "fan_in", "fan_out", "fan_avg" (their mean) or "fan_geo_avg" (the root of their product).
        distribution: "normal", "truncated_normal" or "uniform".
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> VarianceScaling(2.0, "fan_out", "normal").law((50, 200))
    Normal(mean=0.0, std=0.2)
    >>> VarianceScaling(3.0, layout="keras")
    VarianceScaling(scale=3.0, mode='fan_in', distribution='truncated_normal', layout='keras')

    Raises:
        TypeError: `scale` is not a number, `mode`, `distribution` or `layout` is not a string (or Layout), or `groups`
            is not an integer.
        ValueError: `scale` is out of range, `mode`, `distribution` or `layout` is not a known name, or `groups` is less
            than 1. When it is used: the tensor has no fans, such as a vector.
    """

    scale: float = 1.0
    mode: Mode = "fan_in"
    distribution: Distribution = "truncated_normal"

    def __post_init__(self) -> None:
        _check_places(self, "scale", "mode", "distribution")
        scale = store_number(self, "scale")
        if not 1e-250 <= scale <= 1e250:
            raise ValueError(f"scale must be greater than 0, from 1e-250 to 1e+250, got {scale}")
        check_choice(self.mode, MODES, "mode")
        check_choice(self.distribution, DISTRIBUTIONS, "distribution")
        checked_layout(self.layout)
        object.__setattr__(self, "groups", checked_groups(self.groups))

    @property
    def scaling(self) -> VarianceScaling:
        """Itself."""
        return self


@dataclass(frozen=True, slots=True, repr=False)
class GainScaled(FanScaled):
    """A scheme with a gain: a positive number, or the name of a nonlinearity, which becomes its number."""

    gain: float | Nonlinearity = 1.0

    def __post_init__(self) -> None:
        _check_places(self, "gain", "mode")
        if isinstance(self.gain, str):
            object.__setattr__(self, "gain", gain_named(self.gain, "gain"))
        gain = store_number(self, "gain")
        if not 1e-120 <= gain <= 1e120:
            raise ValueError(f"gain must be greater than 0, from 1e-120 to 1e+120, got {gain}")
        FanScaled.__post_init__(self)


@lru_cache(maxsize=4096)
@in_float_mode
def _law(scheme: FanScaled, shape: Shape) -> Law:
    scaling = scheme.scaling
    n = _fan(scaling.mode, scaling.fans(shape), shape)
    if scaling.distribution == "uniform":
        limit = math.sqrt(3 * scaling.scale / n)
        return Uniform(-limit, limit)
    std = math.sqrt(scaling.scale / n)
    return Normal(std=std) if scaling.distribution == "normal" else TruncatedNormal(std=std / TRUNCATED_STD, cutoff=2.0)


def _fan(mode: Mode, known: Fans, shape: Shape) -> float:
    """Return the n of a mode, 1 for an empty tensor."""
    needed = known if mode in ("fan_avg", "fan_geo_avg") else (getattr(known, mode),)
    found = [fan for fan in needed if fan is not None]
    if len(found) < len(needed):
        raise ValueError(
            f"shape must have a known first dimension for {mode} in this layout, got {shape}; "
            "give the whole shape, or choose a mode or layout that does not need it"
        )
    n = math.sqrt(math.prod(found)) if mode == "fan_geo_avg" else sum(found) / len(found)
    return max(n, 1)


@in_float_mode
def scale_of(gain: float | Nonlinearity) -> float:
    """Return the scale of a gain, to 15 digits, so that sqrt(2) gives 2."""
    return float(f"{float(gain) ** 2:.15g}")


def _check_places(scheme: FanScaled, *arguments: str) -> None:
    """Raise ValueError if an argument is a name of another one, as in KaimingNormal("fan_out")."""
    for argument in arguments:
        given = getattr(scheme, argument, None)
        for other, names in (("mode", MODES), ("distribution", DISTRIBUTIONS), ("layout", LAYOUTS)):
            if other != argument and isinstance(given, str) and given in names and hasattr(scheme, other):
                raise ValueError(f"{argument} must not be a name of {other}, got {given!r}; write {other}={given!r}")


def normal_or_truncated(truncated: bool) -> Distribution:
    """Return the distribution of a scheme that is normal unless `truncated`; TypeError unless that is a bool."""
    if not isinstance(truncated, bool):
        raise TypeError(f"truncated must be True or False, got {shown(truncated)}")
    return "truncated_normal" if truncated else "normal"
