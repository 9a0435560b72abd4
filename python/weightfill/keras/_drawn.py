"""The base of the initializers whose values weightfill draws, and the names of dtypes that Keras knows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import weightfill as wf
from weightfill._arguments.messages import shown
from weightfill._arguments.windows import ShapeLike, checked_shape
from weightfill.keras._backends import made


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
        return self._made(self._tensor(shape, dtype), layout)

    def _tensor(self, shape: ShapeLike, dtype: Any) -> wf.Tensor:
        """Return what a call makes; its seed is 0 if a generator is to say it."""
        whole = checked_shape(shape)
        seed = 0 if self._generator is not None else self.seed
        return wf.Tensor(whole, self.init(whole), seed=seed, dtype=dtype_name(dtype))

    def _made(self, tensor: wf.Tensor, layout: Any) -> Any:
        return made(tensor, self._generator, layout)  # which is asked once all else is checked

    @property
    def _generator(self) -> keras.random.SeedGenerator | None:
        return self.seed if isinstance(self.seed, keras.random.SeedGenerator) else None


def dtype_name(dtype: Any) -> str:
    """Return the name by which Keras knows a dtype."""
    if isinstance(dtype, keras.DTypePolicy):
        raise TypeError(f"dtype must be a dtype or its name, got {shown(dtype)}; pass its variable_dtype")
    if isinstance(dtype, str) and keras.backend.backend() == "jax":  # where Keras's own take NumPy's names
        dtype = np.sctypeDict.get(dtype, dtype)
    return str(keras.backend.standardize_dtype(dtype))
