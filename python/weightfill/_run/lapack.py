"""The LAPACK that SciPy brings, for the core: it calls the routines by address, and keeps them to one thread.

SciPy is imported within functions, as it takes long and few calls need it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from weightfill import _core
from weightfill._arguments.extras import NotInstalledError

_LIBRARIES = ("scipy_openblas_{}_num_threads", "openblas_{}_num_threads", "flexiblas_{}_num_threads")
_THREADS = [(name.format("get"), name.format("set")) for name in _LIBRARIES]
_THREADS += [
    ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
    ("bli_thread_get_num_threads", "bli_thread_set_num_threads"),
]
_OPENMP = 2  # OpenBLAS's number for this kind of threads


@lru_cache(maxsize=1)
def lapack() -> _core.Lapack:
    """Return the routines for the core; the first call imports SciPy.

    Raises:
        ImportError: SciPy is not installed, or does not have them.
    """
    try:
        import scipy  # noqa: F401  # to see whether it is there
    except ModuleNotFoundError as error:
        raise NotInstalledError("an orthogonal matrix", "scipy", "scipy") from error
    get, set_, of_each_thread = thread_functions() or (0, 0, False)
    addresses = [ctypes.cast(function, ctypes.c_void_p).value or 0 for function in (get, set_)]
    return _core.Lapack(routines("s"), routines("d"), addresses[0], addresses[1], of_each_thread)


def routines(kind: str) -> tuple[Any, ...]:
    """Return capsules of the routines for float32, "s", or float64, "d".

    Raises:
        ImportError: SciPy does not have them, or has them with sizes of 64 bits.
    """
    from scipy.linalg import cython_blas, cython_lapack

    found = (
        cython_lapack.__pyx_capi__.get(kind + "geqrt3"),
        cython_blas.__pyx_capi__.get(kind + "trmm"),
        cython_blas.__pyx_capi__.get(kind + "gemm"),
    )
    # Cython names a capsule by the types of the arguments.
    if any('"void (' not in repr(capsule) or "int *, int *" not in repr(capsule) for capsule in found):
        raise ImportError(
            f"scipy.linalg must have geqrt3, trmm and gemm with 32-bit sizes, got {found}; install SciPy from PyPI"
        )
    return found


def thread_functions() -> tuple[Any, Any, bool] | None:
    """Return ctypes functions that get and set the number of LAPACK's threads, and whether each thread has its own.

    None where the library is none of those known to have threads.
    """
    for library in _libraries():
        for getter, setter in _THREADS:
            get, set_ = getattr(library, getter, None), getattr(library, setter, None)
            if get is not None and set_ is not None:
                parallel = (
                    getattr(library, getter.replace("num_threads", "parallel"), None) if "openblas" in getter else None
                )
                return get, set_, parallel is not None and parallel() == _OPENMP
    return None


def _libraries() -> Iterator[ctypes.CDLL]:
    """Yield what may have functions for LAPACK's threads."""
    from scipy.linalg import cython_lapack

    yield ctypes.CDLL(cython_lapack.__file__)  # except on Windows, also finds those of what it is linked to
    for path in sorted(Path(cython_lapack.__file__).parents[2].glob("scipy.libs/*openblas*")):  # of SciPy's wheels
        yield ctypes.CDLL(str(path))
