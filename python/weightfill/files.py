"""Files that appear whole or not at all, and .npy files mapped into memory to be filled in place.

A file is written under a hidden name beside its own, `.NAME.<16 hex digits>.weightfill` with a NAME that is shortened
where that would be too long, and gets its own name when it is whole. Its space is reserved first, so a full disk is an
OSError; in a sparse mapping it would be a SIGBUS later. Whatever ends the writing removes the hidden file, except for
SIGKILL and a power cut: what these leave behind goes when the same name is next written. The lock that a living writer
holds tells its hidden file from an abandoned one.

Nothing is forced to the disk unless asked for: every process sees the file at once, but after a power cut shortly
afterwards parts of it may read as zeros. `sync=True` waits for the disk, at the disk's speed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import math
import mmap
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MAX_FILE_BYTES = 2**63 - 1
_MAX_NAME_BYTES = 255
_HIDDEN_BYTES = len("..0123456789abcdef.weightfill")  # what a hidden name has beside the file's own
_MADV_POPULATE_WRITE = 23  # Linux; Python's mmap has no name for it


@contextmanager
def new_npy(
    path: str | os.PathLike[str],
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    *,
    replace: bool = False,
    sync: bool = False,
) -> Iterator[Array]:
    """Create a .npy file and give its array, mapped into memory (shared, writable, zeros, in C order).

    The file appears as `path` when the block ends, and not at all if an exception ends it. The array's pages are the
    page cache's, so a table larger than the memory can be filled. The format has no name for the types of ml_dtypes:
    their items are stored as opaque ones of the same size (bfloat16 as `|V2`), which `np.load` reads without ml_dtypes;
    `np.load(path).view(ml_dtypes.bfloat16)` restores the type.

    Args:
        path: where the file shall appear.
        shape: of the array.
        dtype: of the array; any without Python objects.
        replace: whether an existing regular file may be replaced, at the end and in one step.
        sync: whether to wait until the file is on the disk.

    Raises:
        FileExistsError: `path` exists, or appeared meanwhile, and is not to be replaced.
        OSError: as the system says; ENOSPC and EFBIG before the block begins.
        ValueError: the file would have 2^63 bytes or more.

    >>> import tempfile, numpy as np, weightfill as wf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with new_npy(f"{folder}/table.npy", (1000, 16), np.float32) as table:
    ...         _ = wf.fill(table, wf.Ones())
    ...     float(np.load(f"{folder}/table.npy").sum())
    16000.0
    """
    dtype = np.dtype(dtype)
    header = _npy_header(shape, dtype)
    size = len(header) + math.prod(shape) * dtype.itemsize
    if size > MAX_FILE_BYTES:
        raise ValueError(f"shape must need less than 2^63 bytes, got {shape} of {dtype}")
    with reserved_file(path, size, replace=replace, sync=sync) as fd:
        os.pwrite(fd, header, 0)
        yield np.ndarray(shape, dtype, buffer=mmap.mmap(fd, size), offset=len(header))


def populate(array: Array, start: int, stop: int) -> None:
    """Bring rows [start, stop) of an array of `new_npy` into memory at once, before they are filled.

    Twice as fast as the page faults it saves, where the system can (Linux 5.14); elsewhere it does nothing.

    Raises:
        OSError: there is no space for a page in spite of the reservation, as file systems that copy on write may have
            it, or the file was cut short; to write there would be a SIGBUS.
    """
    if sys.platform != "linux":
        return
    mapping, row = array.base, array.nbytes // max(1, len(array))
    assert isinstance(mapping, mmap.mmap)
    header = len(mapping) - array.nbytes
    first = (header + start * row) // mmap.PAGESIZE * mmap.PAGESIZE
    try:
        mapping.madvise(_MADV_POPULATE_WRITE, first, header + stop * row - first)
    except OSError as error:
        if error.errno == errno.EFAULT:
            raise OSError(errno.EIO, "the file's space is not to be had") from error
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise


def open_npy(path: str | os.PathLike[str], dtype: npt.DTypeLike | None = None) -> Array:
    """Return the array of a .npy file, mapped into memory, read-only.

    Args:
        path: of the file.
        dtype: what opaque items are (see `new_npy`); those of two bytes are bfloat16 if it is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a .npy file, or `dtype` is not what it holds.

    >>> import tempfile, ml_dtypes, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/row.npy", np.ones(3, ml_dtypes.bfloat16))
    ...     open_npy(f"{folder}/row.npy")
    array([1, 1, 1], dtype=bfloat16)
    """
    name = os.fspath(path)
    try:
        array: Array = np.lib.format.open_memmap(name, mode="r").view(np.ndarray)
    except OSError:
        raise
    except Exception as error:  # a damaged header can raise nearly anything
        raise ValueError(f"file must be a whole .npy file, got {name}: {error}") from error
    stored = array.dtype
    if dtype is None and stored.kind == "V" and stored.fields is None:
        if stored.itemsize != 2:
            raise ValueError(f"dtype must be given for a file of opaque {stored.itemsize}-byte items, got {name}")
        return array.view(ml_dtypes.bfloat16)
    wanted = stored if dtype is None else np.dtype(dtype)
    if wanted != stored and (wanted.itemsize != stored.itemsize or stored.kind != "V" or stored.fields is not None):
        raise ValueError(f"dtype must be what the file holds ({stored}), got {wanted}")
    return array.view(wanted)


@contextmanager
def reserved_file(
    path: str | os.PathLike[str],
    size: int,
    *,
    replace: bool = False,
    sync: bool = False,
    keep: ExitStack | None = None,
) -> Iterator[int]:
    """Give the descriptor of a new file of `size` bytes, at least 1, whose space is reserved; the rest as `new_npy`.

    With `keep`, the descriptor stays open, its lock held and the hidden name (where `path` is new) until that stack
    ends: `remove_abandoned` then knows a file that came with others which did not come any more.
    """
    final = os.path.realpath(path) if replace else os.fspath(path)  # through a link to the file that it names
    if os.path.lexists(final) and not (replace and os.path.isfile(final)):
        number = errno.EISDIR if os.path.isdir(final) else errno.EEXIST
        raise OSError(number, os.strerror(number), os.fspath(path))
    fd, hidden = -1, ""
    try:
        with errors_naming(path):
            remove_abandoned(final)
            fd, hidden = _new_hidden_file(final)
            _reserve(fd, size)
        yield fd
        with errors_naming(path):
            if sync:
                os.fsync(fd)
            _publish(hidden, final, replace)
            if sync:
                sync_folder(os.path.dirname(final) or ".")
    finally:
        if hidden and keep is not None:
            keep.callback(_discard, fd, hidden)
        elif hidden:
            _discard(fd, hidden)


def hidden_name(path: str) -> str:
    """Return a new hidden name beside that of a file."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{_short(name)}.{secrets.token_hex(8)}.weightfill")


