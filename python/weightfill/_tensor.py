"""The noun: a tensor that is defined but not made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.datasets import is_dataset, readable_dataset, writable_dataset
from weightfill._arguments.dtypes import CORE_DTYPES, DTypeLike, as_dtype
from weightfill._arguments.indices import axes_of, closed, gives_array, size_of
from weightfill._arguments.memory import as_array_to_read, as_array_to_write, readable_memory, writable_memory
from weightfill._arguments.rows import Ids, OpenShape, check_rows, checked_ids, core_rows, open_shape
from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import checked_seed, stream_number
from weightfill._arguments.windows import INDICES, ShapeLike, strides_of, window
from weightfill._datasets import compare_blocks, write_blocks
from weightfill._initializers.base import Initializer, InitializerLike, Law, Masked, Shape, as_initializer
from weightfill._initializers.core_laws import fitting_law, masked_law
from weightfill._parts import element_at, masked_part, plain_part, window_of
from weightfill._run.progress import Progress, check_progress, ticking
from weightfill._run.threads import threads_for
from weightfill._verification import Verification, compared_with
from weightfill._whole import Whole

if TYPE_CHECKING:
    import h5py
    import torch
    import zarr

Array = npt.NDArray[Any]
Filler: TypeAlias = Callable[[int, int, int], None]  # takes the address of the memory, the seed, the threads


class Tensor:
    """A tensor that is defined but not made. It takes no memory, and any part of it can be made alone.

    Index it to make a part, as you would index a NumPy array: with integers, slices with any step, an ellipsis, and on
    the first axis a list or array of integers. Equal tensors have equal values. Tensors are hashable, and pickle to a
    few hundred bytes.

    NumPy, Dask and JAX accept a tensor like an array: `np.asarray(t)`, `dask.array.from_array(t, chunks=...)`,
    `jax.make_array_from_callback(t.shape, sharding, t.__getitem__)`.

    Args:
        shape: an integer or a tuple of integers. The first may be None, for a table with any number of rows.
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
        seed: an integer in [0, 2**64); required for random values.
        stream: a name, usually the parameter's. Give every tensor its own name: equal shapes with the same seed and
            stream get equal values.
        dtype: float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2, as a dtype of NumPy, JAX or torch, or
            as a string.

    >>> t = Tensor((10**9, 128), Normal(std=0.02), seed=42, stream="item_table")
    >>> t
    Tensor((1000000000, 128), Normal(mean=0.0, std=0.02), seed=42, stream='item_table', dtype='float32')
    >>> t.nbytes
    512000000000
    >>> t[10**8, :3].round(4)
    array([-0.0035, -0.0339, -0.0016], dtype=float32)
    >>> t[[7, 10**8], 0].round(4)
    array([ 0.0402, -0.0035], dtype=float32)

    Raises:
        TypeError: `shape` is not a shape, `init` is not an initializer, `dtype` is unknown, another argument has a
            wrong type, or `seed` is missing.
        ValueError: `init` is an unknown name or does not fit the shape or dtype, or `seed` is out of range.
    """

    __slots__ = (
        "__weakref__",
        "_core_law",
        "_drawn",
        "_dtype",
        "_dtype_number",
        "_init",
        "_seed",
        "_shape",
        "_stream",
        "_stream_number",
    )

    _core_law: _core.Law | None  # None: it can only be made in one piece
    _drawn: Initializer  # what the initializer is for a tensor of this name
    _dtype: np.dtype[Any]
    _dtype_number: int
    _init: Initializer
    _seed: int
    _shape: Shape
    _stream: str
    _stream_number: int

    @explained
    def __init__(
        self,
        shape: OpenShape,
        init: InitializerLike,
        *,
        seed: int | None = None,
        stream: str = "",
        dtype: DTypeLike = np.float32,
    ) -> None:
        dimensions = open_shape(shape)
        init = as_initializer(init)
        number = checked_seed(seed, init)
        stream_as_number = stream_number(stream)
        kind = as_dtype(dtype)
        define(self, dimensions, init, number, stream, stream_as_number, kind, CORE_DTYPES[kind].number)

    @property
    def shape(self) -> Any:
        """The number of elements along each axis; None for an open first one."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._dtype

    @property
    def init(self) -> Initializer:
        """What is drawn."""
        return self._init

    @property
    def seed(self) -> int:
        """The seed; 0 if none was given because none is needed."""
        return self._seed

    @property
    def stream(self) -> str:
        """The name of the stream."""
        return self._stream

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """The number of elements; ValueError if the first dimension is open."""
        return size_of(self._shape)

    @property
    def nbytes(self) -> int:
        """The bytes that the full array would take; ValueError if the first dimension is open."""
        return size_of(self._shape) * self._dtype.itemsize

    @property
    def law(self) -> Law | None:
        """The distribution of the elements, with its numbers; None for orthogonal matrices and for tables.

        >>> Tensor((3, 600), KaimingNormal(), seed=1).law
        Normal(mean=0.0, std=0.05773502691896258)
        """
        return None if self._core_law is None else self._drawn.law(self._shape)

    @property
    def only_whole(self) -> bool:
        """Whether every part is cut from the full array, which is made for it: orthogonal matrices."""
        whole = self._drawn.whole()
        return whole is not None and not whole.by_parts

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("a tensor of no dimensions has no length")
        return closed(self._shape)[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._shape:
            raise TypeError("a tensor of no dimensions has no rows")
        return map(self.__getitem__, range(closed(self._shape)[0]))

    def __getitem__(self, index: Any) -> Any:
        """Make a part; errors are those of NumPy's indexing, IndexError for what is not there."""
        axes = axes_of(index, self._shape)
        if self.only_whole:
            made = np.array(self._whole().made(threads_for(self.size, None))[index])
            return made if gives_array(index) else made[()]
        if self._core_law is None or isinstance(self._drawn.law(self._shape), Masked):
            made = masked_part(axes, self._shape, self._dtype, self._write_new)
        else:
            made = plain_part(axes, self._dtype, self._write_new)
        rows = axes[0].rows if axes else None
        if rows is not None:
            made = made.reshape((*rows.shape, *made.shape[1:]))
        return made if gives_array(index) else made[()]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("copy must be None or True, got False; the elements are made when they are asked for")
        closed(self._shape)
        made: Array = np.asarray(self[...])
        return made if dtype is None else made.astype(dtype, copy=False)

    @explained
    def fill(
        self,
        out: Array | torch.Tensor | h5py.Dataset | zarr.Array[Any],
        *,
        start: ShapeLike | None = None,
        threads: int | None = None,
        progress: Progress = None,
    ) -> Any:
        """Fill an array with this tensor, or with the part that starts at `start`, and return the array.

        Args:
            out: a writable array of the tensor's dtype, a torch tensor on the CPU, or a dataset of h5py or zarr; see
                `weightfill.fill`.
            start: the index of the first element of the part, one integer per dimension. The default is zeros.
            threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
            progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
                elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

        >>> t = Tensor((4, 3), Uniform(), seed=42, stream="item_table")
        >>> t.fill(np.empty((1, 3), np.float32), start=(2, 0))
        array([[0.05326432, 0.47489995, 0.29950213]], dtype=float32)

        Raises:
            TypeError: `out` is not an array or tensor, or another argument has a wrong type.
            ValueError: `out` is read-only or has another dtype, or the part is not inside the tensor.
        """
        if is_dataset(out):
            first, strides = self._window(out.shape, writable_dataset(out, "out"), start, "out")
            self._write_dataset(out, first, strides, threads, progress)
            return out
        array, threads = as_array_to_write(out, "out", threads)
        writable_memory(array, "out")
        first, strides = self._window(array.shape, array.dtype, start, "out")
        count = threads_for(array.size, threads)
        check_progress(progress)
        self._write(array, array.shape, first, strides, None, count, progress)
        return out

    @explained
    def fill_rows(
        self, out: Array | torch.Tensor, ids: Ids, *, threads: int | None = None, progress: Progress = None
    ) -> Any:
        """Fill `out[k]` with row `ids[k]`, for every k, and return `out`.

        Args:
            out: a writable array of shape (len(ids), *shape[1:]) and the tensor's dtype, or a torch tensor on the CPU.
            ids: row numbers, int64 or uint64, in any order; they may repeat.
            threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
            progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
                elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

        >>> t = Tensor((None, 3), Uniform(), seed=42, stream="item_table")
        >>> t.fill_rows(np.empty((1, 3), np.float32), [3])
        array([[0.25192618, 0.36845487, 0.7728913 ]], dtype=float32)

        Raises:
            TypeError: `out` is not an array or tensor, or `ids` are not integers.
            ValueError: `out` is read-only, has another dtype or not the shape of the rows, or an id is not in the
                tensor.
        """
        array, threads = as_array_to_write(out, "out", threads)
        writable_memory(array, "out")
        self._check_dtype(array.dtype, "out")
        numbers = checked_ids(ids)
        if not self._shape:
            raise ValueError("shape must have at least 1 dimension, got ()")
        check_rows(self._shape, self._shape, array, numbers.size)
        count = threads_for(array.size, threads)
        check_progress(progress)
        self._write(array, array.shape, 0, None, core_rows(numbers, self._shape), count, progress)
        return out

    @explained
    def verify(
        self,
        target: Array | torch.Tensor | h5py.Dataset | zarr.Array[Any],
        *,
        start: ShapeLike | None = None,
        threads: int | None = None,
        progress: Progress = None,
    ) -> Verification:
        """Check, bit by bit, whether an array equals this tensor, or the part that starts at `start`.

        Args:
            target: an array of the tensor's dtype, a torch tensor on the CPU, or a dataset of h5py or zarr; it may be
                read-only.
            start: the index of the first element of the part, one integer per dimension. The default is zeros.
            threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
            progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
                elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

        >>> t = Tensor((4, 3), Uniform(), seed=42)
        >>> bool(t.verify(t[1:3], start=(1, 0)))
        True

        Raises:
            TypeError: `target` is not an array or tensor, or another argument has a wrong type.
            ValueError: `target` has another dtype, or the part is not inside the tensor.
        """
        if is_dataset(target):
            first, strides = self._window(target.shape, readable_dataset(target, "target"), start, "target")
            return self._compare_dataset(target, first, strides, threads, progress)
        array, threads = as_array_to_read(target, "target", threads)
        readable_memory(array, "target")
        first, strides = self._window(array.shape, array.dtype, start, "target")
        count = threads_for(array.size, threads)
        check_progress(progress)
        return self._compare(array, array.shape, first, strides, count, progress)

    def _with(self, init: Initializer) -> Tensor:
        """Return the tensor of another initializer, of the same values."""
        new = object.__new__(Tensor)
        number = self._stream_number
        return define(new, self._shape, init, self._seed, self._stream, number, self._dtype, self._dtype_number)

    def _seeded(self, seed: int) -> Tensor:
        """Return the tensor of another seed, which is in [0, 2**64)."""
        new = object.__new__(Tensor)
        number = self._stream_number
        return define(new, self._shape, self._init, seed, self._stream, number, self._dtype, self._dtype_number)

    def _filler(self) -> Filler | None:
        """Return what fills memory in C order with this tensor, of any seed; None if it is made in one piece."""
        law = self._core_law
        return None if law is None else _core.filler(law, self._dtype_number, closed(self._shape))

    def _check_dtype(self, dtype: np.dtype[Any], argument: str) -> None:
        if dtype != self._dtype:
            raise ValueError(f"{argument} must have the dtype of the tensor, {self._dtype}, got {dtype}")

    def _window(
        self, part: tuple[int, ...], dtype: np.dtype[Any], start: ShapeLike | None, argument: str
    ) -> tuple[int, tuple[int, ...] | None]:
        """Return the index of the first element, and of a part the strides of the full tensor, once it is checked."""
        self._check_dtype(dtype, argument)
        whole = closed(self._shape)
        if start is None and part != whole:
            raise ValueError(
                f"start must be given for a part, got {argument} of shape {part} and a tensor of shape {whole}"
            )
        if start is None:
            return 0, None
        _, first, strides = window(part, whole, start, argument)
        return first, strides

    def _write(
        self,
        out: Array,
        part: tuple[int, ...],
        first: int,
        strides: tuple[int, ...] | None,
        rows: npt.NDArray[np.uint64] | None,
        threads: int,
        progress: Progress,
    ) -> None:
        """Write elements into memory that is checked; without strides they are those of a full tensor."""
        law = self._core_law
        number, seed, stream = self._dtype_number, self._seed, self._stream_number
        if law is not None and not progress:
            _core.fill(out, part, number, law, seed, stream, first, strides, rows, threads, None)
            return
        with ticking(progress, out.size) as tick:
            if law is None:
                self._whole().write(out, part, first, rows, threads)
                if tick is not None:
                    tick(out.size)
                return
            _core.fill(out, part, number, law, seed, stream, first, strides, rows, threads, tick)

    def _compare(
        self,
        target: Array,
        part: tuple[int, ...],
        first: int,
        strides: tuple[int, ...] | None,
        threads: int,
        progress: Progress,
    ) -> Verification:
        """Compare memory that was checked when its shape was `part`; without strides it is that of a full tensor."""
        law, size = self._core_law, size_of(part)
        if law is None:
            return self._whole().compare(target, part, first, threads)
        number, seed, stream = self._dtype_number, self._seed, self._stream_number
        with ticking(progress, size) as tick:
            differing, position = _core.verify(
                target, part, number, law, seed, stream, first, strides, None, threads, tick
            )
        if not differing:
            return Verification(0, size)
        index = tuple(map(int, np.unravel_index(position, part)))
        strides = strides_of(part) if strides is None else strides
        element = (first + sum(i * stride for i, stride in zip(index, strides, strict=True))) % INDICES
        expected = np.empty((1,) * len(part), self._dtype)
        self._write_new(expected, element, strides, None)
        return Verification(differing, size, index, expected[(0,) * len(part)], target[index])

    def _write_new(
        self, out: Array, first: int, strides: tuple[int, ...] | None, rows: npt.NDArray[np.uint64] | None
    ) -> None:
        """Write elements into new memory, as `_write` does."""
        self._write(out, out.shape, first, strides, rows, threads_for(out.size, None), None)

    def _check_installed(self) -> None:
        if (whole := self._drawn.whole()) is not None:
            whole.check_installed()

    def _whole(self) -> Whole:
        """Return what makes the tensor, which the core does not fill."""
        init = self._drawn.whole()
        assert init is not None
        return Whole(init, closed(self._shape), self._dtype, self._seed, self._stream)

    def _write_dataset(
        self, dataset: Any, first: int, strides: tuple[int, ...] | None, threads: int | None, progress: Progress
    ) -> None:
        """Write elements into a dataset that is checked, as `_write` does into memory."""
        part, count = dataset.shape, threads_for(size_of(dataset.shape), threads)
        check_progress(progress)
        if self.only_whole and 0 not in part:
            made = window_of(self._whole().made(count), part, first)
            write_blocks(dataset, self._dtype, lambda block, box: np.copyto(block, made[box]), progress)
            return
        steps = strides_of(part) if strides is None else strides
        write_blocks(
            dataset,
            self._dtype,
            lambda block, box: self._write(block, block.shape, element_at(box, first, steps), steps, None, count, None),
            progress,
        )

    def _compare_dataset(
        self, dataset: Any, first: int, strides: tuple[int, ...] | None, threads: int | None, progress: Progress
    ) -> Verification:
        """Compare a dataset, as `_compare` does memory."""
        part, count = dataset.shape, threads_for(size_of(dataset.shape), threads)
        check_progress(progress)
        if self.only_whole and 0 not in part:
            made = window_of(self._whole().made(count), part, first)
            return compare_blocks(dataset, self._dtype, lambda block, box: compared_with(block, made[box]), progress)
        steps = strides_of(part) if strides is None else strides
        return compare_blocks(
            dataset,
            self._dtype,
            lambda block, box: self._compare(block, block.shape, element_at(box, first, steps), steps, count, None),
            progress,
        )

    def _key(self) -> tuple[Any, ...]:
        return self._shape, self._init, self._seed, self._stream, self._dtype.name

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Tensor) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        shape, init, seed, stream, dtype = self._key()
        return f"Tensor({shape}, {init!r}, seed={seed}, stream={stream!r}, dtype={dtype!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, self._key()

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("weightfill.Tensor", *self._key())


