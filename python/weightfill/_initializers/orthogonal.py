"""Orthogonal matrices, and convolutions that begin as one."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.indices import axis_within
from weightfill._arguments.streams import stream_number
from weightfill._initializers.base import WholeTensor, store_integer, store_number
from weightfill._initializers.core_laws import fitting_law
from weightfill._initializers.fans import LayoutLike, checked_layout, single_axes
from weightfill._initializers.laws import Normal
from weightfill._initializers.names import named
from weightfill._run.allocation import empty
from weightfill._run.lapack import lapack

_LARGEST = 46_340  # its square is below 2**31
_LONGEST = 2**31 - 1
Matrix = npt.NDArray[Any]


@named()
@dataclass(frozen=True, slots=True)
class Orthogonal(WholeTensor):
    """A random matrix with orthonormal rows, times `gain`; with orthonormal columns if it has more rows than columns.

    A tensor of shape s is seen as a matrix with s[axis] rows; all other axes, in their order, are its columns. Let A be
    the values of `Normal()` with this seed and stream, in the shape of the matrix. If there are more rows than columns,
    A = QR and the result is gain * Q. Otherwise A.T = QR and the result is gain * Q.T. The diagonal of R is positive
    (Householder reflections, then signs), so Q is Haar-distributed (Mezzadri 2007, "How to generate random matrices
    from the classical compact groups"). float64 is computed in float64. All other dtypes are computed in float32 and
    rounded once.

    LAPACK computes the QR decomposition, through SciPy. So this is the one exception to the rule that the bits depend
    on initializer, seed, stream and index only: the last bits may change with SciPy's LAPACK and the kind of CPU. They
    do not depend on the number of threads. (`threads` share the work. LAPACK's own threads, one number for the whole
    process, are set to one while it works and restored afterwards.) To fill any part of a tensor, all of it has to be
    computed, with memory for about three times the matrix in float32 or float64.

    Args:
        gain: the length of every orthogonal row or column.
        axis: the axis of the rows; negative numbers count from the end. Use 0 for torch's layout (out, in, *kernel),
            and -1 for that of Keras and JAX (*kernel, in, out).

    >>> w = create((2, 4), Orthogonal(gain=3.0), seed=42, stream="recurrent")
    >>> (w @ w.T).round(4) + 0.0
    array([[9., 0.],
           [0., 9.]], dtype=float32)

    Raises:
        TypeError: `gain` is not a number, or `axis` is not an integer.
        ValueError: `gain` is not finite or not positive. When it is used: the tensor has fewer than 2 dimensions or no
            such axis, or `gain` is beyond the largest finite value of the dtype.
        ImportError: when it is used: SciPy is not installed (`pip install 'weightfill[scipy]'`).
    """

    gain: float = 1.0
    axis: int = 0

    def __post_init__(self) -> None:
        _store_gain(self)
        store_integer(self, "axis")

    def check_installed(self) -> None:
        """Raise ImportError without SciPy."""
        lapack()

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raise ValueError if there is no such tensor; see the class."""
        rank = len(shape)
        if rank < 2:
            raise ValueError(
                f"shape must have at least 2 dimensions for an orthogonal matrix, got {shape}; "
                "use Normal or Uniform for vectors"
            )
        rows = shape[axis_within(self.axis, shape)]
        _check_size(rows, math.prod(shape) // max(rows, 1))
        _check_fits(self.gain, dtype)

    def tensor(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, seed: int, stream: str, threads: int) -> Matrix:
        """Return the tensor, which may be a view with axes moved."""
        self.check(shape, dtype)
        rank = len(shape)
        if 0 in shape:
            return np.empty(shape, dtype)
        axis = self.axis % rank
        others = shape[:axis] + shape[axis + 1 :]
        rows, columns = shape[axis], int(np.prod(others, dtype=object))
        matrix = _orthogonal(rows, columns, self.gain, dtype, seed, stream, threads)
        return np.moveaxis(matrix.astype(dtype, copy=False).reshape(rows, *others), 0, axis)


@named()
@dataclass(frozen=True, slots=True)
class DeltaOrthogonal(WholeTensor):
    """A convolution that has an orthogonal matrix at the centre of its kernel and zeros elsewhere.

    The centre is element (k - 1) // 2 of each kernel axis of k elements. The matrix of outputs times inputs is that of
    `Orthogonal(gain)` for the shape (out, in). Its columns are orthonormal, times `gain`, so a circular convolution
    keeps lengths. Its last bits depend on LAPACK, as there (Xiao et al. 2018, "Dynamical Isometry and a Mean Field
    Theory of CNNs").

    Args:
        gain: the length of every column of the matrix.
        layout: which axes are inputs and outputs: a name in `weightfill.LAYOUTS`, or a Layout with one axis for each.

    >>> w = create((2, 2, 3), DeltaOrthogonal(), seed=42, stream="conv")
    >>> np.flatnonzero(w.any(axis=(0, 1)))
    array([1])
    >>> (w[:, :, 1].T @ w[:, :, 1]).round(4) + 0.0
    array([[1., 0.],
           [0., 1.]], dtype=float32)

    Raises:
        TypeError: `gain` is not a number, or `layout` is neither a string nor a Layout.
        ValueError: `gain` is not finite or not positive, or `layout` is not a known name or has not exactly one input
            axis and one output axis. When it is used: the tensor does not have 3 to 5 dimensions, it lacks an axis of
            the layout, it has fewer outputs than inputs or an empty kernel, or `gain` is beyond the largest finite
            value of the dtype.
        ImportError: when it is used: SciPy is not installed (`pip install 'weightfill[scipy]'`).
    """

    gain: float = 1.0
    _: KW_ONLY
    layout: LayoutLike = "torch"

    def __post_init__(self) -> None:
        _store_gain(self)
        layout = checked_layout(self.layout)
        if layout.batch_axis != () or not isinstance(layout.in_axis, int) or not isinstance(layout.out_axis, int):
            raise ValueError(f"layout must have one input axis, one output axis and no batch axis, got {self.layout}")

    def check_installed(self) -> None:
        """Raise ImportError without SciPy."""
        lapack()

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raise ValueError if there is no such tensor; see the class."""
        rank = len(shape)
        if not 3 <= rank <= 5:
            raise ValueError(
                f"shape must have 3, 4 or 5 dimensions for a convolution, got {shape}; use Orthogonal for matrices"
            )
        in_axis, out_axis = single_axes(self.layout, shape)
        inputs, outputs = shape[in_axis], shape[out_axis]
        if outputs < inputs:
            raise ValueError(
                f"shape must have at least as many outputs as inputs, got {outputs} outputs along axis {out_axis} and "
                f"{inputs} inputs along axis {in_axis} of {shape}; use Orthogonal"
            )
        _check_size(outputs, inputs)
        _check_fits(self.gain, dtype)

    def tensor(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, seed: int, stream: str, threads: int) -> Matrix:
        """Return the tensor."""
        self.check(shape, dtype)
        in_axis, out_axis = single_axes(self.layout, shape)
        tensor = np.zeros(shape, dtype)
        if tensor.size:
            matrix = _orthogonal(shape[out_axis], shape[in_axis], self.gain, dtype, seed, stream, threads)
            kernels = np.moveaxis(tensor, (out_axis, in_axis), (-2, -1))
            kernels[tuple((count - 1) // 2 for count in kernels.shape[:-2])] = matrix
        return tensor


def _store_gain(init: Orthogonal | DeltaOrthogonal) -> None:
    if (gain := store_number(init, "gain")) <= 0:
        raise ValueError(f"gain must be greater than 0, got {gain}")


def _check_fits(gain: float, dtype: np.dtype[Any]) -> None:
    largest = CORE_DTYPES[dtype].largest
    if gain > largest:
        raise ValueError(
            f"gain must be at most {largest:g}, the largest finite value of {dtype}, got {gain}; use a wider dtype"
        )


def _check_size(rows: int, columns: int) -> None:
    if min(rows, columns) > _LARGEST or max(rows, columns) > _LONGEST:
        raise ValueError(
            f"shape must have at most {_LARGEST:,} rows or columns and {_LONGEST:,} of the other, which LAPACK's "
            f"32-bit sizes allow, got a matrix of {rows:,} x {columns:,}"
        )


def _orthogonal(
    rows: int, columns: int, gain: float, dtype: np.dtype[Any], seed: int, stream: str, threads: int
) -> Matrix:
    """Return a matrix as `Orthogonal` describes it, in the dtype in which it is computed."""
    computed = np.float64 if dtype == np.float64 else np.float32
    matrix = empty((rows, columns), np.dtype(computed))
    law = fitting_law(Normal(), matrix.dtype)
    number = CORE_DTYPES[matrix.dtype].number
    _core.fill(matrix, matrix.shape, number, law, seed, stream_number(stream), 0, None, None, threads, None)
    lapack().orthonormalize(matrix, gain, threads)
    return matrix
