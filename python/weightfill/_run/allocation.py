"""Fresh memory that is cheap to touch."""

from __future__ import annotations

import contextlib
import math
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

HUGE_PAGE = 2 << 20
LARGE = 4 * HUGE_PAGE  # bytes from which a fresh array is worth a mapping of its own
_ALONE = 32 << 20  # bytes from which it does not matter what is lost at both ends


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
        pages = _mapped(size + HUGE_PAGE)
    except (OSError, OverflowError):
        raise MemoryError(f"no memory for an array of shape {shape} and dtype {dtype}, {size} bytes") from None
    address = np.frombuffer(pages, np.uint8).__array_interface__["data"][0]
    array: npt.NDArray[Any] = np.ndarray(shape, dtype, pages, offset=-address % HUGE_PAGE)
    return array


def empty_beside_others(size: int) -> npt.NDArray[np.uint8]:
    """Return fresh bytes that are one of many arrays of some megabytes each, which stay.

    Linux puts mappings side by side, so one huge page holds the end of one array and the beginning of the next: small
    pages are left at the ends of all together, and nothing between them is wasted.
    """
    if size >= _ALONE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return empty((size,), np.dtype(np.uint8))
    try:
        return np.frombuffer(_mapped(size), np.uint8)
    except OSError:
        raise MemoryError(f"no memory for an array of {size} bytes") from None


def _mapped(size: int) -> mmap.mmap:
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        pages.madvise(mmap.MADV_HUGEPAGE)
    return pages
