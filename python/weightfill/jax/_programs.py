"""Tensors as operations of the programs that JAX traces: callbacks to the host fill them when the program runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from weightfill._initializers.laws import Constant
from weightfill._tensor import Tensor
from weightfill.jax._keyed import Array, Keyed
from weightfill.jax._keys import seed_of
from weightfill.jax._shardings import shard_shape

_SLAB = 4 << 20  # bytes that one callback returns


def traced() -> bool:
    """Whether JAX is tracing: a transformation is running that turns operations into a program."""
    return isinstance(jax.lax.full((), 0), jax.core.Tracer)


def staged(tensor: Keyed, words: Any, sharding: jax.sharding.Sharding | None) -> jax.Array:
    """Return the tensor as an operation of the program that is being traced."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty and isinstance(words, jax.Array):
        of_key = jax.typeof(words).sharding.mesh
        mesh = of_key if jax.sharding.AxisType.Explicit in of_key.axis_types else mesh
    if sharding is None and not mesh.empty and jax.sharding.AxisType.Manual not in mesh.axis_types:
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return _program(tensor, words, sharding)


# Compiled once for equal tensors: a vmap outside of jit would compile its loop over the keys at every call.
@functools.partial(jax.jit, static_argnums=(0, 2), inline=True)
def _program(tensor: Keyed, words: Any, sharding: jax.sharding.Sharding | None) -> jax.Array:
    if not isinstance(sharding, jax.sharding.NamedSharding):
        array = _staged_part(tensor, words, (0,) * len(tensor.shape), tensor.shape)
        return array if sharding is None else jax.lax.with_sharding_constraint(array, sharding)
    if jax.sharding.AxisType.Explicit not in sharding.mesh.axis_types:
        return _by_device(tensor, words, sharding)
    by_device = jax.custom_batching.custom_vmap(lambda words: _by_device(tensor, words, sharding))

    @by_device.def_vmap
    def of_several_keys(size: int, batched: Any, words: Any) -> tuple[jax.Array, bool]:
        return _program(tensor, words, sharding), True

    return by_device(words)


def _by_device(tensor: Keyed, words: Any, sharding: jax.sharding.NamedSharding) -> jax.Array:
    """Return the tensors of all keys, every device's part filled alone.

    Args:
        tensor: the tensor of one key.
        words: (..., words of a key); the axes of the keys may be sharded over Explicit axes of the mesh.
        sharding: of one tensor.
    """
    shape = shard_shape(sharding, tensor.shape)
    axes = (*sharding.spec, *(None,) * (len(shape) - len(sharding.spec)))
    keys = tuple(jax.typeof(words).sharding.spec)[:-1] if words.ndim > 1 else ()

    def part(words: Any) -> jax.Array:
        number = tuple(0 if axis is None else jax.lax.axis_index(axis) for axis in axes)
        filled = functools.partial(_staged_part, tensor, number=number, shape=shape)
        for _ in keys:
            filled = jax.vmap(filled)
        return filled(words)

    # Left to itself, XLA would make the whole on one device and copy it to all others before it cuts the parts.
    in_specs, out_specs = jax.sharding.PartitionSpec(*keys), jax.sharding.PartitionSpec(*keys, *sharding.spec)
    by_device = jax.shard_map(part, mesh=sharding.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
    return by_device(words)


def _staged_part(tensor: Keyed, words: Any, number: tuple[Any, ...], shape: tuple[int, ...]) -> jax.Array:
    """Return one of the equal parts of a tensor as an operation: a callback, or one for each slab of a large part.

    XLA copies what a callback returns, so a large part would be in memory twice.
    """

    def filled(offset: tuple[Any, ...], slab: tuple[int, ...]) -> jax.Array:
        result = jax.ShapeDtypeStruct(slab, tensor.dtype)
        callback = _Callback(tensor, shape, slab)
        return jax.pure_callback(callback, result, words, number, offset, vmap_method="sequential")

    law = tensor.tensor.law
    if isinstance(law, Constant):
        return jnp.full(shape, Tensor((), law, dtype=tensor.dtype)[()])
    size = math.prod(shape) * tensor.dtype.itemsize
    # In a vmap over sharded keys JAX first takes the type for one key, without the keys' axis: a loop has none there.
    in_vmap = jax.sharding.AxisType.Explicit in jax.sharding.get_abstract_mesh().axis_types
    if tensor.tensor.only_whole or in_vmap or size <= _SLAB or max(shape) >= 2**31:
        return filled((0,) * len(shape), shape)
    axis = shape.index(max(shape))
    count = max(1, _SLAB * shape[axis] // size)

    def step(step_number: Any, array: jax.Array) -> jax.Array:
        first = jnp.minimum(step_number * count, shape[axis] - count)  # the last may repeat some of the one before
        offset = tuple(first if k == axis else 0 for k in range(len(shape)))
        return jax.lax.dynamic_update_slice(array, filled(offset, (*shape[:axis], count, *shape[axis + 1 :])), offset)

    return jax.lax.fori_loop(0, -(-shape[axis] // count), step, jnp.zeros(shape, tensor.dtype))


@dataclass(frozen=True, slots=True)
class _Callback:
    """Fills, on the host, a slab of one of the equal parts of a tensor; equal ones let JAX reuse what it compiled."""

    tensor: Keyed
    part: tuple[int, ...]
    slab: tuple[int, ...]

    def __call__(self, words: Any, number: Sequence[Any], offset: Sequence[Any]) -> Array:
        # These are a few bytes that are here already; to wait for a device within a callback could be for ever.
        # JAX's integers have 32 bits: the product of a part's number and its size may not fit.
        start = [int(n) * size + int(begin) for n, size, begin in zip(number, self.part, offset, strict=True)]
        return self.tensor.part(seed_of(np.asarray(words)), tuple(start), self.slab)
