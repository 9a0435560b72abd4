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
from contextlib import nullcontext
from numbers import Number
from typing import Any

import numpy as np

try:
    import keras
except ModuleNotFoundError as error:
    if error.name != "keras":  # Keras is there, its backend is not
        raise
    raise ImportError("weightfill.keras needs keras: pip install 'weightfill[keras]'") from error

import weightfill as wf
from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.messages import shown
from weightfill._arguments.windows import ShapeLike, checked_shape
from weightfill._initializers.schemes import TRUNCATED_STD
from weightfill._run.allocation import empty
from weightfill._run.float_mode import in_float_mode

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
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

_serializable = keras.saving.register_keras_serializable(package="weightfill")


class Drawn:
    """What the classes have in common whose values weightfill draws."""

    seed: int | keras.random.SeedGenerator | None = None

    def init(self, shape: ShapeLike) -> wf.Initializer:
        """Return the weightfill initializer for a tensor of this shape; pass it to `weightfill.create` or `verify`."""
        raise NotImplementedError  # each class has its own

    def __call__(self, shape: ShapeLike, dtype: Any = None, layout: Any = None) -> Any:
        """Return a new tensor of Keras's backend, on the device that Keras uses now.

        On the CPU the filled memory is the tensor's, and nothing of its size is allocated besides, except by
        Orthogonal; other devices get a copy. On the torch backend nothing is filled under the device "meta"; on the JAX
        backend, under jit and the like, a callback to the host fills when the computation runs.

        Args:
            shape: an integer or a sequence of integers.
            dtype: float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2; on JAX also NumPy's names, such as
                "half". The default, None, is keras.backend.floatx().
            layout: how the tensor is distributed, a keras.distribution.TensorLayout or a jax.sharding.NamedSharding.
                Each device fills its own part. JAX only.

        Raises:
            TypeError: `shape`, `dtype`, `layout` or the seed has a wrong type, such as True for the seed.
            ValueError: the seed is out of range, `layout` does not divide the shape, or the dtype cannot hold the
                values.
        """
        whole = checked_shape(shape)
        generator = self.seed if isinstance(self.seed, keras.random.SeedGenerator) else None
        seed = self.seed if generator is None else 0  # a generator is asked once all else is checked
        tensor = wf.Tensor(whole, self.init(whole), seed=seed, dtype=_dtype_name(dtype))
        return _made(tensor, generator, layout)


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
        if _dtype_name(dtype) in _NAMES:
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

_NAMES = {dtype.name for dtype in CORE_DTYPES}


def _dtype_name(dtype: Any) -> str:
    """Return the name by which Keras knows a dtype."""
    if isinstance(dtype, keras.DTypePolicy):
        raise TypeError(f"dtype must be a dtype or its name, got {shown(dtype)}; pass its variable_dtype")
    if isinstance(dtype, str) and keras.backend.backend() == "jax":  # where Keras's own take NumPy's names
        dtype = np.sctypeDict.get(dtype, dtype)
    return str(keras.backend.standardize_dtype(dtype))


def _deviation(stddev: Any) -> float:
    std = float(stddev)
    if std < 0:
        raise ValueError(f"stddev must be at least 0, got {std}")
    return std


def _made(tensor: wf.Tensor, generator: keras.random.SeedGenerator | None, layout: Any) -> Any:
    """Return a tensor as one of Keras's backend; its seed is what a generator says, if there is one."""
    backend = keras.backend.backend()
    like = keras.ops.zeros((), tensor.dtype.name)  # has the type and the device that Keras means now
    if backend == "jax":
        return _jax_array(tensor, generator, like.dtype, layout)
    if layout is not None:
        raise ValueError(f"layout must be None on the {backend} backend, got {shown(layout)}")
    if backend == "torch" and like.is_meta:
        return like.new_empty(tensor.shape)
    if generator is not None:
        tensor = tensor._seeded(_number(generator.next()))
    array = tensor.fill(empty(tensor.shape, tensor.dtype))
    if backend != "torch":
        return keras.ops.convert_to_tensor(array, tensor.dtype.name)
    import torch  # of this backend alone

    # through integers, because torch takes no array of ml_dtypes
    return torch.from_numpy(array.view(f"i{array.itemsize}")).view(like.dtype).to(like.device)


def _number(state: Any) -> int:
    """Return the seed of a SeedGenerator's state: (seed, calls), of 32 bits each."""
    low, high = (int(word) for word in state)
    return low % 2**32 + high % 2**32 * 2**32


def _jax_array(tensor: wf.Tensor, generator: keras.random.SeedGenerator | None, dtype: Any, layout: Any) -> Any:
    """Return a tensor as a JAX array of a dtype that JAX has, which may be narrower."""
    import jax  # of this backend alone

    from weightfill.jax import create, initializer

    sharding = getattr(layout, "backend_layout", layout)
    explicit = isinstance(getattr(sharding, "mesh", None), jax.sharding.AbstractMesh)
    if explicit:  # what Keras passes, under set_mesh and explicit_axes
        sharding = jax.sharding.NamedSharding(jax.sharding.get_mesh(), sharding.spec)
    if generator is None:
        return create(tensor.shape, tensor.init, seed=tensor.seed, dtype=dtype, sharding=sharding)
    # A state on a mesh of automatic axes: JAX computes with it only under such a one.
    of_state: Any = generator.state.value.sharding if explicit else None
    automatic = isinstance(of_state, jax.sharding.NamedSharding)
    with jax.sharding.use_abstract_mesh(of_state.mesh.abstract_mesh) if automatic else nullcontext():
        state = generator.next()
    words = state if isinstance(state, jax.core.Tracer) else np.asarray(state)
    return initializer(tensor.init)(words[::-1], tensor.shape, dtype, sharding)  # the high word of a key is its first
