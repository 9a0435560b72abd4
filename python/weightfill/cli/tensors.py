"""The tensors of a file, one after the other, and their elements, block by block."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill import cli
from weightfill.files import open_npy

Array = npt.NDArray[Any]


def tensors(path: str, dtype: npt.DTypeLike | None = None) -> Iterator[tuple[str, Array]]:
    """Yield name and array, mapped into memory, of each tensor of a .npy or .safetensors file or of a sharded model.

    Args:
        path: of the file; of a sharded model, its index (.json). The tensor of a .npy file has the name of the file.
        dtype: what the opaque items of a .npy file are, as for `open_npy`.

    Raises:
        OSError: a file cannot be read.
        ValueError: it is not whole, or of no known format, or `dtype` is not what it holds.
    """
    if Path(path).suffix not in (".safetensors", ".json"):
        yield Path(path).stem, open_npy(path, dtype)
        return
    if dtype is not None:
        raise ValueError(f"dtype must be left out for a checkpoint, which names its own, got {np.dtype(dtype)}")
    from weightfill.checkpoint import open_checkpoint

    yield from open_checkpoint(path).items()


def files_of(path: str) -> set[str]:
    """Return the paths of the files that `tensors` reads; errors as there."""
    if Path(path).suffix != ".json":
        return {path}
    from weightfill.safetensors_file import entries

    return {path, *(entry.file for entry in entries(path).values())}


def blocks(array: Array) -> Iterator[Array]:
    """Yield the elements of an array without gaps in 1-D blocks, in the order of memory.

    The pages of a read-only mapping are given back when the block is done, so that memory stays constant.
    """
    flat = array.reshape(-1, order="A")
    step = max(1, cli._BLOCK_BYTES // max(1, array.itemsize))
    for first in range(0, flat.size, step):
        block = flat[first : first + step]
        yield block
        if not block.flags.writeable:
            _give_back(block)


def _give_back(block: Array) -> None:
    owner: Any = block
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        start = _address(block) - _address(np.frombuffer(owner, np.uint8))
        page = start // mmap.PAGESIZE * mmap.PAGESIZE
        owner.madvise(mmap.MADV_DONTNEED, page, start + block.nbytes - page)


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
