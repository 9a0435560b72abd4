"""Schemes: the names that papers and frameworks have for a VarianceScaling.

To add one, write a class with the VarianceScaling that it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from weightfill._initializers.gains import Nonlinearity
from weightfill._initializers.names import named
from weightfill._initializers.scaling import FanScaled, GainScaled, Mode, VarianceScaling, normal_or_truncated, scale_of


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
        return VarianceScaling(scale_of(self.gain), "fan_avg", "uniform", layout=self.layout, groups=self.groups)


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
        distribution = normal_or_truncated(self.truncated)
        return VarianceScaling(scale_of(self.gain), "fan_avg", distribution, layout=self.layout, groups=self.groups)


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
        return VarianceScaling(scale_of(self.gain), self.mode, "uniform", layout=self.layout, groups=self.groups)


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
        distribution = normal_or_truncated(self.truncated)
        return VarianceScaling(scale_of(self.gain), self.mode, distribution, layout=self.layout, groups=self.groups)


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
        distribution = normal_or_truncated(self.truncated)
        return VarianceScaling(1.0, "fan_in", distribution, layout=self.layout, groups=self.groups)


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
        return VarianceScaling(scale_of(self.gain), "fan_in", "normal", layout=self.layout, groups=self.groups)


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
