"""Tables larger than a machine's memory: a dask.array whose chunks are filled where they are computed.

Chunks are independent of each other, so nothing is sent between workers. A chunk that is lost with its worker is filled
again with the same bits.
"""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import DTypeLike
from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained
from weightfill._arguments.windows import ShapeLike, checked_shape
from weightfill._initializers.base import InitializerLike
from weightfill._run.allocation import empty
from weightfill._tensor import Tensor

try:
    import dask.array as da
    import dask.config
    from dask.base import tokenize
    from dask.utils import parse_bytes
except ImportError as error:
    raise ImportError("weightfill.dask needs dask: pip install 'weightfill[dask]'") from error

__all__ = ["create"]

_MOST_CHUNKS = 10**7


@explained
def create(
    shape: ShapeLike,
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    chunks: Any = "auto",
    dtype: DTypeLike = np.float32,
) -> da.Array:
    """Return a dask.array with the same bits as `weightfill.create`, for any chunks and any scheduler.

    Nothing is filled until the array is computed, persisted or stored. Then one thread fills each chunk, in new memory
    of its size. The threads and processes of the scheduler work in parallel, so an array of one chunk, or the
    synchronous scheduler, uses one core. Slicing computes every touched chunk in full. Fans are computed from the full
    shape. Equal arguments give equal dask keys in every process, so dask computes a chunk only once if several
    collections need it.

    Args:
        shape: the shape of the full array, an integer or a tuple of integers.
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
            `Orthogonal` and `DeltaOrthogonal` must be computed in one piece: use one chunk.
        seed: an integer in [0, 2**64); required for random values.
        stream: a name, usually the parameter's. Give every tensor its own name: equal shapes with the same seed and
            stream get equal values.
        chunks: as everywhere in dask.array: elements along each axis, `(1_000_000, -1)`, explicit sizes, a size in
            bytes, `"64MB"`, or "auto" for the size in dask's configuration, 128 MiB. At most 10**7 chunks; with more
            than 10**5 dask may take seconds even for a slice.
        dtype: float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2, also as a string.

    >>> import weightfill.dask
    >>> table = weightfill.dask.create((10**9, 128), Normal(std=0.02), seed=42, stream="item_table")
    >>> table.numblocks, table.nbytes
    ((3815, 1), 512000000000)
    >>> table[10**8, :3].compute().round(4)
    array([-0.0035, -0.0339, -0.0016], dtype=float32)

    Raises:
        TypeError: `shape` is not a shape, `init` is not an initializer, another argument has a wrong type, or `seed` is
            missing.
        ValueError: `chunks` do not fit the shape or are too many, `init` does not fit the shape or dtype, or `seed` is
            out of range. All errors are raised before anything is computed.
    """
    whole = checked_shape(shape)
    tensor = Tensor(whole, init, seed=seed, stream=stream, dtype=dtype)
    sizes = _checked_chunks(chunks, whole, tensor.dtype)
    if tensor.only_whole and (count := math.prod(map(len, sizes))) != 1:
        raise ValueError(
            f"chunks must be one chunk for {tensor.init}, which must be made in one piece, got {count}; "
            "pass chunks=-1 and rechunk the array"
        )
    return da.from_array(
        tensor,
        chunks=sizes,
        name=f"weightfill-{tokenize(tensor, sizes)}",
        getitem=_filled,
        meta=np.empty((0,) * len(whole), tensor.dtype),
        inline_array=True,
    )


def _filled(tensor: Tensor, chunk: tuple[slice, ...]) -> npt.NDArray[Any]:
    """Return one chunk, of slices without steps. One thread: the scheduler runs other chunks beside it."""
    out = empty(tuple(part.stop - part.start for part in chunk), tensor.dtype)
    filled: npt.NDArray[Any] = tensor.fill(out, start=tuple(part.start for part in chunk), threads=1)
    return filled


