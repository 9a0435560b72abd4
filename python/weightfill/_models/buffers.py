"""What the buffers of a torch module hold; read without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.memory import memory_of

_KINDS = "iubfV"  # of NumPy's dtypes; bfloat16 and float8 are V


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
        return memory_of(plain, dtype, writable=False) if plain.data_ptr() else None
    except RuntimeError:  # torch's of tensors without memory, such as fake ones
        return None
