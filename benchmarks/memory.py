"""Memory to write into: touched before, or fresh, in huge pages where the system has them."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


def fresh(size: int) -> Bytes:
    """Return `size` bytes that nobody has touched: the first write to a page is also its allocation."""
    mapping = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # shared memory has other huge pages, if any
    with suppress(AttributeError, OSError):
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(mapping, np.uint8)


class Touched:
    """One mapping, touched, that grows to the largest size asked for."""

    def __init__(self) -> None:
        self._bytes: Bytes = np.empty(0, np.uint8)

    def __call__(self, size: int) -> Bytes:
        """Return the first `size` bytes; they start at a page."""
        if size > self._bytes.size:
            self._bytes = np.empty(0, np.uint8)  # the old one goes before the new one comes
            self._bytes = fresh(size)
            self._bytes[:] = 1
        return self._bytes[:size]


def available() -> int:
    """Return the bytes of memory that this process could still take without swapping."""
    with suppress(OSError), open("/proc/meminfo") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
