"""Memory that can be read, and written in place."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.datasets import identity, is_dataset
from weightfill._arguments.dtypes import CORE_DTYPES, CoreDtype, as_dtype
from weightfill._arguments.messages import shown


def is_tensor(array: object) -> bool:
    """Whether it is one of torch's tensors, without an import of torch: where nobody has imported it there are none."""
    kind = getattr(sys.modules.get("torch"), "Tensor", None)
    return kind is not None and isinstance(array, kind)


def _for_torch() -> Any:
    """Return the module that knows the memory of tensors. It stands above this one, and is there only with torch."""
    return import_module("weightfill.torch._memory")


def as_array_to_write(out: Any, argument: str, threads: int | None) -> tuple[Any, int | None]:
    """Return the array itself, or the one that has a torch tensor's memory, and the argument `threads` of its fill.

    What is neither an array nor a tensor is returned as it is: `writable_memory` refuses it.

    Raises:
        ValueError: the tensor has no memory that can be filled.
    """
    if not is_tensor(out):
        return plain_array(out), threads
    adapter = _for_torch()
    array = adapter.array_to_write(out, argument)
    return array, adapter.torch_threads(array.size, threads)


def as_array_to_read(target: Any, argument: str, threads: int | None) -> tuple[Any, int | None]:
    """The same for memory that is only read."""
    if not is_tensor(target):
        return plain_array(target), threads
    adapter = _for_torch()
    array = adapter.array_to_read(target, argument)
    return array, adapter.torch_threads(array.size, threads)


class _Memory:
    """What NumPy takes for an array: the memory of a torch tensor, which it keeps."""

    def __init__(self, tensor: Any, itemsize: int, writable: bool) -> None:
        self.tensor = tensor
        self.__array_interface__ = {
            "version": 3,
            "typestr": f"<u{itemsize}",
            "data": (tensor.data_ptr(), not writable),
            "shape": tuple(tensor.shape),
            "strides": tuple(stride * itemsize for stride in tensor.stride()),
        }


def memory_of(tensor: Any, dtype: np.dtype[Any], *, writable: bool = True) -> npt.NDArray[Any]:
    """Return the array that shares the memory of a torch tensor, which is on the CPU and not empty.

    `Tensor.numpy` would leave the tensor's storage unable to be resized, by FSDP and others, ever after.
    """
    return np.asarray(_Memory(tensor, dtype.itemsize, writable)).view(dtype)


def plain_array(array: Any) -> Any:
    """Return the array itself of a subclass's instance, whose own attributes may be others; all else as it is."""
    if type(array) is np.ndarray or not isinstance(array, np.ndarray):
        return array
    return np.ndarray.view(array, np.ndarray)


def readable_memory(array: npt.NDArray[Any], argument: str) -> CoreDtype:
    """Return the dtype of an array that the core can read.

    Raises:
        TypeError: it is not a NumPy array, or of a dtype that the core does not fill.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{argument} must be a NumPy array, got {_description(array, argument)}")
    dtype = CORE_DTYPES.get(array.dtype)
    if dtype is None:
        as_dtype(array.dtype, f"{argument}.dtype")  # raises
        raise AssertionError
    return dtype


def writable_memory(out: npt.NDArray[Any], argument: str) -> CoreDtype:
    """Return the dtype of an array that the core can write.

    Raises:
        TypeError: it is not a NumPy array, or of a dtype that the core does not fill.
        ValueError: it is read-only, or elements of it share memory.
    """
    dtype = CORE_DTYPES.get(out.dtype) if type(out) is np.ndarray else None  # as most are: a call takes time
    if dtype is None:
        dtype = readable_memory(out, argument)
    flags = out.flags
    if not flags.writeable:
        raise ValueError(f"{argument} must be writable, got a read-only array of shape {out.shape}")
    if not flags.forc and _may_overlap(out):
        raise ValueError(
            f"{argument} must have its elements apart in memory, got shape {out.shape} with strides {out.strides}; "
            f"fill the array it is a view of, or a copy"
        )
    return dtype


def _may_overlap(array: npt.NDArray[Any]) -> bool:
    """Whether some axis, in order of strides, steps less far than all smaller ones together reach.

    Every slice, transpose or reversal of an array that does not overlap passes.
    """
    if array.size == 0:
        return False
    reach = array.itemsize
    for stride, count in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if stride < reach:
            return True
        reach += stride * (count - 1)
    return False


def check_apart(names: list[str], arrays: list[Any]) -> None:
    """Raise ValueError if two arrays share memory, or two datasets are one."""
    stored: dict[object, str] = {}
    for name, array in zip(names, arrays, strict=True):
        if not isinstance(array, np.ndarray) and (other := stored.setdefault(identity(array), name)) is not name:
            raise _not_apart(other, name)
    if stored:
        names = [name for name, array in zip(names, arrays, strict=True) if isinstance(array, np.ndarray)]
        arrays = [array for array in arrays if isinstance(array, np.ndarray)]
    for a, b in _core.meeting(arrays):
        if np.shares_memory(arrays[a], arrays[b]):
            raise _not_apart(names[min(a, b)], names[max(a, b)])


def _not_apart(first: str, second: str) -> ValueError:
    return ValueError(
        f"params must have memory of their own, got {shown(first)} and {shown(second)}, which share some; pass only "
        "one of tied parameters"
    )


def _description(array: object, argument: str) -> str:
    module, name = type(array).__module__, type(array).__qualname__
    if module.startswith("weightfill._initializers."):
        return f"weightfill.{name}; {argument} comes first, then the initializer"
    kind = f"{module}.{name}".removeprefix("builtins.")
    if is_dataset(array):
        return f"{kind}; fill and verify take it, and a part of it is assigned: {argument}[a:b] = tensor[a:b]"
    if kind.startswith(("h5py.", "zarr.")):
        return f"{kind}; pass one of its datasets"
    if kind.startswith(("jax.", "jaxlib.")):
        return f"{kind}, which nobody can write to; weightfill.jax.create makes one, np.asarray({argument}) reads one"
    if kind.startswith("dask."):
        return f"{kind}, which is computed when it is needed; weightfill.dask.create makes one"
    if isinstance(array, np.generic):
        return f"{kind}, a scalar; pass an array such as np.asarray({argument})"
    if hasattr(array, "__dlpack__"):
        return f"{kind}; pass np.from_dlpack({argument}), an array that shares its memory"
    if hasattr(array, "__array_interface__"):
        return f"{kind}; pass np.asarray({argument}), an array that shares its memory"
    if isinstance(array, bytearray | memoryview):
        return f"{kind}; pass np.frombuffer({argument}, dtype), an array that shares its memory"
    return kind
