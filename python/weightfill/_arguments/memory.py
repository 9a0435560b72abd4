"""Memory of targets: what can be written in place, and fresh memory that is cheap to touch."""

from __future__ import annotations

import contextlib
import math
import mmap
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import TARGET_DTYPES, TargetDtype, as_dtype

HUGE_PAGE = 2 << 20
LARGE = 4 * HUGE_PAGE  # bytes from which a fresh array is worth a mapping of its own


def is_tensor(target: object) -> bool:
    """Whether it is one of torch's tensors, without an import of torch: where nobody has imported it there are none."""
    kind = getattr(sys.modules.get("torch"), "Tensor", None)
    return kind is not None and isinstance(target, kind)


def plain_array(target: Any) -> Any:
    """Return the array itself of a subclass's instance, whose own attributes may be others; all else as it is."""
    if type(target) is np.ndarray or not isinstance(target, np.ndarray):
        return target
    return np.ndarray.view(target, np.ndarray)


def readable_target(target: npt.NDArray[Any], argument: str) -> TargetDtype:
    """Return the dtype of an array that the core can read.

    Raises:
        TypeError: it is not a NumPy array, or of another dtype than targets have.
    """
    if not isinstance(target, np.ndarray):
        raise TypeError(f"{argument} must be a NumPy array, got {_description(target, argument)}")
    dtype = TARGET_DTYPES.get(target.dtype)
    if dtype is None:
        as_dtype(target.dtype, f"{argument}.dtype")  # raises
        raise AssertionError
    return dtype


def writable_target(out: npt.NDArray[Any], argument: str) -> TargetDtype:
    """Return the dtype of an array that the core can write.

    Raises:
        TypeError: it is not a NumPy array, or of another dtype than targets have.
        ValueError: it is read-only, or elements of it share memory.
    """
    dtype = TARGET_DTYPES.get(out.dtype) if type(out) is np.ndarray else None  # as most are: a call takes time
    if dtype is None:
        dtype = readable_target(out, argument)
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


def _description(target: object, argument: str) -> str:
    kind = f"{type(target).__module__}.{type(target).__qualname__}".removeprefix("builtins.")
    if kind.startswith(("jax.", "jaxlib.")):
        return f"{kind}, which nobody can write to; weightfill.jax.create makes one, np.asarray({argument}) reads one"
    if hasattr(target, "__dlpack__"):
        return f"{kind}; pass np.from_dlpack({argument}), an array that shares its memory"
    if hasattr(target, "__array_interface__"):
        return f"{kind}; pass np.asarray({argument}), an array that shares its memory"
    if isinstance(target, bytearray | memoryview):
        return f"{kind}; pass np.frombuffer({argument}, dtype), an array that shares its memory"
    return kind


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a fresh array; a large one begins at a huge page and is in huge pages where Linux has them.

    Touching fresh pages costs more than filling them: huge ones make it cheap, and as two threads then never touch the
    same one first, it scales.
    """
    size = math.prod(shape) * dtype.itemsize
    if max(shape, default=0) >= 2**63:  # also beside a dimension of 0
        raise MemoryError(f"no memory for an array of shape {shape}, dimensions of arrays are below 2**63")
    if size < LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.empty(shape, dtype)
    try:
        pages = mmap.mmap(-1, size + HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError):
        raise MemoryError(f"no memory for an array of shape {shape} and dtype {dtype}, {size} bytes") from None
    with contextlib.suppress(OSError):  # a kernel without huge pages
        pages.madvise(mmap.MADV_HUGEPAGE)
    address = np.frombuffer(pages, np.uint8).__array_interface__["data"][0]
    array: npt.NDArray[Any] = np.ndarray(shape, dtype, pages, offset=-address % HUGE_PAGE)
    return array