def _unpickled(shape: Shape, init: Initializer, seed: int, stream: str, dtype: str) -> Tensor:
    return Tensor(shape, init, seed=seed, stream=stream, dtype=dtype)


def define(
    tensor: Tensor,
    shape: Shape,
    init: Initializer,
    seed: int,
    stream: str,
    number: int,
    dtype: np.dtype[Any],
    dtype_number: int,
) -> Tensor:
    """Define a new tensor and return it. Each argument is checked already; here, that they fit each other.

    Args:
        tensor: still empty: `object.__new__(Tensor)`.
        shape: of the tensor.
        init: what is drawn.
        seed: in [0, 2**64).
        stream: its name.
        number: of the stream.
        dtype: one that the core fills.
        dtype_number: of this dtype in the core.

    Raises:
        ValueError: the initializer has no such tensor, or the dtype cannot hold it.
    """
    drawn = init.for_stream(stream)
    if (whole := drawn.whole()) is not None:
        if None in shape:
            raise ValueError(f"shape must have a known first dimension for {init}, got {shape}")
        whole.check(closed(shape), dtype)
        tensor._core_law = None
    else:
        law = drawn.law(shape)
        tensor._core_law = masked_law(law, dtype, stream) if isinstance(law, Masked) else fitting_law(law, dtype)
    tensor._shape = shape
    tensor._init = init
    tensor._drawn = drawn
    tensor._seed = seed
    tensor._stream = stream
    tensor._stream_number = number
    tensor._dtype = dtype
    tensor._dtype_number = dtype_number
    return tensor
