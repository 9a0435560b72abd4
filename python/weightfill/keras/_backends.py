"""Tensors as those of Keras's backend."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import keras
import numpy as np

import weightfill as wf
from weightfill._arguments.messages import shown
from weightfill._run.allocation import empty


def made(tensor: wf.Tensor, generator: keras.random.SeedGenerator | None, layout: Any) -> Any:
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


def distributed(values: Any, layout: Any) -> Any:
    """Return a tensor of Keras's backend as a layout says; None says nothing."""
    if layout is None:
        return values
    import jax  # which alone has layouts

    return jax.device_put(values, _sharding_of(layout)[0])


def _number(state: Any) -> int:
    """Return the seed of a SeedGenerator's state: (seed, calls), of 32 bits each."""
    low, high = (int(word) for word in state)
    return low % 2**32 + high % 2**32 * 2**32


def _jax_array(tensor: wf.Tensor, generator: keras.random.SeedGenerator | None, dtype: Any, layout: Any) -> Any:
    """Return a tensor as a JAX array of a dtype that JAX has, which may be narrower."""
    import jax  # of this backend alone

    from weightfill.jax import create, initializer

    sharding, explicit = _sharding_of(layout)
    if generator is None:
        return create(tensor.shape, tensor.init, seed=tensor.seed, dtype=dtype, sharding=sharding)
    # A state on a mesh of automatic axes: JAX computes with it only under such a one.
    of_state: Any = generator.state.value.sharding if explicit else None
    automatic = isinstance(of_state, jax.sharding.NamedSharding)
    with jax.sharding.use_abstract_mesh(of_state.mesh.abstract_mesh) if automatic else nullcontext():
        state = generator.next()
    words = state if isinstance(state, jax.core.Tracer) else np.asarray(state)
    return initializer(tensor.init)(words[::-1], tensor.shape, dtype, sharding)  # the high word of a key is its first


def _sharding_of(layout: Any) -> tuple[Any, bool]:
    """Return the sharding of a layout, and whether it is one that Keras passes under set_mesh and explicit_axes."""
    import jax  # of this backend alone

    sharding = getattr(layout, "backend_layout", layout)
    if not isinstance(getattr(sharding, "mesh", None), jax.sharding.AbstractMesh):
        return sharding, False
    return jax.sharding.NamedSharding(jax.sharding.get_mesh(), sharding.spec), True
