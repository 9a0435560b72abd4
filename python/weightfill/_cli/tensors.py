"""The tensors of a file, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weightfill._files.npy import stored_npy
from weightfill._files.safetensors_file import entries, stored_arrays
from weightfill._files.stored import StoredArray


def tensors(path: str, dtype: npt.DTypeLike | None = None) -> Iterator[tuple[str, StoredArray]]:
    """Yield name and array of each tensor of a .npy or .safetensors file or of a sharded model.

    Args:
        path: of the file; of a sharded model, its index (.json). The tensor of a .npy file has the name of the file.
        dtype: what the opaque items of a .npy file are, as for `stored_npy`.

    Raises:
        OSError: a file cannot be read.
        ValueError: it is not whole, or of no known format, or `dtype` is not what it holds.
    """
    suffix = Path(path).suffix
    if suffix not in (".safetensors", ".json"):
        try:
            array = stored_npy(path, dtype)
        except ValueError as error:
            if suffix == ".npy":
                raise
            raise ValueError(f"{error}; names of checkpoints end in .safetensors or .json") from error
        yield Path(path).stem, array
        return
    if dtype is not None:
        raise ValueError(f"dtype must be left out for a checkpoint, which names its own, got {np.dtype(dtype)}")
    yield from stored_arrays(entries(path)).items()


def files_of(path: str) -> set[str]:
    """Return the paths of the files that `tensors` reads; errors as there."""
    if Path(path).suffix != ".json":
        return {path}
    return {path, *(entry.file for entry in entries(path).values())}
