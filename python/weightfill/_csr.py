"""Sparse tensors as matrices of SciPy, which hold their connections and no zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weightfill import _core
from weightfill._arguments.dtypes import DTypeLike
from weightfill._arguments.extras import NotInstalledError
from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained
from weightfill._arguments.windows import ShapeLike, checked_shape
from weightfill._initializers.sparse import Sparse
from weightfill._run.allocation import empty
from weightfill._run.progress import Progress, check_progress, ticking
from weightfill._run.threads import threads_for
from weightfill._tensor import Tensor

if TYPE_CHECKING:
    import scipy.sparse

_SIGNED = 2**63  # of NumPy's and SciPy's indices
_NARROW = 2**31  # columns and elements of a matrix with 32-bit indices


@explained
def create_csr(
    shape: ShapeLike,
    init: Sparse,
    *,
    seed: int,
    stream: str = "",
    dtype: DTypeLike = np.float32,
    threads: int | None = None,
    progress: Progress = None,
) -> scipy.sparse.csr_array:
    """Return a SciPy CSR matrix, made without a dense one. Its `toarray()` equals `create` with the same arguments.

    Every connection is stored, in ascending order of columns. Indices have 32 bits if that is enough, otherwise 64.
    With `axis=0` the matrix is made column by column and converted, which takes twice the memory.

    Args:
        shape: (rows, columns), with at most 2**64 elements.
        init: a `Sparse` initializer.
        seed: an integer in [0, 2**64).
        stream: a name, usually the parameter's. Give every tensor its own name: equal shapes with the same seed and
            stream get equal values.
        dtype: float32 or float64; SciPy has no smaller types.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

    >>> matrix = create_csr((1_000, 1_000_000), Sparse(connections=3), seed=42)
    >>> matrix.nnz, matrix.dtype, matrix.indices.dtype
    (3000, dtype('float32'), dtype('int32'))

    Raises:
        TypeError: `init` is not a `Sparse`, `shape` is not a shape, `dtype` is neither float32 nor float64, or another
            argument has a wrong type.
        ValueError: `shape` does not have 2 dimensions, there are fewer elements along the axis than connections, or
            `seed` or `threads` is out of range.
        ImportError: SciPy is not installed (`pip install 'weightfill[scipy]'`).
        MemoryError: there is no memory for the connections.
    """
    try:
        from scipy.sparse import csc_array, csr_array  # here, as it takes long and few need it
    except ModuleNotFoundError as error:
        raise NotInstalledError("create_csr", "scipy", "scipy") from error

    dimensions = checked_shape(shape)
    if len(dimensions) != 2:
        raise ValueError(f"shape must have 2 dimensions, (rows, columns), got {shown(shape)}")
    if max(dimensions) >= _SIGNED:
        raise ValueError(f"shape must have less than 2**63 rows and columns, got {dimensions}")
    if not isinstance(init, Sparse):
        raise TypeError(f"init must be Sparse(...), got {shown(init)}")
    tensor = Tensor(dimensions, init, seed=seed, stream=stream, dtype=dtype)
    if tensor.dtype not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, as sparse matrices of SciPy are, got {tensor.dtype}")
    if dimensions[0] >= _SIGNED // 8:
        raise MemoryError(f"no memory for where {dimensions[0]} rows begin, 8 bytes each; pass fewer rows")
    mask = init.connected(dimensions)
    slices = dimensions[1 - mask.axis]
    connections = slices * mask.kept
    count = threads_for(connections, threads)
    check_progress(progress)
    wide = max(mask.inputs, connections) >= _NARROW
    index = np.dtype(np.int64 if wide else np.int32)
    values, positions = empty((connections,), tensor.dtype), empty((connections,), index)
    with ticking(progress, connections) as tick:
        law, number, stream_number = tensor._core_law, tensor._dtype_number, tensor._stream_number
        assert law is not None
        _core.fill_sparse(values, positions, number, law, tensor.seed, stream_number, 0, slices, count, tick)
    begins = (np.arange(slices + 1) * mask.kept).astype(index)
    if mask.axis == 1:
        return csr_array((values, positions, begins), shape=dimensions)
    return csc_array((values, positions, begins), shape=dimensions).tocsr()
