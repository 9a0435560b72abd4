"""Tensors whose seed comes with a key, and the memory that XLA takes over from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from weightfill._arguments.windows import ShapeLike, checked_shape
from weightfill._initializers.base import InitializerLike
from weightfill._run.allocation import empty
from weightfill._run.threads import checked_threads
from weightfill._tensor import Tensor

Array: TypeAlias = npt.NDArray[Any]
_ALIGNMENT = 64  # bytes; XLA takes memory over as it is only from such an address


@dataclass(frozen=True, slots=True)
class Keyed:
    """A tensor whose seed comes with a key, and how many threads fill it."""

    tensor: Tensor  # of seed 0, so that JAX compiles one program for all seeds
    threads: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.tensor.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.tensor.dtype

    def whole(self, seed: int) -> Array:
        return self._filled(seed, empty(self.shape, self.dtype), (0,) * len(self.shape))

    def part(self, seed: int, start: tuple[int, ...], shape: tuple[int, ...]) -> Array:
        try:
            out = aligned(shape, self.dtype)
        except (MemoryError, ValueError):  # the latter for dimensions that NumPy has no number for
            raise MemoryError(f"no memory for an array of shape {shape} and dtype {self.dtype}") from None
        return self._filled(seed, out, start)

    def _filled(self, seed: int, out: Array, start: tuple[int, ...]) -> Array:
        filled: Array = self.tensor._seeded(seed).fill(out, start=start, threads=self.threads)
        return filled


def keyed(
    shape: ShapeLike, init: InitializerLike, seed: int | None, stream: str, dtype: Any, threads: int | None
) -> tuple[Keyed, int]:
    """Return a tensor without its seed, and the seed; errors as of `create`."""
    default = np.dtype(jnp.result_type(float))
    kind = default if dtype is None or dtype is float else dtype
    tensor = Tensor(checked_shape(shape), init, seed=seed, stream=stream, dtype=kind)
    if tensor.dtype.itemsize > default.itemsize:
        raise ValueError(
            f"dtype must be at most 32 bits wide unless jax_enable_x64 is set, got {tensor.dtype}; "
            "call jax.config.update('jax_enable_x64', True) first"
        )
    return Keyed(tensor._seeded(0), None if threads is None else checked_threads(threads, "threads")), tensor.seed


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return fresh memory that XLA can take over; a large one is in huge pages."""
    size = math.prod(shape) * dtype.itemsize
    raw = empty((size + _ALIGNMENT - 1,), np.dtype(np.uint8))
    begin = -raw.ctypes.data % _ALIGNMENT
    array: Array = raw[begin : begin + size].view(dtype).reshape(shape)
    return array