def hidden_names(path: str) -> list[str]:
    """Return the paths of all files under hidden names beside that of a file."""
    folder, name = os.path.split(path)
    pattern = re.compile(rf"\.{re.escape(_short(name))}\.[0-9a-f]{{16}}\.weightfill")
    with os.scandir(folder or ".") as entries:
        return [os.path.join(folder, entry.name) for entry in entries if pattern.fullmatch(entry.name)]


def _short(name: str) -> str:
    """Return what stands for a file's name in its hidden names: a beginning and a hash where it is too long.

    A name that no file can have is left as it is: so that the hidden file already fails, not the whole one.
    """
    encoded, room = os.fsencode(name), _MAX_NAME_BYTES - _HIDDEN_BYTES
    if not room < len(encoded) <= _MAX_NAME_BYTES:
        return name
    end = f"~{hashlib.blake2b(encoded, digest_size=8).hexdigest()}"
    while len(os.fsencode(name)) > room - len(end):
        name = name[:-1]
    return name + end


def remove_abandoned(path: str, *, unfinished: bool = False) -> None:
    """Remove the hidden files of a file's former writers that are no longer alive.

    With `unfinished`, also the file itself if it still has one of these hidden names (see `keep` of `reserved_file`).
    """
    for hidden in hidden_names(path):
        with suppress(OSError):
            fd = os.open(hidden, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its writer lives
                if unfinished and os.path.lexists(path) and os.path.samestat(os.fstat(fd), os.lstat(path)):
                    os.unlink(path)
                os.unlink(hidden)
            finally:
                os.close(fd)


def _discard(fd: int, hidden: str) -> None:
    with suppress(OSError):
        os.unlink(hidden)
    os.close(fd)


def _npy_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    # ml_dtypes' own descriptions are no use: '<f1' of float8_e5m2 makes np.load fail.
    described = f"|V{dtype.itemsize}" if dtype.isbuiltin == 2 else dtype.str  # 2: registered by a package
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": described, "fortran_order": False, "shape": shape})
    return header.getvalue()  # a multiple of 64 bytes, so that the array is aligned


def checked_path(path: str | os.PathLike[str]) -> str:
    """Return the argument `path` as a string; raise if no file can have this path.

    Raises:
        TypeError: it is no path, or one of bytes.
        ValueError: it has a null character, or one that the file system's encoding has not.
    """
    try:
        name = os.fspath(path)
        if not isinstance(name, str):
            raise TypeError
    except TypeError:
        raise TypeError(f"path must be a path, got {path!r}; give a string or a pathlib.Path") from None
    if "\0" in name:
        raise ValueError(f"path must have no null character, got {name!r}")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise ValueError(f"path must be in the file system's encoding, got {name!r}") from None
    return name


@contextmanager
def errors_naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Have the system's errors name this file."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), os.fspath(path)) from error


def _new_hidden_file(path: str) -> tuple[int, str]:
    while True:
        hidden = hidden_name(path)
        fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # some file systems have no locks: there, abandoned files stay
            fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return fd, hidden
        os.close(fd)  # taken for an abandoned one before it was locked


def _reserve(fd: int, size: int) -> None:
    try:
        os.posix_fallocate(fd, 0, size)
        return
    except AttributeError:  # macOS
        pass
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
    zeros, start = bytes(1 << 20), 0
    while start < size:
        start += os.pwrite(fd, zeros[: size - start], start)


def _publish(hidden: str, final: str, replace: bool) -> None:
    if replace:
        os.replace(hidden, final)
        return
    try:
        os.link(hidden, final)  # unlike a rename, fails if `final` has appeared meanwhile
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS) or os.path.lexists(final):
            raise
        os.rename(hidden, final)  # a file system without hard links


def write_at(fd: int, content: bytes | memoryview, offset: int = 0) -> None:
    """Write all of these bytes from `offset` of a file on."""
    written = 0
    while written < len(content):
        written += os.pwrite(fd, content[written:], offset + written)


def sync_folder(folder: str) -> None:
    """Wait until the names in a folder are on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
