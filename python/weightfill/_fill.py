"""The verbs: fill, create, fill_rows, verify. Each checks its arguments, defines the tensor, and asks it.

The checks are those of a Tensor, called one by one: what is asked of the memory and its window comes between them, in
the order of the arguments, and a small fill has no time for a second round.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from weightfill._arguments.datasets import is_dataset, readable_dataset, writable_dataset
from weightfill._arguments.dtypes import CORE_DTYPES, DTypeLike, as_dtype
from weightfill._arguments.memory import (
    as_array_to_read,
    as_array_to_write,
    is_tensor,
    readable_memory,
    writable_memory,
)
from weightfill._arguments.rows import Ids, RowsShape, checked_ids, checked_rows_shape, core_rows
from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import checked_seed, stream_number
from weightfill._arguments.windows import ShapeLike, checked_shape, window
from weightfill._initializers.base import InitializerLike, as_initializer
from weightfill._run.allocation import empty
from weightfill._run.progress import Progress, check_progress
from weightfill._run.threads import threads_for
from weightfill._tensor import Tensor, define
from weightfill._verification import Verification

if TYPE_CHECKING:
    import h5py
    import torch
    import zarr

_new = object.__new__

ArrayT = TypeVar("ArrayT", bound="npt.NDArray[Any] | torch.Tensor")
FilledT = TypeVar("FilledT", bound="npt.NDArray[Any] | torch.Tensor | h5py.Dataset | zarr.Array[Any]")


@explained
def fill(
    out: FilledT,
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    shape: ShapeLike | None = None,
    start: ShapeLike | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> FilledT:
    """Fill an array in place and return it.

    A value depends only on the initializer, the seed, the stream and the C-order index of the element in the full
    tensor. It takes a few KB of memory per thread (`Sparse` takes more, see there). Ctrl-C stops a large fill; each
    element then has its old or its final value.

    Args:
        out: a writable array of float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2, with any shape,
            strides and alignment. It may be a memory map, shared memory, or a torch tensor or parameter on the CPU.
            Empty arrays are skipped. Or an h5py.Dataset or zarr.Array of any byte order: it is written by blocks of its
            own chunks, in memory of a few blocks of 8 MB, or of a chunk that is larger.
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
            In 16-bit and 8-bit types the values are the float32 values, rounded once to nearest even.
        seed: an integer in [0, 2**64); required for random values.
        stream: a name, usually the parameter's. Give every tensor its own name: equal shapes with the same seed and
            stream get equal values.
        shape: the shape of the full tensor, if `out` is only a part of it.
        start: the index of the first element of the part in the full tensor, one integer per dimension. The default is
            zeros.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

    >>> table = np.empty((4, 3), np.float32)
    >>> fill(table, Uniform(), seed=42, stream="item_table")
    array([[0.353828  , 0.78486806, 0.4270755 ],
           [0.9590092 , 0.8588265 , 0.34654903],
           [0.05326432, 0.47489995, 0.29950213],
           [0.25192618, 0.36845487, 0.7728913 ]], dtype=float32)
    >>> shard = np.empty((2, 3), np.float32)
    >>> bool((fill(shard, Uniform(), seed=42, stream="item_table", shape=(4, 3), start=(2, 0)) == table[2:]).all())
    True

    Raises:
        TypeError: `out` is not an array, tensor or dataset of one of these dtypes, `init` is not an initializer,
            another argument has a wrong type, or `seed` is missing.
        ValueError: `out` is read-only, overlaps itself or is in a closed file, the part is not inside the full tensor,
            `init` does not fit the shape or dtype, or `seed` or `threads` is out of range.
    """
    if type(out) is np.ndarray:  # as most are: the calls below take time beside a small fill
        array = out
    elif is_tensor(out) and shape is None and start is None:  # a DTensor's parts have places of their own
        fill_tensor = import_module("weightfill.torch._fill").fill  # above this room, and there only with torch
        fill_tensor(out, init, seed=seed, stream=stream, threads=threads, progress=progress)
        return out
    elif is_dataset(out):
        tensor, first, strides = _stored(out, writable_dataset(out, "out"), "out", init, seed, stream, shape, start)
        tensor._write_dataset(out, first, strides, threads, progress)
        return out
    else:
        array, threads = as_array_to_write(out, "out", threads)
    kind = writable_memory(array, "out")
    part = array.shape
    init = as_initializer(init)
    seed = checked_seed(seed, init)
    number = stream_number(stream)
    if shape is None and start is None:
        whole, first, strides = part, 0, None
    else:
        whole, first, strides = window(part, shape, start, "out")
    count = threads_for(array.size, threads)
    if progress is not None:
        check_progress(progress)
    tensor = define(_new(Tensor), whole, init, seed, stream, number, array.dtype, kind.number)
    tensor._write(array, part, first, strides, None, count, progress)
    return out


@explained
def create(
    shape: ShapeLike,
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    dtype: DTypeLike = np.float32,
    threads: int | None = None,
    progress: Progress = None,
) -> npt.NDArray[Any]:
    """Return a new array in C order, filled as by `fill`. Large arrays use huge pages where Linux has them.

    Args:
        shape: an integer or a tuple of integers.
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
        seed: an integer in [0, 2**64); required for random values.
        stream: a name, usually the parameter's. Give every tensor its own name: equal shapes with the same seed and
            stream get equal values.
        dtype: float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2, as a dtype of NumPy, JAX or torch, or
            as a string; also "bf16", "fp16", or "F8_E4M3" as in safetensors.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

    >>> create(3, Normal(std=0.02), seed=42, stream="mlp.0.bias").round(4)
    array([-0.0152,  0.0134, -0.0167], dtype=float32)
    >>> create((2, 2), Ones(), dtype="bfloat16")
    array([[1, 1],
           [1, 1]], dtype=bfloat16)

    Raises:
        TypeError: `shape` is not a shape, `init` is not an initializer, `dtype` is unknown, another argument has a
            wrong type, or `seed` is missing.
        ValueError: `init` is an unknown name or does not fit the shape or dtype, or `seed` or `threads` is out of
            range.
        MemoryError: there is no memory for the array.
    """
    dimensions = checked_shape(shape)
    init = as_initializer(init)
    seed = checked_seed(seed, init)
    number = stream_number(stream)
    kind = as_dtype(dtype)
    tensor = define(_new(Tensor), dimensions, init, seed, stream, number, kind, CORE_DTYPES[kind].number)
    out = empty(dimensions, kind)
    count = threads_for(out.size, threads)
    check_progress(progress)
    tensor._write(out, out.shape, 0, None, None, count, progress)
    return out


@explained
def fill_rows(
    out: ArrayT,
    init: InitializerLike,
    ids: Ids,
    *,
    seed: int | None = None,
    stream: str = "",
    shape: RowsShape,
    threads: int | None = None,
    progress: Progress = None,
) -> ArrayT:
    """Fill `out[k]` with row `ids[k]` of a table, for every k, and return `out`.

    Args:
        out: a writable array or torch tensor on the CPU of shape (len(ids), *shape[1:]), of float32, float64, float16,
            bfloat16, float8_e4m3fn or float8_e5m2, with any strides and alignment.
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
        ids: row numbers, int64 or uint64, in any order; they may repeat.
        seed: an integer in [0, 2**64); required for random values.
        stream: a name, usually the parameter's. Give every tensor its own name: equal shapes with the same seed and
            stream get equal values.
        shape: the shape of the full table. If the first dimension is None, the number of rows is open: any id works
            whose elements have indices below 2**64.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

    >>> out = np.empty((2, 3), np.float32)
    >>> fill_rows(out, Uniform(), [3, 1], seed=42, stream="item_table", shape=(None, 3))
    array([[0.25192618, 0.36845487, 0.7728913 ],
           [0.9590092 , 0.8588265 , 0.34654903]], dtype=float32)

    Raises:
        TypeError: `out` is not an array or tensor of one of these dtypes, `init` is not an initializer, `ids` are not
            integers, another argument has a wrong type, or `seed` is missing.
        ValueError: `out` is read-only or has not the shape of the rows, an id is not in the table, `init` does not fit
            the shape or dtype, or `seed` or `threads` is out of range.
    """
    array, threads = as_array_to_write(out, "out", threads)
    kind = writable_memory(array, "out")
    init = as_initializer(init)
    rows = checked_ids(ids)
    seed = checked_seed(seed, init)
    number = stream_number(stream)
    whole = checked_rows_shape(shape, array, rows.size)
    count = threads_for(array.size, threads)
    check_progress(progress)
    core_ids = core_rows(rows, whole)
    tensor = define(_new(Tensor), whole, init, seed, stream, number, array.dtype, kind.number)
    tensor._write(array, array.shape, 0, None, core_ids, count, progress)
    return out


@explained
def verify(
    target: npt.NDArray[Any] | torch.Tensor | h5py.Dataset | zarr.Array[Any],
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    shape: ShapeLike | None = None,
    start: ShapeLike | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> Verification:
    """Check, bit by bit, whether an array has the values that `fill` writes for the same arguments.

    The values are recomputed in small pieces and compared; no second array is allocated.

    Args:
        target: the array to check, a torch tensor on the CPU, or an h5py.Dataset or zarr.Array, which is read by
            blocks of its own chunks; it may be read-only.
        init: the initializer whose values it should have, or its name or call as a string.
        seed: an integer in [0, 2**64); required for random values.
        stream: the name with which it was filled, usually the parameter's.
        shape: the shape of the full tensor, if `target` is only a part of it.
        start: the index of the first element of the part in the full tensor, one integer per dimension. The default is
            zeros.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

    >>> table = create((4, 3), Uniform(), seed=42)
    >>> verify(table, Uniform(), seed=42)
    Verification(differing=0, total=12, index=None, expected=None, found=None)
    >>> table[2, 1] = 7
    >>> result = verify(table, Uniform(), seed=42)
    >>> result.equal, result.differing, result.index, float(result.found)
    (False, 1, (2, 1), 7.0)

    Raises:
        TypeError: `target` is no array, tensor or dataset of a dtype that `fill` takes, `init` is not an initializer,
            another argument has a wrong type, or `seed` is missing.
        ValueError: the part is not inside the full tensor, `init` does not fit the shape or dtype, or `seed` or
            `threads` is out of range.
    """
    if is_dataset(target):
        dtype = readable_dataset(target, "target")
        tensor, first, strides = _stored(target, dtype, "target", init, seed, stream, shape, start)
        return tensor._compare_dataset(target, first, strides, threads, progress)
    array, threads = as_array_to_read(target, "target", threads)
    kind = readable_memory(array, "target")
    part = array.shape
    init = as_initializer(init)
    seed = checked_seed(seed, init)
    number = stream_number(stream)
    if shape is None and start is None:
        whole, first, strides = part, 0, None
    else:
        whole, first, strides = window(part, shape, start, "target")
    count = threads_for(array.size, threads)
    check_progress(progress)
    return define(_new(Tensor), whole, init, seed, stream, number, array.dtype, kind.number)._compare(
        array, part, first, strides, count, progress
    )


def _stored(
    dataset: Any,
    dtype: np.dtype[Any],
    argument: str,
    init: InitializerLike,
    seed: int | None,
    stream: str,
    shape: ShapeLike | None,
    start: ShapeLike | None,
) -> tuple[Tensor, int, tuple[int, ...] | None]:
    """Return the tensor that a dataset is, or has a part of, the index of its first element, and a part's strides."""
    whole, first, strides = checked_shape(dataset.shape), 0, None
    init = as_initializer(init)
    checked_seed(seed, init)
    stream_number(stream)
    if shape is not None or start is not None:
        whole, first, strides = window(dataset.shape, shape, start, argument)
    return Tensor(whole, init, seed=seed, stream=stream, dtype=dtype), first, strides
