"""Datasets of HDF5 files and zarr arrays, written and compared in blocks of their own chunks."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._run.progress import TICK_SECONDS, Progress, ticking
from weightfill._verification import Verification

Array: TypeAlias = npt.NDArray[Any]
Box: TypeAlias = tuple[slice, ...]  # a block's place in the dataset

_BLOCK_BYTES = 8 << 20  # many small chunks at a time: a call of h5py or zarr takes longer than to fill a small chunk


def write_blocks(dataset: Any, dtype: np.dtype[Any], write: Callable[[Array, Box], None], progress: Progress) -> None:
    """Write a dataset, block by block.

    Args:
        dataset: an h5py.Dataset or zarr.Array that is checked to be writable.
        dtype: of its elements, in native byte order.
        write: fills new memory with the elements of a box.
        progress: as for `fill`.
    """
    with _counting(progress, math.prod(dataset.shape)) as count:
        for box in _boxes(dataset, dtype.itemsize):
            block = np.empty([axis.stop - axis.start for axis in box], dtype)  # new, as zarr's MemoryStore keeps it
            write(block, box)
            if dataset.dtype != dtype:  # HDF5 converts wrongly where a dataset is virtual
                block = block.byteswap(inplace=True).view(dataset.dtype)
            dataset[box] = block
            count(block.size)


def compare_blocks(
    dataset: Any, dtype: np.dtype[Any], compare: Callable[[Array, Box], Verification], progress: Progress
) -> Verification:
    """Compare a dataset, block by block.

    Args:
        dataset: an h5py.Dataset or zarr.Array.
        dtype: of its elements, in native byte order.
        compare: compares memory with the elements of a box.
        progress: as for `verify`.
    """
    differing, first = 0, Verification(0, 0)
    with _counting(progress, math.prod(dataset.shape)) as count:
        for box in _boxes(dataset, dtype.itemsize):
            block = np.asarray(dataset[box]).astype(dtype, copy=False)
            found = compare(block, box)
            differing += found.differing
            if found.index is not None:
                index = tuple(axis.start + i for axis, i in zip(box, found.index, strict=True))
                if first.index is None or index < first.index:  # blocks follow each other in no order of elements
                    first = replace(found, index=index)
            count(block.size)
            del block  # before the next is read
    return replace(first, differing=differing, total=math.prod(dataset.shape))


@contextmanager
def _counting(progress: Progress, total: int) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many more elements are done, and tells `progress` as the core does."""
    with ticking(progress, total) as tick:
        done, told = 0, time.monotonic()

        def count(more: int) -> None:
            nonlocal done, told
            done += more
            if tick is not None and done < total and time.monotonic() - told >= TICK_SECONDS:
                tick(done)
                told = time.monotonic()

        yield count
        if tick is not None:
            tick(total)


def _boxes(dataset: Any, itemsize: int) -> Iterator[Box]:
    """Yield boxes that cut no chunk of the dataset, and together are all of it."""
    shape = tuple(dataset.shape)
    if 0 in shape:
        return iter(())
    cuts = zip(shape, _block_shape(shape, _unit(dataset), itemsize), strict=True)
    return itertools.product(*([slice(i, min(i + step, size)) for i in range(0, size, step)] for size, step in cuts))


def _unit(dataset: Any) -> tuple[int, ...]:
    """Return the shape of what is stored in one piece, and would be read again if a part of it was written."""
    unit = getattr(dataset, "shards", None) or dataset.chunks  # a shard of zarr's is a file of chunks
    return tuple(unit) if unit else (1,) * len(dataset.shape)


def _block_shape(shape: tuple[int, ...], unit: tuple[int, ...], itemsize: int) -> list[int]:
    """Return as many units as `_BLOCK_BYTES` hold, at least one, side by side along the last axes first."""
    block = [min(size, step) for size, step in zip(shape, unit, strict=True)]
    for axis in reversed(range(len(shape))):
        times = _BLOCK_BYTES // (math.prod(block) * itemsize)
        block[axis] = min(shape[axis], block[axis] * max(1, times))
        if block[axis] < shape[axis]:
            break
    return block
