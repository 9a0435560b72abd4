"""Keras's initializers, with values that weightfill draws.

Each class derives from the class of the same name in keras.initializers and has its arguments, defaults, errors and
configuration. The distributions are Keras's. The values differ from Keras's, but they are the same on every backend.
Keras's STFT, which is not random, is left out.

Seeds work as in Keras. An integer gives the same values at every call, so layers of the same shape with the same seed
get equal weights. With None a random seed is chosen when the initializer is created; the configuration does not keep
it. A keras.random.SeedGenerator advances at every call; its call n, from 0, has the values of the integer
seed + n * 2**32. Invalid integers are rejected at the first call, not in the constructor, which is Keras's.

>>> import keras, weightfill.keras
>>> layer = keras.layers.Dense(256, kernel_initializer=weightfill.keras.GlorotUniform(seed=42))
>>> layer.build((None, 784))
>>> expected = create((784, 256), XavierUniform(layout="keras"), seed=42)
>>> layer.kernel.value.tolist() == expected.tolist()
True
"""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

try:
    import keras
except ModuleNotFoundError as error:
    if error.name != "keras":  # Keras is there, its backend is not
        raise
    raise ImportError("weightfill.keras needs keras: pip install 'weightfill[keras]'") from error

import weightfill as wf
from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.windows import ShapeLike, checked_shape
from weightfill._initializers.scaling import TRUNCATED_STD
from weightfill._run.float_mode import in_float_mode
from weightfill.keras._drawn import Drawn, dtype_name
from weightfill.keras._patching import patched, redirects

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "patched",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

_NAMES = {dtype.name for dtype in CORE_DTYPES}
_serializable = keras.saving.register_keras_serializable(package="weightfill")


@_serializable
class Zeros(keras.initializers.Zeros):
    """Zeros, of any dtype: Keras's own.

    >>> import weightfill.keras
    >>> float(weightfill.keras.Zeros()(3)[0])
    0.0
    """


@_serializable
class Ones(keras.initializers.Ones):
    """Ones, of any dtype: Keras's own.

    >>> import weightfill.keras
    >>> float(weightfill.keras.Ones()((3,))[0])
    1.0
    """


@_serializable
class Constant(keras.initializers.Constant):
    """Every element is `value`, of any dtype; needs no second tensor, as Keras's own does.

    >>> import weightfill.keras
    >>> float(weightfill.keras.Constant(0.5)((3,))[0])
    0.5
    """

    def __call__(self, shape: ShapeLike, dtype: Any = None) -> Any:
        """Return a new tensor; errors as Keras's."""
        if not isinstance(self.value, Number):  # Keras spreads a small tensor over a large one
            return super().__call__(shape, dtype)
        dtype = keras.backend.standardize_dtype(dtype)
        return keras.ops.full(shape, keras.ops.convert_to_tensor(self.value, dtype), dtype)


