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
