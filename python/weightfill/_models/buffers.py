"""What the buffers of a torch module hold; read without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_KINDS = "iubfV"  # of NumPy's dtypes; bfloat16 and float8 are V


class _Memory:
    """What NumPy takes for an array that is only read: the memory of a tensor, which it keeps."""

    def __init__(self, tensor: Any, dtype: np.dtype[Any]) -> None:
        self.tensor = tensor
        self.__array_interface__ = {
            "version": 3,
            "typestr": f"<u{dtype.itemsize}",
            "data": (tensor.data_ptr(), True),
            "shape": tuple(tensor.shape),
        }


def held_by(buffer: Any, dtype: np.dtype[Any] | None) -> npt.NDArray[Any] | None:
    """Return what a buffer holds, without a copy if it is on the CPU and contiguous.

    None if that is not known: it is on meta, held in parts by several processes, or not strided.

    Args:
        buffer: a tensor.
        dtype: its dtype in NumPy; None if there is none.
    """
    if dtype is None or dtype.kind not in _KINDS or buffer.is_meta or str(buffer.layout) != "torch.strided":
        return None
    if hasattr(buffer, "_local_tensor") or hasattr(buffer, "local_shards"):
        return None
    if not buffer.numel():
        return np.empty(tuple(buffer.shape), dtype)
    plain = buffer.detach().resolve_neg().cpu().contiguous()
    try:
        return np.asarray(_Memory(plain, dtype)).view(dtype) if plain.data_ptr() else None
    except RuntimeError:  # torch's of tensors without memory, such as fake ones
        return None
