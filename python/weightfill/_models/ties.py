"""Ties: one tensor under several names of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.messages import shown

_FIRST = 1 << 20  # the address of a storage that has none


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


def check_apart(tensors: Iterable[tuple[str, Any]]) -> None:
    """Raise ValueError if two tensors share some memory without being one, such as a matrix and its transpose."""
    names, places = [], []
    for name, tensor in tensors:
        memory = _memory_of(tensor)
        if memory is not None:
            names.append(name)
            places.append((memory, tensor))
    storages = Counter(memory[0] for memory, _ in places)
    shared = [number for number, (memory, _) in enumerate(places) if storages[memory[0]] > 1]
    for storage in {places[number][0][0] for number in shared}:
        numbers = [number for number in shared if places[number][0][0] == storage]
        arrays = [_placed(*places[number]) for number in numbers]
        for a, b in _core.meeting(arrays):
            if np.shares_memory(arrays[a], arrays[b]):
                raise ValueError(
                    f"shapes must have tensors with memory of their own, got {shown(names[numbers[min(a, b)]])} and "
                    f"{shown(names[numbers[max(a, b)]])}, which share some; give each its own, or leave one out"
                )


class _Place:
    """What NumPy takes for an array of bytes at a place that is looked at only."""

    def __init__(self, address: int, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            "typestr": f"|V{itemsize}",
            "data": (address, True),
            "shape": shape,
            "strides": strides,
        }


def _placed(memory: tuple[Any, ...], tensor: Any) -> npt.NDArray[Any]:
    """Return an array with the addresses of a tensor, counted from one that a storage on meta may have as well."""
    if isinstance(tensor, np.ndarray):
        return tensor
    _, place, shape, strides, _ = memory
    item = getattr(tensor, "_local_tensor", tensor).element_size()
    return np.asarray(_Place(_FIRST + place * item, shape, tuple(stride * item for stride in strides), item))


def _memory_of(tensor: Any) -> tuple[Any, ...] | None:
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
