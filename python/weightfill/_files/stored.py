"""Arrays in files, read in blocks: a file that is cut meanwhile is an error, where a mapping of it ends the process."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._files.blockwise import block_bytes
from weightfill._files.direct import Buffer
from weightfill._files.hidden_files import errors_naming
from weightfill._files.system import OPEN_TO_READ, read_at

Array = npt.NDArray[Any]


class OpenFile:
    """A file that stays open, and the same if another takes its name, as long as something is to be read from it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fd = os.open(name, OPEN_TO_READ)
        weakref.finalize(self, os.close, self._fd)

    def read(self, buffer: Buffer, offset: int) -> None:
        """Fill a buffer with the bytes from `offset` on.

        Raises:
            ValueError: the file ends before; it was whole when it was opened.
            OSError: as the system says.
        """
        done = 0
        while done < len(buffer):
            with errors_naming(self.name):
                got = read_at(self._fd, buffer[done:].data, offset + done)
            if not got:
                size = os.fstat(self._fd).st_size
                raise ValueError(f"file must stay whole while it is read, got {self.name}, cut to {size:,} bytes")
            done += got


class StoredArray:
    """An array in a file: its dtype and shape, and its elements, block by block.

    Args:
        file: where it is.
        dtype: of its elements.
        shape: its shape.
        offset: of its first byte in the file.
        fortran: whether the first index goes fastest.
    """

    def __init__(
        self, file: OpenFile, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int, *, fortran: bool = False
    ) -> None:
        self.dtype, self.shape, self.fortran = dtype, shape, fortran
        self.size = math.prod(shape)
        self.nbytes = self.size * dtype.itemsize
        self._file, self._offset = file, offset

    def read(self, begin: int, end: int, buffer: Buffer | None = None) -> Array:
        """Return elements [begin, end), in the order of the file; in the beginning of `buffer`, if there is one.

        Raises:
            ValueError: the file was cut meanwhile; the message names it.
            OSError: as the system says.
        """
        size = (end - begin) * self.dtype.itemsize
        content = np.empty(size, np.uint8) if buffer is None else buffer[:size]
        self._file.read(content, self._offset + begin * self.dtype.itemsize)
        return content.view(self.dtype)

    def whole(self) -> Array:
        """Return the array, in memory; errors as `read`."""
        return self.read(0, self.size).reshape(self.shape, order="F" if self.fortran else "C")

    def blocks(self) -> Iterator[Array]:
        """Yield the elements in 1-D blocks, in the order of the file, all in the same memory; errors as `read`."""
        buffer = np.empty(min(self.nbytes, block_bytes(1)), np.uint8)
        step = block_bytes(1) // self.dtype.itemsize
        for begin in range(0, self.size, step):
            yield self.read(begin, min(begin + step, self.size), buffer)
