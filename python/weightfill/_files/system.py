"""What operating systems do differently with files; here each keeps the same promises.

Windows reads and writes at a file's own position alone, reserves no space, and renames and removes no file that is
open. macOS reserves no space, and its `fsync` does not wait for the disk. What users see of it is in
docs/concepts/platforms.md.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from contextlib import suppress

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # as mypy has no optional modules
try:
    import msvcrt
except ImportError:  # all others
    msvcrt = None  # type: ignore[assignment]  # as above

_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows would change the ends of lines
OPEN_TO_READ: int = os.O_RDONLY | _BINARY | getattr(os, "O_NONBLOCK", 0)  # a FIFO has nobody wait for it
OPEN_NO_LINK: int = _BINARY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
CREATE: int = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY

MOVES_OPEN_FILES = fcntl is not None  # whether a file that is open can be renamed and removed

_MOST_BYTES = 1 << 30  # of one call: macOS refuses 2 GiB, others do a part of it
_RETRY_SECONDS = 0.01
_NO_LINKS = (errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)

_position = threading.Lock()  # held while the position of a file is moved and used


def lock(fd: int, *, wait: bool = True) -> None:
    """Lock an open file against whoever opened it elsewhere, until it is closed, as the end of the process does, too.

    Raises:
        OSError: another has the lock and this one is not to wait for it, or the file system has no locks.
    """
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    if msvcrt is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    while True:
        try:
            # The first byte, which nobody but its holder can read or write meanwhile.
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]  # defined on Windows only
            return
        except PermissionError:
            if not wait:
                raise
        time.sleep(_RETRY_SECONDS)


def write_at(fd: int, content: bytes | memoryview, offset: int = 0) -> None:
    """Write all of these bytes from `offset` of a file on."""
    written = 0
    while written < len(content):
        written += _written(fd, content[written : written + _MOST_BYTES], offset + written)


def read_at(fd: int, buffer: memoryview, offset: int) -> int:
    """Read bytes from `offset` of a file on into a buffer; return how many, 0 at its end."""
    buffer = buffer[:_MOST_BYTES]
    if hasattr(os, "preadv"):
        return os.preadv(fd, [buffer], offset)
    with _position, open(fd, "rb", buffering=0, closefd=False) as file:
        file.seek(offset)
        return file.readinto(buffer) or 0


def reserve(fd: int, size: int, folder: str) -> None:
    """Have an empty file in a folder be `size` bytes of zeros for which the disk has the space.

    Raises:
        OSError: ENOSPC or EFBIG if it has not, or as the system says.
    """
    try:
        os.posix_fallocate(fd, 0, size)
        return
    except AttributeError:  # macOS, Windows
        pass
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
    free = free_bytes(folder)
    if free is not None and size > free:  # so that nobody else finds the disk full meanwhile
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
    zeros = bytes(1 << 20)
    for start in range(0, size, len(zeros)):
        write_at(fd, zeros[: size - start], start)


def free_bytes(folder: str) -> int | None:
    """Return the bytes that files in a folder may still take; None if that cannot be known."""
    try:
        disk = shutil.disk_usage(folder or ".")
    except (OSError, AttributeError):  # AttributeError: the system has no such call
        return None
    return disk.free if disk.total else None


def sync_file(fd: int) -> None:
    """Wait until an open file is on the disk."""
    through_caches = getattr(fcntl, "F_FULLFSYNC", None)  # macOS
    if through_caches is not None:
        with suppress(OSError):  # a file system that knows fsync alone
            fcntl.fcntl(fd, through_caches)
            return
    os.fsync(fd)


def sync_folder(folder: str) -> None:
    """Wait until the names in a folder are on the disk; Windows has nothing to wait for."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def linked(name: str, other: str) -> bool:
    """Give a file another name, too; return False where files cannot have two.

    Raises:
        FileExistsError: a file has the other name.
        OSError: as the system says.
    """
    try:
        os.link(name, other)
    except AttributeError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS or os.path.lexists(other):
            raise
        return False
    return True


def _written(fd: int, content: bytes | memoryview, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(fd, content, offset)
    with _position:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, content)
