"""Arrays in memory, written into one checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._checkpoints.shards import appearing, checked_checkpoint_path
from weightfill._files.hidden_files import errors_naming
from weightfill._files.safetensors_file import header
from weightfill._files.system import write_at


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, npt.NDArray[Any]], *, replace: bool) -> Path:
    """Write arrays into a safetensors file, which appears whole or not at all.

    Args:
        path: of the file, ending in .safetensors.
        arrays: by names that such a file can have.
        replace: whether the checkpoint of this name may be replaced.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: `path` does not end in .safetensors, or no file can have it.
        FileExistsError: a file of the checkpoint exists, and is not to be replaced.
        OSError: as the system says; nothing is left behind.
    """
    file = checked_checkpoint_path(path)
    if not isinstance(replace, bool):
        raise TypeError(f"replace must be True or False, got {shown(replace)}")
    content, offsets = header({name: (array.shape, array.dtype) for name, array in arrays.items()})
    size = len(content) + sum(array.nbytes for array in arrays.values())
    with appearing(file, {file: size}, None, replace=replace, sync=False) as opened, errors_naming(file):
        write_at(opened[file], content)
        for name, offset in offsets.items():
            write_at(opened[file], np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data, offset)
    return Path(file)
