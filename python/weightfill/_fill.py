"""The verbs: fill, create, fill_rows, verify. Each checks its memory, defines the tensor, and asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import DTypeLike, as_dtype
from weightfill._arguments.memory import empty, is_tensor, plain_array, readable_target, writable_target
from weightfill._arguments.rows import Ids, RowsShape, checked_ids, checked_rows_shape, core_rows
from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import checked_seed, stream_number
from weightfill._arguments.windows import ShapeLike, checked_shape, strides_of, window
from weightfill._initializers.base import InitializerLike, as_initializer
from weightfill._run.progress import Progress, check_progress
from weightfill._run.threads import threads_for
from weightfill._tensor import Tensor, define, for_torch
from weightfill._verification import Verification

if TYPE_CHECKING:
    import torch

_new = object.__new__

ArrayT = TypeVar("ArrayT", bound="npt.NDArray[Any] | torch.Tensor")


@explained
def fill(
    out: ArrayT,
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    shape: ShapeLike | None = None,
    start: ShapeLike | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> ArrayT:
    """Fill an array in place and return it.

    Every value depends on the initializer, the seed, the stream and the element's C-order index in the whole tensor,
    and on nothing else. Memory beyond a few KB a thread is not needed, but for `Sparse`, which
    says how much it takes. Ctrl-C stops a large fill; each element then
    holds its old or its final value.

    Args:
        out: a writable array of float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2 with any shape,
            strides and alignment, also a memory map, shared memory, or one of torch's tensors or parameters on the CPU,
            as `weightfill.torch.fill` takes it. An empty one is left alone.
        init: what to draw: an initializer, or its name or a call of it as text, "kaiming_normal", "Normal(std=0.02)".
            Types of 16 and 8 bits get the float32 value, rounded once to nearest even.
        seed: an integer in [0, 2**64); needed for everything random.
        stream: usually the parameter's name. Give every tensor its own name, or equal shapes get equal values.
        shape: the shape of the whole tensor, where `out` is only a part of it.
        start: the index, one integer per dimension, of the part's first element; zeros if left out.
        threads: how many threads at most; `get_threads()` for large arrays and 1 for small ones if left out.
        progress: True for a bar on the terminal, or a callable(done, total) that is told the elements done at most
            every 50 ms and once at the end. What it raises stops the fill.

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
        TypeError: an argument is of the wrong kind, or `seed` is missing.
        ValueError: an argument has a wrong value: `out` is read-only or overlaps itself, the window is not inside the
            tensor, the law does not fit into the dtype, or the like.
    """
    if type(out) is np.ndarray:  # as most are: the calls below take time beside a small fill
        array = out
    elif is_tensor(out):
        for_torch().fill_part(
            out, init, seed=seed, stream=stream, shape=shape, start=start, threads=threads, progress=progress
        )
        return out
    else:
        array = plain_array(out)
    kind = writable_target(array, "out")
    part = array.shape
    init = as_initializer(init)
    seed = checked_seed(seed, init)
    number = stream_number(stream)
    if shape is None and start is None:
        whole, first, strides = part, 0, None
    else:
        whole, first, strides = window(part, shape, start, "out")
    count = threads_for(array.size, threads)
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
    """Return a new C-ordered array, filled as by `fill`; a large one is in huge pages where Linux has them.

    Args:
        shape: an integer or a tuple of integers.
        init: what to draw, as for `fill`.
        seed: an integer in [0, 2**64); needed for everything random.
        stream: usually the parameter's name. Give every tensor its own name, or equal shapes get equal values.
        dtype: float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2; dtypes of NumPy, JAX or torch, or
            names, also "bf16", "fp16", or "F8_E4M3" as safetensors has it.
        threads: as for `fill`.
        progress: as for `fill`.

    >>> create(3, Normal(std=0.02), seed=42, stream="mlp.0.bias").round(4)
    array([-0.0152,  0.0134, -0.0167], dtype=float32)
    >>> create((2, 2), Ones(), dtype="bfloat16")
    array([[1, 1],
           [1, 1]], dtype=bfloat16)

    Raises:
        TypeError: an argument is of the wrong kind, or `seed` is missing.
        ValueError: an argument has a wrong value.
        MemoryError: there is no memory for the array.
    """
    dimensions = checked_shape(shape)
    init = as_initializer(init)
    checked_seed(seed, init)
    stream_number(stream)
    out = empty(dimensions, as_dtype(dtype))
    return fill(out, init, seed=seed, stream=stream, threads=threads, progress=progress)


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
        out: a writable array of shape (len(ids), *shape[1:]); dtypes, strides and alignment as for `fill`.
        init: what to draw, as for `fill`.
        ids: row numbers, int64 or uint64, in any order, also repeated.
        seed: an integer in [0, 2**64); needed for everything random.
        stream: usually the parameter's name. Give every tensor its own name, or equal shapes get equal values.
        shape: the shape of the whole table. With an open first dimension, None, any id is a row whose last element has
            an index below 2**64.
        threads: as for `fill`.
        progress: as for `fill`.

    >>> out = np.empty((2, 3), np.float32)
    >>> fill_rows(out, Uniform(), [3, 1], seed=42, stream="item_table", shape=(None, 3))
    array([[0.25192618, 0.36845487, 0.7728913 ],
           [0.9590092 , 0.8588265 , 0.34654903]], dtype=float32)

    Raises:
        TypeError: an argument is of the wrong kind, or `seed` is missing.
        ValueError: an argument has a wrong value, such as an id beyond the table.
    """
    if is_tensor(out):
        adapter = for_torch()
        array = adapter.array_to_write(out, "out")
        threads = adapter.torch_threads(array.size, threads)
        fill_rows(array, init, ids, seed=seed, stream=stream, shape=shape, threads=threads, progress=progress)
        return out
    array = plain_array(out)
    kind = writable_target(array, "out")
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
    target: npt.NDArray[Any] | torch.Tensor,
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    shape: ShapeLike | None = None,
    start: ShapeLike | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> Verification:
    """Compare an array, bit by bit, with what `fill` writes for the same arguments, without a second array.

    Args:
        target: the array or tensor; it may be read-only. Otherwise as `out` of `fill`.
        init: what it should hold.
        seed: as for `fill`.
        stream: as for `fill`.
        shape: as for `fill`.
        start: as for `fill`.
        threads: as for `fill`.
        progress: as for `fill`.

    >>> table = create((4, 3), Uniform(), seed=42)
    >>> verify(table, Uniform(), seed=42)
    Verification(differing=0, total=12, index=None, expected=None, found=None)
    >>> table[2, 1] = 7
    >>> result = verify(table, Uniform(), seed=42)
    >>> result.equal, result.differing, result.index, float(result.found)
    (False, 1, (2, 1), 7.0)

    Raises:
        TypeError: an argument is of the wrong kind, or `seed` is missing.
        ValueError: an argument has a wrong value.
    """
    if is_tensor(target):
        adapter = for_torch()
        target = adapter.array_to_read(target, "target")
        threads = adapter.torch_threads(target.size, threads)
    array = plain_array(target)
    kind = readable_target(array, "target")
    part = array.shape
    init = as_initializer(init)
    seed = checked_seed(seed, init)
    number = stream_number(stream)
    if shape is None and start is None:
        whole, first, strides = part, 0, strides_of(part)
    else:
        whole, first, strides = window(part, shape, start, "target")
    count = threads_for(array.size, threads)
    check_progress(progress)
    return define(_new(Tensor), whole, init, seed, stream, number, array.dtype, kind.number)._compare(
        array, first, strides, count, progress
    )
