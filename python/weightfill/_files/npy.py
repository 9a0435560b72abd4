"""Tables in .npy files, written or mapped into memory to be read.

A new file appears whole or not at all (see `hidden_files`). Its space is reserved first, so a full disk is an OSError
before any work.

Nothing is forced to the disk unless asked for: every process sees the file at once, but after a power cut shortly
afterwards parts of it may read as zeros. `sync=True` waits for the disk, at the disk's speed.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._files.hidden_files import reserved_file
from weightfill._files.stored import OpenFile, StoredArray
from weightfill._files.system import OPEN_TO_READ, write_at

Array = npt.NDArray[Any]

MAX_FILE_BYTES = 2**63 - 1
_MAX_NPY_HEADER_BYTES = 1 << 16


class NewNpy(NamedTuple):
    """A .npy file that is being written: its descriptor, and the place of its first element."""

    fd: int
    offset: int


@contextmanager
def new_npy(
    path: str | os.PathLike[str],
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    *,
    replace: bool = False,
    sync: bool = False,
) -> Iterator[NewNpy]:
    """Create a .npy file with its header and zeros, whose space is reserved, for the elements to be written in C order.

    The file appears as `path` when the block ends, and not at all if an exception ends it. The format has no name for
    the types of ml_dtypes: their items are stored as opaque ones of the same size (bfloat16 as `|V2`), which `np.load`
    reads without ml_dtypes; `np.load(path).view(ml_dtypes.bfloat16)` restores the type.

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
    ...     with new_npy(f"{folder}/table.npy", (1000, 16), np.float32) as file:
    ...         write_at(file.fd, wf.create((1000, 16), wf.Ones()).tobytes(), file.offset)
    ...     float(np.load(f"{folder}/table.npy").sum())
    16000.0
    """
    dtype = np.dtype(dtype)
    header = _npy_header(shape, dtype)
    size = len(header) + math.prod(shape) * dtype.itemsize
    if size > MAX_FILE_BYTES:
        raise ValueError(f"shape must need less than 2^63 bytes, got {shape} of {dtype}")
    with reserved_file(path, size, replace=replace, sync=sync) as fd:
        write_at(fd, header)
        yield NewNpy(fd, len(header))


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
    mapped, wanted = _mapped_npy(os.fspath(path), dtype)
    array: Array = mapped.view(np.ndarray).view(wanted)
    return array


def stored_npy(path: str | os.PathLike[str], dtype: npt.DTypeLike | None = None) -> StoredArray:
    """Return the array of a .npy file, to be read in blocks; the rest as `open_npy`."""
    name = os.fspath(path)
    array, wanted = _mapped_npy(name, dtype)
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    return StoredArray(OpenFile(name), wanted, array.shape, array.offset, fortran=fortran)


def _mapped_npy(name: str, dtype: npt.DTypeLike | None) -> tuple[Any, np.dtype[Any]]:
    with regular_file(name, f"file must be a whole .npy file, got {name}: it is not a regular file") as opened:
        try:
            _check_npy_header(opened)
            array = np.lib.format.open_memmap(name, mode="r")
        except OSError:
            raise
        except Exception as error:  # a damaged header can raise nearly anything
            raise ValueError(f"file must be a whole .npy file, got {name}: {error}") from error
    stored = array.dtype
    if dtype is None and stored.kind == "V" and stored.fields is None:
        if stored.itemsize != 2:
            raise ValueError(f"dtype must be given for a file of opaque {stored.itemsize}-byte items, got {name}")
        return array, np.dtype(ml_dtypes.bfloat16)
    wanted = stored if dtype is None else np.dtype(dtype)
    if wanted != stored and (wanted.itemsize != stored.itemsize or stored.kind != "V" or stored.fields is not None):
        raise ValueError(f"dtype must be what the file holds ({stored}), got {wanted}")
    return array, wanted


def _check_npy_header(opened: BinaryIO) -> None:
    """Raise ValueError for a header that NumPy would read as a whole before it refuses it."""
    version = np.lib.format.read_magic(opened)
    length = int.from_bytes(opened.read(2 if version == (1, 0) else 4), "little")
    if length > _MAX_NPY_HEADER_BYTES:
        raise ValueError(f"it has a header of {length:,} bytes")


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
        raise TypeError(f"path must be a path, got {shown(path)}; give a string or a pathlib.Path") from None
    if "\0" in name:
        raise ValueError(f"path must have no null character, got {shown(name)}")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise ValueError(f"path must be in the file system's encoding, got {shown(name)}") from None
    return name


def content_of(file: str, argument: str, kind: str, most: int) -> bytes:
    """Return what a regular file of at most `most` bytes holds.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a regular file, or a larger one; the message says that `argument` must be `kind`.
    """
    rule = f"{argument} must be {kind}, a regular file of at most {most:,} bytes, got {file}"
    with regular_file(file, f"{rule}, which is not a regular file") as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{rule}, which is larger")
    return content


@contextmanager
def regular_file(file: str, otherwise: str) -> Iterator[BinaryIO]:
    """Open a file to be read; what is no regular file is a ValueError, which says `otherwise`.

    To read from a FIFO, a terminal or `/dev/zero` might never end; already to open one may wait for ever, or do things.
    """
    if not stat.S_ISREG(os.stat(file).st_mode):
        raise ValueError(otherwise)
    fd = os.open(file, OPEN_TO_READ)
    if not stat.S_ISREG(os.fstat(fd).st_mode):  # exchanged meanwhile
        os.close(fd)
        raise ValueError(otherwise)
    with open(fd, "rb") as opened:
        yield opened
