"""Schemes: laws whose variance follows from the fans of the whole tensor.

All are VarianceScaling: mean 0, variance scale / n, n one of the fans or a mean of both.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, fields
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Initializer, Law, Shape, store_number
from weightfill._initializers.fans import LAYOUTS, Fans, LayoutLike, OpenShape, checked_groups, checked_layout, fans
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
        shown = [f for f in fields(self) if f.name not in common]
        shown += [f for f in fields(self) if f.name in common and getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in shown)})"


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


@named("GlorotUniform")
@dataclass(frozen=True, slots=True, repr=False)
class XavierUniform(GainScaled):
    """Uniform within +-gain * sqrt(6 / (fan_in + fan_out)): the variance is gain^2 * 2 / (fan_in + fan_out).

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq. 16.
    torch: xavier_uniform_. Keras: GlorotUniform; JAX: glorot_uniform; both with layout "keras" and gain 1.
    GlorotUniform is the same class.

    Args:
        gain: a factor of the std, from 1e-120 to 1e120, or the name of a nonlinearity, such as "tanh" (see `gain`).
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> XavierUniform().law((2, 4))
    Uniform(low=-1.0, high=1.0)

    Raises:
        TypeError: `gain` is neither a number nor a string, `layout` is neither a string nor a Layout, or `groups` is
            not an integer.
        ValueError: `gain` is out of range or not a known name, `layout` is not a known name, or `groups` is less than
            1. When it is used: the tensor has no fans, such as a vector.
    """

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        return VarianceScaling(_square(self.gain), "fan_avg", "uniform", layout=self.layout, groups=self.groups)


@named("GlorotNormal")
@dataclass(frozen=True, slots=True, repr=False)
class XavierNormal(GainScaled):
    """Normal with std = gain * sqrt(2 / (fan_in + fan_out)): the std of the *result*, also if truncated.

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq. 12.
    torch: xavier_normal_. Keras: GlorotNormal; JAX: glorot_normal; both truncated, with layout "keras" and gain 1.
    GlorotNormal is the same class.

    Args:
        gain: a factor of the std, from 1e-120 to 1e120, or the name of a nonlinearity, such as "tanh" (see `gain`).
        truncated: whether to cut the distribution at 2 std. It is widened first, so that the variance stays the same.
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> XavierNormal().law((20, 30))
    Normal(mean=0.0, std=0.2)
    >>> XavierNormal(truncated=True).law((20, 30))
    TruncatedNormal(mean=0.0, std=0.2273694468677113, cutoff=2.0)

    Raises:
        TypeError: `gain` is neither a number nor a string, `layout` is neither a string nor a Layout, or `groups` is
            not an integer.
        ValueError: `gain` is out of range or not a known name, `layout` is not a known name, or `groups` is less than
            1. When it is used: the tensor has no fans, such as a vector.
    """

    truncated: bool = False

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        law = _normal(self.truncated)
        return VarianceScaling(_square(self.gain), "fan_avg", law, layout=self.layout, groups=self.groups)


@named("HeUniform")
@dataclass(frozen=True, slots=True, repr=False)
class KaimingUniform(GainScaled):
    """Uniform within +-gain * sqrt(3 / n), n = fan_in (or what `mode` says): the variance is gain^2 / n.

    He et al. 2015, "Delving deep into rectifiers", eq. 10 (fan_in), 14 (fan_out) and 15 (leaky rectifiers).
    torch: kaiming_uniform_, whose defaults a=0, "leaky_relu" are gain="relu". Keras: HeUniform; JAX: he_uniform; both
    with layout "keras". HeUniform is the same class.

    Args:
        gain: a factor of the std, from 1e-120 to 1e120, or the name of a nonlinearity, such as "tanh" (see `gain`). For
            a leaky ReLU whose slope is not 0.01 pass gain("leaky_relu", slope).
        mode: which fan n is: "fan_in", "fan_out", "fan_avg" (their mean) or "fan_geo_avg" (the root of their product).
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> KaimingUniform().law((10, 24))
    Uniform(low=-0.5, high=0.5)

    Raises:
        TypeError: `gain` is neither a number nor a string, `mode` is not a string, `layout` is neither a string nor a
            Layout, or `groups` is not an integer.
        ValueError: `gain` is out of range or not a known name, `mode` or `layout` is not a known name, or `groups` is
            less than 1. When it is used: the tensor has no fans, such as a vector.
    """

    gain: float | Nonlinearity = "relu"
    mode: Mode = "fan_in"

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        return VarianceScaling(_square(self.gain), self.mode, "uniform", layout=self.layout, groups=self.groups)


@named("HeNormal")
@dataclass(frozen=True, slots=True, repr=False)
class KaimingNormal(GainScaled):
    """Normal with std = gain / sqrt(n), n = fan_in (or what `mode` says): the std of the *result*, also if truncated.

    He et al. 2015, "Delving deep into rectifiers", eq. 10 (fan_in), 14 (fan_out) and 15 (leaky rectifiers).
    torch: kaiming_normal_. Keras: HeNormal; JAX: he_normal; both truncated, with layout "keras".
    HeNormal is the same class.

    Args:
        gain: a factor of the std, from 1e-120 to 1e120, or the name of a nonlinearity, such as "tanh" (see `gain`). For
            a leaky ReLU whose slope is not 0.01 pass gain("leaky_relu", slope).
        mode: which fan n is: "fan_in", "fan_out", "fan_avg" (their mean) or "fan_geo_avg" (the root of their product).
        truncated: whether to cut the distribution at 2 std. It is widened first, so that the variance stays the same.
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> KaimingNormal().law((10, 50))
    Normal(mean=0.0, std=0.2)
    >>> KaimingNormal("tanh", mode="fan_out")
    KaimingNormal(gain=1.6666666666666667, mode='fan_out', truncated=False)

    Raises:
        TypeError: `gain` is neither a number nor a string, `mode` is not a string, `layout` is neither a string nor a
            Layout, or `groups` is not an integer.
        ValueError: `gain` is out of range or not a known name, `mode` or `layout` is not a known name, or `groups` is
            less than 1. When it is used: the tensor has no fans, such as a vector.
    """

    gain: float | Nonlinearity = "relu"
    mode: Mode = "fan_in"
    truncated: bool = False

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        law = _normal(self.truncated)
        return VarianceScaling(_square(self.gain), self.mode, law, layout=self.layout, groups=self.groups)


@named()
@dataclass(frozen=True, slots=True, repr=False)
class LecunUniform(FanScaled):
    """Uniform within +-sqrt(3 / fan_in): the variance is 1 / fan_in.

    LeCun et al. 1998, "Efficient BackProp", eq. 16.
    Keras: LecunUniform; JAX: lecun_uniform; both with layout "keras". torch has none.

    Args:
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> LecunUniform().law((10, 12))
    Uniform(low=-0.5, high=0.5)

    Raises:
        TypeError: `layout` is neither a string nor a Layout, or `groups` is not an integer.
        ValueError: `layout` is not a known name, or `groups` is less than 1. When it is used: the tensor has no fans,
            such as a vector.
    """

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        return VarianceScaling(1.0, "fan_in", "uniform", layout=self.layout, groups=self.groups)


@named()
@dataclass(frozen=True, slots=True, repr=False)
class LecunNormal(FanScaled):
    """Normal with std = 1 / sqrt(fan_in): the std of the *result*, also if truncated.

    LeCun et al. 1998, "Efficient BackProp", eq. 16; also what self-normalizing networks need (Klambauer et al. 2017,
    "Self-normalizing neural networks").
    Keras: LecunNormal; JAX: lecun_normal; both truncated, with layout "keras". torch has none.

    Args:
        truncated: whether to cut the distribution at 2 std. It is widened first, so that the variance stays the same.
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> LecunNormal().law((10, 25))
    Normal(mean=0.0, std=0.2)

    Raises:
        TypeError: `layout` is neither a string nor a Layout, or `groups` is not an integer.
        ValueError: `layout` is not a known name, or `groups` is less than 1. When it is used: the tensor has no fans,
            such as a vector.
    """

    truncated: bool = False

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        return VarianceScaling(1.0, "fan_in", _normal(self.truncated), layout=self.layout, groups=self.groups)


@named()
@dataclass(frozen=True, slots=True, repr=False)
class ScaledNormal(GainScaled):
    """Normal with std = gain / sqrt(fan_in): the `randn(n) / sqrt(n)` of textbooks.

    With gain 1 LecunNormal, with gain sqrt(2) KaimingNormal. No framework has it under this name.

    Args:
        gain: a factor of the std, from 1e-120 to 1e120, or the name of a nonlinearity, such as "tanh" (see `gain`).
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> ScaledNormal(gain=0.5).law((10, 100))
    Normal(mean=0.0, std=0.05)

    Raises:
        TypeError: `gain` is neither a number nor a string, `layout` is neither a string nor a Layout, or `groups` is
            not an integer.
        ValueError: `gain` is out of range or not a known name, `layout` is not a known name, or `groups` is less than
            1. When it is used: the tensor has no fans, such as a vector.
    """

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        return VarianceScaling(_square(self.gain), "fan_in", "normal", layout=self.layout, groups=self.groups)


@named()
@dataclass(frozen=True, slots=True, repr=False)
class StandardUniform(FanScaled):
    """Uniform within +-1 / sqrt(fan_in): the variance is 1 / (3 * fan_in).

    The heuristic that Glorot & Bengio 2010 start from, eq. 1, and the weights of a new torch.nn.Linear or Conv, which
    writes it kaiming_uniform_(a=sqrt(5)). Keras and JAX: VarianceScaling with scale 1/3, layout "keras".

    Args:
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.
        groups: the number of groups of a grouped convolution.

    >>> StandardUniform().law((10, 100))
    Uniform(low=-0.1, high=0.1)

    Raises:
        TypeError: `layout` is neither a string nor a Layout, or `groups` is not an integer.
        ValueError: `layout` is not a known name, or `groups` is less than 1. When it is used: the tensor has no fans,
            such as a vector.
    """

    @property
    def scaling(self) -> VarianceScaling:
        """The VarianceScaling with the same values."""
        return VarianceScaling(1 / 3, "fan_in", "uniform", layout=self.layout, groups=self.groups)


GlorotUniform = XavierUniform
GlorotNormal = XavierNormal
HeUniform = KaimingUniform
HeNormal = KaimingNormal


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
def _square(gain: float | Nonlinearity) -> float:
    """Return the scale of a gain, to 15 digits, so that sqrt(2) gives 2."""
    return float(f"{float(gain) ** 2:.15g}")


def _check_places(scheme: FanScaled, *arguments: str) -> None:
    """Raise ValueError if an argument is a name of another one, as in KaimingNormal("fan_out")."""
    for argument in arguments:
        given = getattr(scheme, argument, None)
        for other, names in (("mode", MODES), ("distribution", DISTRIBUTIONS), ("layout", LAYOUTS)):
            if other != argument and isinstance(given, str) and given in names and hasattr(scheme, other):
                raise ValueError(f"{argument} must not be a name of {other}, got {given!r}; write {other}={given!r}")


def _normal(truncated: bool) -> Distribution:
    if not isinstance(truncated, bool):
        raise TypeError(f"truncated must be True or False, got {shown(truncated)}")
    return "truncated_normal" if truncated else "normal"
