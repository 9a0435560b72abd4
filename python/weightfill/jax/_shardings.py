"""On which devices an array is to be, and in what parts."""

from __future__ import annotations

from typing import Any

import jax

from weightfill._arguments.messages import shown


def named(sharding: Any) -> jax.sharding.NamedSharding | None:
    """Return an out_sharding with its mesh."""
    if sharding is None or isinstance(sharding, jax.sharding.NamedSharding):
        return sharding
    if not isinstance(sharding, jax.sharding.PartitionSpec):
        raise TypeError(f"out_sharding must be a NamedSharding, a PartitionSpec or None, got {shown(sharding)}")
    mesh = set_mesh()
    if mesh.empty:
        raise ValueError(
            f"out_sharding must be a NamedSharding where no mesh is set, got {sharding}; call jax.set_mesh first"
        )
    return jax.sharding.NamedSharding(mesh, sharding)


def set_mesh() -> Any:
    """Return the mesh of `jax.set_mesh`: of devices, or an abstract one where JAX turns operations into a program."""
    # The result of an operation tells it within vmap, grad and jvp too, where jax.sharding.get_mesh raises.
    probe = jax.lax.full((), 0)
    if not isinstance(probe, jax.core.Tracer) and isinstance(probe.sharding, jax.sharding.NamedSharding):
        return probe.sharding.mesh
    return jax.sharding.get_abstract_mesh()


def default(words: Any = None) -> jax.sharding.Sharding | None:
    """Return where the result of a JAX operation on these words would be; None is the default device."""
    mesh = set_mesh()
    if isinstance(mesh, jax.sharding.Mesh) and not mesh.empty:
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    if not isinstance(words, jax.Array) or not words.committed:
        return None
    if isinstance(words.sharding, jax.sharding.NamedSharding):
        return jax.sharding.NamedSharding(words.sharding.mesh, jax.sharding.PartitionSpec())
    return words.sharding if words.sharding.is_fully_replicated else None


def filled_up(sharding: jax.sharding.Sharding | None, rank: int) -> jax.sharding.Sharding | None:
    """Return the sharding as JAX's operations write it over Explicit axes: its spec has an entry for every axis."""
    if not isinstance(sharding, jax.sharding.NamedSharding) or len(sharding.spec) >= rank:
        return sharding
    if jax.sharding.AxisType.Explicit not in sharding.mesh.axis_types:
        return sharding
    spec = jax.sharding.PartitionSpec(*sharding.spec, *(None,) * (rank - len(sharding.spec)))
    return sharding.update(spec=spec)


def shard_shape(sharding: jax.sharding.Sharding, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of each device's part.

    Raises:
        ValueError: the sharding does not divide the shape.
    """
    if isinstance(sharding, jax.sharding.NamedSharding) and len(sharding.spec) > len(shape):
        raise ValueError(f"sharding must name at most the {len(shape)} axes of shape {shape}, got {sharding.spec}")
    try:
        part: tuple[int, ...] = sharding.shard_shape(shape)
    except ValueError as error:
        raise ValueError(f"sharding must divide shape {shape} into equal parts, got {sharding}") from error
    return part
