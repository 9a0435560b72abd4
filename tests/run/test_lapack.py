"""Orthogonal matrices beside a LAPACK that has threads of its own."""

import ctypes
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy

import weightfill as wf
from tests.bits import assert_same_bits
from weightfill import _core
from weightfill._run.lapack import lapack, routines, thread_functions

SHAPES = [(1, 1), (33, 33), (65, 300), (300, 65), (257, 257), (300, 300), (530, 520), (300, 900), (900, 300)]
GET = ctypes.CFUNCTYPE(ctypes.c_int)
SET = ctypes.CFUNCTYPE(None, ctypes.c_int)


def made(shape, dtype, threads=None):
    return wf.create(shape, wf.Orthogonal(), seed=3, stream="lapack", dtype=dtype, threads=threads)


@pytest.fixture
def number():
    """Return functions that get and set the number of LAPACK's threads, which is put back."""
    found = thread_functions()
    get, set_ = (found[0], found[1]) if found else (lambda: 1, lambda n: None)
    before = get()
    yield get, set_
    set_(before)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_depend_neither_on_threads_nor_on_those_of_lapack(shape, dtype, number):
    get, set_ = number
    set_(1)
    once = made(shape, dtype, threads=1)
    for of_lapack in (1, 2, 3):
        set_(of_lapack)
        for threads in (None, 1, 2, 3, 7):
            assert_same_bits(made(shape, dtype, threads), once)
        assert get() == of_lapack or not thread_functions()


@pytest.mark.parametrize("shape", [(257, 257), (530, 400), (300, 900), (700, 700)], ids=str)
def test_matrices_that_are_factored_in_halves_are_orthonormal_q(shape):
    tall = shape[0] > shape[1]
    for dtype, atol in ((np.float64, 1e-10), (np.float32, 5e-3)):
        normal = wf.create(shape, wf.Normal(), seed=3, stream="lapack", dtype=dtype).astype(np.float64)
        found = made(shape, dtype, threads=3)
        q, r = np.linalg.qr(normal if tall else normal.T)
        q *= np.where(np.diag(r) < 0, -1, 1)
        columns = found if tall else found.T
        np.testing.assert_allclose(columns, q, atol=atol, rtol=0)
        np.testing.assert_allclose(columns.T @ columns, np.eye(min(shape)), atol=200 * np.finfo(dtype).eps, rtol=0)


def test_fills_of_several_threads_agree_and_leave_lapack_its_number(number):
    get, set_ = number
    set_(3)
    chosen = get()
    once = [made(shape, np.float32) for shape in SHAPES]
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(made, SHAPES[k % len(SHAPES)], np.float32, 1 + k % 3) for k in range(60)]
    for k, call in enumerate(calls):
        assert_same_bits(call.result(), once[k % len(SHAPES)])
    assert get() == chosen


def told(of_each_thread, before, changed_to=None):
    """Return the numbers of threads that a LAPACK is told in the course of one matrix, alone on one thread."""
    state, calls = [before], []

    def change(n):
        calls.append(n)
        state[0] = n if changed_to is None else changed_to

    get, set_ = GET(lambda: state[0]), SET(change)
    addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in (get, set_)]
    matrix = np.array([[3, 4]], np.float32)
    _core.Lapack(routines("s"), routines("d"), *addresses, of_each_thread).orthonormalize(matrix, 1.0, 1)
    np.testing.assert_allclose(matrix, [[0.6, 0.8]], rtol=1e-6)
    return calls


@pytest.mark.parametrize("of_each_thread", [False, True])
def test_lapack_is_held_to_one_thread_and_then_has_its_own_again(of_each_thread):
    assert told(of_each_thread, before=4) == [1, 4]
    assert told(of_each_thread, before=1) == []


def test_a_number_of_threads_that_was_set_meanwhile_stays():
    assert told(False, before=4, changed_to=6) == [1]


def test_a_lapack_without_threads_is_taken_as_it_is():
    matrix = np.array([[3, 4]], np.float64)
    _core.Lapack(routines("s"), routines("d"), 0, 0, False).orthonormalize(matrix, 2.0, 4)
    np.testing.assert_allclose(matrix, [[1.2, 1.6]], rtol=1e-15)


def test_threads_are_found_where_a_library_shows_no_functions_of_others(monkeypatch):
    wheels = list(Path(scipy.__file__).parents[1].glob("scipy.libs/*openblas*"))
    before, opened = thread_functions(), ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", lambda path: object() if "cython_lapack" in path else opened(path))
    found = thread_functions()
    assert (found is not None) == bool(wheels)
    if found is not None:
        assert [ctypes.cast(each, ctypes.c_void_p).value for each in found[:2]] == [
            ctypes.cast(each, ctypes.c_void_p).value for each in before[:2]
        ]


def test_lapack_has_its_number_again_where_memory_ran_out():
    code = """if True:
        import resource
        from weightfill._run.lapack import lapack, thread_functions
        routines = lapack()
        get, set_, _ = thread_functions() or (lambda: 3, lambda n: None, False)
        set_(3)
        before = get()
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        try:
            routines.orthonormalize_memory(0, 46_000, 46_000, 8, 1.0, 1)
        except MemoryError:
            print(get() == before)
    """
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"


def test_scipy_without_the_routines_is_refused():
    message = r"scipy.linalg must have geqrt3, trmm and gemm with 32-bit sizes, got .*None.*; install SciPy from PyPI"
    with pytest.raises(ImportError, match=message):
        routines("x")


def test_sizes_beyond_those_of_lapack_are_refused():
    for shape in ((46_341, 46_341), (1, 2**31), (2**31, 2)):
        with pytest.raises(
            ValueError, match=r"shape must have at most 46,340 rows or columns and 2,147,483,647 of the"
        ):
            wf.Orthogonal().check(shape, np.dtype(np.float32))
    wf.Orthogonal().check((1, 2**31 - 1), np.dtype(np.float32))


def test_scipy_is_imported_by_the_first_orthogonal_matrix():
    code = "import sys, weightfill as wf; print('scipy' in sys.modules); "
    code += "wf.create((2, 2), wf.Orthogonal(), seed=1); print('scipy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\nTrue\n"
    assert lapack() is lapack()
    assert math.isclose(abs(made((1, 1), np.float32)[0, 0]), 1)
