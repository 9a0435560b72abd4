"""Datasets of HDF5 files and zarr arrays: recognized without an import of h5py or zarr, and checked."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from weightfill._arguments.dtypes import CORE_DTYPES, NAMES, as_dtype

_CLASSES = (("h5py", "Dataset"), ("zarr", "Array"))


def is_dataset(array: object) -> bool:
    """Whether it is an h5py.Dataset or a zarr.Array; where nobody has imported their modules there are none."""
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _CLASSES)
    return any(kind is not None and isinstance(array, kind) for kind in kinds)


def readable_dataset(dataset: Any, argument: str) -> np.dtype[Any]:
    """Return the dtype of a dataset's elements, in native byte order whatever theirs is in the file.

    Raises:
        TypeError: it is of a dtype that the core does not fill.
        ValueError: its file is closed, or it has no elements and no shape.
    """
    if _is_of_h5py(dataset) and not dataset:
        raise ValueError(f"{argument} must be in an open file, got {dataset!r}")
    if dataset.shape is None:
        raise ValueError(f"{argument} must have a shape, got {dataset!r}, which is empty")
    dtype: np.dtype[Any] = dataset.dtype.newbyteorder("=")
    if dtype in CORE_DTYPES:
        return dtype
    if dtype.kind in "uV" and dtype.names is None:
        raise TypeError(
            f"{argument}.dtype must be one of {NAMES}, got {dataset.dtype}; for bfloat16 and float8, which HDF5 and "
            "zarr keep as other types, assign parts of a Tensor: "
            f"{argument}[a:b] = tensor[a:b].view({argument}.dtype)"
        )
    as_dtype(dtype, f"{argument}.dtype")  # raises
    raise AssertionError


def writable_dataset(dataset: Any, argument: str) -> np.dtype[Any]:
    """Return the same, of a dataset that can be written.

    Raises:
        TypeError: as of `readable_dataset`.
        ValueError: as of `readable_dataset`, or the dataset was opened only for reading.
    """
    dtype = readable_dataset(dataset, argument)
    if is_read_only(dataset):
        raise ValueError(
            f"{argument} must be writable, got {dataset!r}, which is open for reading; open it with mode='r+'"
        )
    return dtype


def is_read_only(dataset: Any) -> bool:
    """Whether a dataset was opened only for reading."""
    return bool(dataset.file.mode == "r" if _is_of_h5py(dataset) else dataset.read_only)


def identity(dataset: Any) -> object:
    """Return what is equal for all objects that stand for the same dataset."""
    return dataset.id if _is_of_h5py(dataset) else str(dataset.store_path)


def _is_of_h5py(dataset: Any) -> bool:
    kind = getattr(sys.modules.get("h5py"), "Dataset", None)
    return kind is not None and isinstance(dataset, kind)
