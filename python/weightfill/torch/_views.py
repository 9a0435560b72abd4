"""What weightfill can fill of a torch tensor: NumPy arrays that share its memory."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import Parameter

from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.memory import memory_of

# torch names dtypes as NumPy and ml_dtypes do.
_DTYPES: dict[torch.dtype, np.dtype[Any]] = {getattr(torch, row.name): dtype for dtype, row in CORE_DTYPES.items()}


class View(NamedTuple):
    """Memory of this process: all of a tensor, or the part whose first element has the index `start`."""

    array: npt.NDArray[Any]
    start: tuple[int, ...] | None = None


def numpy_dtype(dtype: torch.dtype) -> np.dtype[Any] | None:
    """Return the NumPy dtype of a torch dtype, None if weightfill does not fill it."""
    return _DTYPES.get(dtype)


def dtype_of(tensor: Tensor) -> np.dtype[Any] | None:
    """Return the NumPy dtype of the elements, of which TorchRec's DTensors know nothing; None if it is not filled."""
    if is_dtensor(tensor):
        from weightfill.torch._placements import wrapper_of  # as in views_of

        wrapper = wrapper_of(tensor)
        if wrapper is not None and wrapper.local_shards():
            return numpy_dtype(wrapper.local_shards()[0].dtype)
    return numpy_dtype(tensor.dtype)


def is_plain(tensor: Tensor) -> bool:
    """Whether it is memory and nothing else: its class overrides no function and no operator."""
    kind = type(tensor)
    if kind is Tensor or kind is Parameter:
        return True
    function = getattr(kind.__torch_function__, "__func__", kind.__torch_function__)
    is_default = function in (Tensor.__torch_function__.__func__, torch._C._disabled_torch_function_impl)
    return is_default and bool(kind.__torch_dispatch__ == Tensor.__torch_dispatch__)


def is_dtensor(tensor: Tensor) -> bool:
    """Whether it is a DTensor. Their module takes long to import; where nobody has imported it there are none."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def is_sharded_tensor(tensor: Tensor) -> bool:
    """Whether it is a ShardedTensor, as TorchRec's tables."""
    module = sys.modules.get("torch.distributed._shard.sharded_tensor")
    return module is not None and isinstance(tensor, module.ShardedTensor)


def is_in_parts(tensor: Tensor) -> bool:
    """Whether it is cut into parts, of which this process has its own: a DTensor or a ShardedTensor."""
    return is_dtensor(tensor) or is_sharded_tensor(tensor)


def is_meta(tensor: Tensor) -> bool:
    """Whether it is on meta; no for ShardedTensors, which cannot be asked."""
    return not is_sharded_tensor(tensor) and tensor.is_meta


def array_of(tensor: Tensor) -> npt.NDArray[Any] | None:
    """Return the array that shares the memory of a tensor.

    None if there is none: the tensor is not on the CPU, not strided, of a dtype that is not filled, of a class of its
    own, lazily negated, without memory yet or any more, or an inference tensor outside of inference mode.
    """
    dtype = numpy_dtype(tensor.dtype)
    if dtype is None or not tensor.is_cpu or tensor.layout is not torch.strided or not is_plain(tensor):
        return None
    if tensor.is_neg() or (tensor.is_inference() and not torch.is_inference_mode_enabled()):
        return None
    if tensor.numel() == 0:
        return np.empty(tuple(tensor.shape), dtype)
    if not _address(tensor) or reaches_beyond_storage(tensor):
        return None
    return memory_of(tensor.detach(), dtype)


def _address(tensor: Tensor) -> int:
    """Return the address of the first element; 0 if there is none, or no memory yet, or torch hides it."""
    try:
        return int(tensor.data_ptr())
    except RuntimeError:  # in a functional transformation
        return 0


def reaches_beyond_storage(tensor: Tensor) -> bool:
    """Whether its storage was freed, or cut, since: torch lets a tensor keep its shape."""
    if tensor.is_contiguous():
        end = tensor.numel()
    else:
        end = 1 + sum((count - 1) * stride for count, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return bool((tensor.storage_offset() + end) * tensor.itemsize > tensor.untyped_storage().nbytes())


def views_of(tensor: Tensor) -> list[View] | None:
    """Return what this process holds of a tensor; None if that cannot be filled.

    Raises:
        ValueError: it is a DTensor of other placements than Shard and Replicate.
    """
    if is_dtensor(tensor):
        from weightfill.torch._placements import parts  # needs torch.distributed, whose import takes long

        held = [(part.tensor, part.start) for part in parts(tensor)]
    elif is_sharded_tensor(tensor):
        held = [(shard.tensor, tuple(shard.metadata.shard_offsets)) for shard in shards_of(tensor)]
    else:
        array = array_of(tensor)
        return None if array is None else [View(array)]
    views = []
    for local, start in held:
        array = array_of(local)
        if array is None:
            return None
        views.append(View(array, start))
    return views


def shards_of(tensor: Tensor) -> list[Any]:
    """Return the shards of a ShardedTensor that this process holds."""
    return list(tensor.local_shards())


def set_zero(view: View, rows: tuple[int, ...]) -> None:
    """Set rows of the whole to zero where the view has them."""
    first = view.start[0] if view.start else 0
    for row in rows:
        if first <= row < first + view.array.shape[0]:
            view.array[row - first] = 0