@_serializable
class Identity(Drawn, keras.initializers.Identity):
    """`gain` on the diagonal of a matrix, zero elsewhere. Keras fills dtypes that weightfill does not.

    >>> import weightfill.keras
    >>> weightfill.keras.Identity(gain=0.5).init((2, 2))
    Identity(gain=0.5)
    """

    def init(self, shape: ShapeLike) -> wf.Identity:
        """Return Identity(gain)."""
        return wf.Identity(float(self.gain))

    def __call__(self, shape: ShapeLike, dtype: Any = None, layout: Any = None) -> Any:
        """Return a new tensor, as `Drawn` does; of any dtype."""
        if dtype_name(dtype) in _NAMES:
            return super().__call__(shape, dtype, layout)
        return keras.initializers.Identity.__call__(self, shape, dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, with `gain`, which is missing in Keras 3.15."""
        return {"gain": self.gain}


@_serializable
class RandomNormal(Drawn, keras.initializers.RandomNormal):
    """Normal with `mean` and standard deviation `stddev`.

    >>> import weightfill.keras
    >>> weightfill.keras.RandomNormal(stddev=0.02, seed=42).init((784, 256))
    Normal(mean=0.0, std=0.02)
    """

    def init(self, shape: ShapeLike) -> wf.Normal:
        """Return Normal(mean, stddev); ValueError if `stddev` is negative."""
        return wf.Normal(float(self.mean), _deviation(self.stddev))


@_serializable
class RandomUniform(Drawn, keras.initializers.RandomUniform):
    """Uniform on [minval, maxval); all `minval` if the two are equal.

    >>> import weightfill.keras
    >>> weightfill.keras.RandomUniform(seed=42).init((784, 256))
    Uniform(low=-0.05, high=0.05)
    """

    def init(self, shape: ShapeLike) -> wf.Uniform | wf.Constant:
        """Return Uniform(minval, maxval); ValueError if `minval` is greater than `maxval`."""
        low, high = float(self.minval), float(self.maxval)
        if low > high:
            raise ValueError(f"minval must be at most maxval, got minval={low}, maxval={high}")
        return wf.Constant(low) if low == high else wf.Uniform(low, high)


@_serializable
class TruncatedNormal(Drawn, keras.initializers.TruncatedNormal):
    """Normal with `mean` and `stddev`, cut at mean +- 2 * stddev; the values have the std 0.88 * stddev.

    >>> import weightfill.keras
    >>> weightfill.keras.TruncatedNormal(seed=42).init((784, 256))
    TruncatedNormal(mean=0.0, std=0.05, cutoff=2.0)
    """

    def init(self, shape: ShapeLike) -> wf.TruncatedNormal | wf.Constant:
        """Return TruncatedNormal(mean, stddev), or Constant(mean); ValueError if `stddev` is negative."""
        mean, std = float(self.mean), _deviation(self.stddev)
        return wf.TruncatedNormal(mean, std, cutoff=2.0) if std else wf.Constant(mean)


@_serializable
class VarianceScaling(Drawn, keras.initializers.VarianceScaling):
    """Mean 0 and variance scale / n, with n = fan_in, fan_out or (fan_in + fan_out) / 2, at least 1.

    - "truncated_normal", or "normal": cut at 2 std, with std = sqrt(scale / n) / 0.87962566103423978.
    - "untruncated_normal": std = sqrt(scale / n).
    - "uniform": within +-sqrt(3 * scale / n).

    The layout is (*kernel, in, out). Both fans of a vector are its length, those of a scalar are 1. If you pass
    `input_axes` and `output_axes`, the fans are the products of the dimensions along these axes.

    >>> import weightfill.keras
    >>> weightfill.keras.VarianceScaling(2.0, "fan_out", "untruncated_normal", seed=42).init((200, 50))
    Normal(mean=0.0, std=0.2)
    >>> weightfill.keras.VarianceScaling(3.0, distribution="uniform", seed=42).init((36,))
    Uniform(low=-0.5, high=0.5)
    """

    @in_float_mode
    def init(self, shape: ShapeLike) -> wf.Uniform | wf.Normal | wf.TruncatedNormal:
        """Return the Uniform, Normal or TruncatedNormal law of the elements of a tensor of this shape."""
        fan_in, fan_out = self._fans(checked_shape(shape))
        n = max(1, {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode])
        if self.distribution == "uniform":
            limit = math.sqrt(3 * self.scale / n)
            return wf.Uniform(-limit, limit)
        std = math.sqrt(self.scale / n)
        if self.distribution == "untruncated_normal":
            return wf.Normal(std=std)
        return wf.TruncatedNormal(std=std / TRUNCATED_STD, cutoff=2.0)

    def _fans(self, shape: tuple[int, ...]) -> tuple[int, int]:
        inputs, outputs = (getattr(self, axes, None) for axes in ("input_axes", "output_axes"))  # from Keras 3.15 on
        if inputs is not None and outputs is not None:
            return math.prod(shape[axis] for axis in inputs), math.prod(shape[axis] for axis in outputs)
        if len(shape) < 2:
            return math.prod(shape), math.prod(shape)
        receptive_field = math.prod(shape[:-2])
        return shape[-2] * receptive_field, shape[-1] * receptive_field


@_serializable
class GlorotUniform(VarianceScaling, keras.initializers.GlorotUniform):
    """Uniform within +-sqrt(6 / (fan_in + fan_out)).

    >>> import weightfill.keras
    >>> weightfill.keras.GlorotUniform(seed=42).init((10, 14))
    Uniform(low=-0.5, high=0.5)
    """


@_serializable
class GlorotNormal(VarianceScaling, keras.initializers.GlorotNormal):
    """Normal, cut at 2 std, so that the variance is 2 / (fan_in + fan_out).

    >>> import weightfill.keras
    >>> weightfill.keras.GlorotNormal(seed=42).init((20, 30))
    TruncatedNormal(mean=0.0, std=0.2273694468677113, cutoff=2.0)
    """


@_serializable
class HeNormal(VarianceScaling, keras.initializers.HeNormal):
    """Normal, cut at 2 std, so that the variance is 2 / fan_in.

    >>> import weightfill.keras
    >>> weightfill.keras.HeNormal(seed=42).init((50, 10))
    TruncatedNormal(mean=0.0, std=0.2273694468677113, cutoff=2.0)
    """


@_serializable
class HeUniform(VarianceScaling, keras.initializers.HeUniform):
    """Uniform within +-sqrt(6 / fan_in).

    >>> import weightfill.keras
    >>> weightfill.keras.HeUniform(seed=42).init((24, 10))
    Uniform(low=-0.5, high=0.5)
    """


@_serializable
class LecunNormal(VarianceScaling, keras.initializers.LecunNormal):
    """Normal, cut at 2 std, so that the variance is 1 / fan_in.

    >>> import weightfill.keras
    >>> weightfill.keras.LecunNormal(seed=42).init((25, 10))
    TruncatedNormal(mean=0.0, std=0.2273694468677113, cutoff=2.0)
    """


@_serializable
class LecunUniform(VarianceScaling, keras.initializers.LecunUniform):
    """Uniform within +-sqrt(3 / fan_in).

    >>> import weightfill.keras
    >>> weightfill.keras.LecunUniform(seed=42).init((12, 10))
    Uniform(low=-0.5, high=0.5)
    """


@_serializable
class Orthogonal(Drawn, keras.initializers.Orthogonal):
    """A random orthogonal matrix of shape (product of the other dimensions, last dimension), times `gain`.

    Its columns are orthonormal, or its rows if it has more columns. 16-bit types are computed in float32 and rounded
    once; Keras's own fails for them on some backends. It takes memory for about four times the matrix. `gain` must be
    positive. The last bits depend on LAPACK: see `weightfill.Orthogonal`.

    >>> import weightfill.keras
    >>> weightfill.keras.Orthogonal(seed=42).init((3, 3, 16, 32))
    Orthogonal(gain=1.0, axis=-1)
    """

    def init(self, shape: ShapeLike) -> wf.Orthogonal:
        """Return Orthogonal(gain, axis=-1)."""
        return wf.Orthogonal(float(self.gain), axis=-1)


def _deviation(stddev: Any) -> float:
    std = float(stddev)
    if std < 0:
        raise ValueError(f"stddev must be at least 0, got {std}")
    return std


redirects(
    {
        getattr(keras.initializers, ours.__name__): ours
        for ours in (RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Orthogonal)
    }
)

IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros
