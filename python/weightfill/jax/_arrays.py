"""Tensors as arrays, filled at once outside of programs: every device's part alone."""

from __future__ import annotations

import jax

from weightfill.jax._keyed import Array, Keyed, aligned
from weightfill.jax._shardings import shard_shape


def created(tensor: Keyed, seed: int, sharding: jax.sharding.Sharding | None) -> jax.Array:
    """Return the tensor, every device's part filled alone."""
    if sharding is None:
        part = tensor.part(seed, (0,) * len(tensor.shape), tensor.shape)
        return jax.device_put(_sealed(part), may_alias=True)
    shape = shard_shape(sharding, tensor.shape)
    places = sharding.addressable_devices_indices_map(tensor.shape)
    holders: dict[tuple[int, ...], list[jax.Device]] = {}
    for device, index in places.items():
        holders.setdefault(tuple(axis.start or 0 for axis in index), []).append(device)
    whole = tensor.whole(seed) if tensor.tensor.only_whole and len(holders) > 1 else None
    arrays = {}
    for start, devices in holders.items():
        if whole is None:
            part = tensor.part(seed, start, shape)
        else:
            part = aligned(shape, tensor.dtype)
            part[...] = whole[tuple(slice(first, first + size) for first, size in zip(start, shape, strict=True))]
        _sealed(part)
        for device in devices:
            place = jax.sharding.SingleDeviceSharding(device, memory_kind=sharding.memory_kind)
            arrays[device] = jax.device_put(part, place, may_alias=True)
        jax.block_until_ready([arrays[device] for device in devices])  # else parts queue up on the host
    return jax.make_array_from_single_device_arrays(tensor.shape, sharding, [arrays[device] for device in places])


def _sealed(array: Array) -> Array:
    """Make an array read-only, as JAX takes its memory to be, and return it."""
    array.flags.writeable = False
    return array