def _checked_chunks(chunks: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[tuple[int, ...], ...]:
    """Return the sizes of the chunks along every axis.

    Raises:
        TypeError: they are of no kind that dask takes.
        ValueError: dask cannot cut the shape so, a size is negative or unknown, or there are more than _MOST_CHUNKS.
    """
    try:
        axes = _by_axis(chunks, len(shape))
        if 0 in shape:  # where dask may divide by zero
            axes = tuple(-1 if isinstance(size, str) else size for size in axes)
        for size, length in zip(axes, shape, strict=False):  # if there are more of one kind, dask says so
            _check_size(size, length)
        count = _least_count(axes, shape, dtype.itemsize)
        if count <= _MOST_CHUNKS:  # or the sizes alone could take all time and memory
            sizes: tuple[tuple[int, ...], ...] = da.core.normalize_chunks(axes, shape, dtype=dtype)
            if not all(size >= 0 for axis in sizes for size in axis):  # nan, too
                raise ValueError("every size must be known and at least 0")
            count = math.prod(map(len, sizes))
    except (TypeError, ValueError, ArithmeticError) as error:
        reason = str(error).partition("\n")[0]
        raise (TypeError if isinstance(error, TypeError) else ValueError)(
            f"chunks must cut the shape {shape} as dask.array does, got {shown(chunks)}: {reason}; "
            "pass one size for each axis, -1 for a whole axis"
        ) from error
    if count > _MOST_CHUNKS:
        raise ValueError(
            f"chunks must be at most {_MOST_CHUNKS} for a scheduler to handle, got {count} or more with "
            f"{shown(chunks)} for the shape {shape}; pass larger ones"
        )
    return sizes


def _by_axis(chunks: Any, ndim: int) -> tuple[Any, ...]:
    """Return what `chunks`, in any of dask's forms, says of each axis."""
    if isinstance(chunks, dict):
        if unknown := [axis for axis in chunks if isinstance(axis, bool) or axis not in range(ndim)]:
            raise ValueError(f"there is no axis {shown(unknown[0])}")
        return tuple(chunks.get(axis) for axis in range(ndim))
    if chunks is None:
        raise ValueError("None is no size")
    if isinstance(chunks, np.ndarray):
        chunks = chunks.tolist()
    if isinstance(chunks, (Number, str)):
        return (chunks,) * ndim
    if not isinstance(chunks, (tuple, list)):
        raise TypeError(f"{type(chunks).__name__} is no kind of chunks")
    if ndim == 1 and len(chunks) > 1 and all(isinstance(size, (Number, str)) for size in chunks):
        return (tuple(chunks),)
    return tuple(chunks)


def _check_size(size: Any, length: int) -> None:
    """Raise for what dask takes for something else or has no words for."""
    if any(isinstance(part, (bool, np.bool_)) for part in (size if isinstance(size, (tuple, list)) else [size])):
        raise TypeError("a bool is no size")
    if isinstance(size, str) and size != "auto" and parse_bytes(size) < 1:
        raise ValueError("a size in bytes must be at least 1")
    if size is not None and not isinstance(size, (str, tuple, list)) and size != -1 and size < (length > 0):
        raise ValueError(f"the size of chunks of {length} elements must be at least 1, or -1")


def _least_count(axes: tuple[Any, ...], shape: tuple[int, ...], itemsize: int) -> int:
    """Return a number of chunks that dask makes at least, without making the size of each."""
    limit = dask.config.get("array.chunk-size")
    count = block = free = 1  # free: elements along the axes that dask cuts
    for size, length in zip(axes, shape, strict=False):
        if isinstance(size, str):
            free *= length
            limit = limit if size == "auto" else size
        elif isinstance(size, (tuple, list)):
            count *= len(size)
        elif size is None or not 0 < size < length:  # nan, too
            block *= length
        else:
            count *= int(-(-length // size))
            block *= math.floor(size)
    least = block * itemsize  # bytes of a chunk that is one element wide along the free axes
    most: int = max(1, least, parse_bytes(limit))
    return count * max(1, free * least // most)
