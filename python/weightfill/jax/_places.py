"""Where the leaves of a model are to be: what is asked for, what they say themselves, and on which mesh."""

from __future__ import annotations

from typing import Any

import jax

from weightfill._arguments.messages import cut, shown
from weightfill.jax import _shardings
from weightfill.jax._leaves import Leaf


def wishes_of(shardings: Any, abstract: Any) -> list[Any]:
    """Return what `shardings` says of every leaf of a pytree."""

    def is_wish(node: Any) -> bool:
        return node is None or isinstance(node, jax.sharding.Sharding | jax.sharding.PartitionSpec)

    try:
        wishes = jax.tree.leaves(jax.tree.broadcast(shardings, abstract, is_leaf=is_wish), is_leaf=is_wish)
    except ValueError as error:
        raise ValueError(
            f"shardings must be a pytree of abstract's structure or a prefix of it, got another: {cut(str(error))}"
        ) from None
    for wish in wishes:
        if not is_wish(wish):
            raise TypeError(f"shardings must have Shardings, PartitionSpecs or None in it, got {shown(wish)}")
    return list(wishes)


def place_of(leaf: Leaf, wish: Any, mesh: Any) -> jax.sharding.Sharding | None:
    """Return the sharding of a leaf; None is the default device."""
    if wish is None:
        wish = leaf.value.sharding
        # Without devices and axes it says nothing: nnx.eval_shape of Flax 0.12.2 gives such ones over Explicit axes.
        if isinstance(wish, jax.sharding.NamedSharding) and not isinstance(wish.mesh, jax.sharding.Mesh):
            wish = wish if any(axis is not None for axis in wish.spec) else leaf.spec or wish
    if wish is None:
        wish = leaf.spec
    if isinstance(wish, jax.sharding.NamedSharding):
        if isinstance(wish.mesh, jax.sharding.Mesh):
            return _checked(leaf, wish)
        wish = wish.spec
    elif isinstance(wish, jax.sharding.Sharding):
        return _checked(leaf, wish)
    rank = len(leaf.value.shape)
    if mesh is None and isinstance(leaf.mesh, jax.sharding.Mesh):
        mesh = leaf.mesh
    if mesh is None:
        mesh = _shardings.set_mesh()
    if mesh.empty:
        if wish is None or not any(axis is not None for axis in wish):
            return None
        raise ValueError(
            f"mesh must be given for partition specs, got None for {shown(leaf.name)}, {wish}; pass mesh=, or call "
            "within jax.set_mesh"
        )
    try:
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec() if wish is None else wish)
    except ValueError:
        raise ValueError(
            f"the partition spec of {shown(leaf.name)} must name axes of the mesh, {mesh.axis_names}, got {wish}; of "
            "logical axes pass shardings=linen.logical_to_mesh_sharding(specs, mesh, rules)"
        ) from None
    return _checked(leaf, _shardings.filled_up(sharding, rank))


def _checked(leaf: Leaf, sharding: Any) -> jax.sharding.Sharding:
    try:
        _shardings.shard_shape(sharding, leaf.value.shape)
    except ValueError as error:
        raise ValueError(f"{shown(leaf.name)}: {error}") from error
    checked: jax.sharding.Sharding = sharding
    return checked
