"""Ties: one tensor under several names of a model."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np


def ties_of(tensors: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return, for every name of a tensor but the first, the first.

    Two entries are one tensor if they are the same memory, seen in the same way: NumPy arrays, and torch tensors, which
    `state_dict()` makes anew for every name, also those on the meta device.

    >>> table = np.empty((4, 3))
    >>> ties_of([("embedding", table), ("norm", np.empty(3)), ("head", table[:]), ("shape", (4, 3))])
    {'head': 'embedding'}
    """
    first: dict[Hashable, str] = {}
    found = {}
    kept = list(tensors)  # until all are seen, so that no memory is used twice
    for name, tensor in kept:
        memory = _memory_of(tensor)
        if memory is not None and first.setdefault(memory, name) != name:
            found[name] = first[memory]
    return found


def _memory_of(tensor: Any) -> Hashable | None:
    """Return what is equal for the same memory seen in the same way; None where no memory is known.

    A tensor with one element for many indices, as `expand` and `broadcast_to` make them, only shows a shape.
    """
    if isinstance(tensor, np.ndarray):
        address, strides = tensor.__array_interface__["data"][0], tensor.strides
        storage, place = ("numpy", address) if tensor.size else (None, 0)
    else:
        part = getattr(tensor, "_local_tensor", tensor)  # of a DTensor
        try:
            storage, place, strides = part.untyped_storage()._cdata, part.storage_offset(), tuple(part.stride())
        except Exception:  # no tensor of torch, or one without a storage
            return None
    shape = tuple(tensor.shape)
    if storage is None or any(stride == 0 and count > 1 for stride, count in zip(strides, shape, strict=False)):
        return None
    return storage, place, shape, strides, str(tensor.dtype)
