"""Arrays as bits, so that comparisons tell -0 from 0 and one NaN from another."""

import ml_dtypes
import numpy as np

DTYPES = [
    np.dtype(dtype)
    for dtype in (
        np.float32,
        np.float64,
        np.float16,
        ml_dtypes.bfloat16,
        ml_dtypes.float8_e4m3fn,
        ml_dtypes.float8_e5m2,
    )
]


def bits(array):
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def assert_same_bits(actual, expected, case=""):
    """Compare arrays of NumPy, JAX or Flax; `case` says in the message which round of a loop it was."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), case
    np.testing.assert_array_equal(bits(actual), bits(expected), err_msg=str(case))


def codes(array):
    """Return the bits of all elements in C order, in the hexadecimal digits of golden files."""
    found = bits(array)
    return [f"{code:0{2 * found.itemsize}x}" for code in found.reshape(-1).tolist()]
