"""Files written past the system's page cache, where the system can."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from weightfill._files.system import write_at

Buffer = npt.NDArray[np.uint8]

PAGE = 4096  # what offset, size and address are multiples of


@contextmanager
def opened_directly(fd: int, wanted: bool = True) -> Iterator[int]:
    """Give a second descriptor of an open file, past the page cache; the same one if that is not wanted, or cannot be.

    Linux has it, and most of its file systems.
    """
    if not wanted:
        yield fd
        return
    try:
        direct = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_CLOEXEC | os.O_DIRECT)
    except (AttributeError, OSError):
        yield fd
        return
    try:
        yield direct
    finally:
        os.close(direct)


def placed(buffer: Buffer, size: int, offset: int) -> Buffer:
    """Return `size` bytes of a buffer, which has 2 * PAGE more, that can be written at `offset` of a file directly."""
    begin = (offset - buffer.ctypes.data) % PAGE
    return buffer[begin : begin + size]


def write_directly(fd: int, direct: int, content: Buffer, offset: int) -> None:
    """Write bytes to `offset` of a file: whole pages by the descriptor `direct`, the rest by `fd`."""
    head = -offset % PAGE
    body = (len(content) - head) // PAGE * PAGE
    if direct == fd or body <= 0 or (content.ctypes.data - offset) % PAGE:
        write_at(fd, content.data, offset)
        return
    end = head + body
    write_at(fd, content[:head].data, offset)
    try:
        write_at(direct, content[head:end].data, offset + head)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a disk with larger blocks
            raise
        write_at(fd, content[head:end].data, offset + head)
    write_at(fd, content[end:].data, offset + end)
