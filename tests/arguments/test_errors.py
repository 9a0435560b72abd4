"""Every message about a wrong argument of fill, create, fill_rows and verify."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import weightfill as wf

OUT = np.zeros((4, 3), np.float32)
NORMAL = wf.Normal()
DTYPES = "float32, float64, float16, bfloat16, float8_e4m3fn, float8_e5m2"


def read_only():
    array = np.zeros((10, 4), np.float32)
    array.flags.writeable = False
    return array


class Tensor:
    """Stands for another library's tensor."""

    def __dlpack__(self):
        raise AssertionError("must not be used")


class Wrapper:
    """Stands for an object around an array."""

    __array_interface__ = {}  # noqa: RUF012


def fill(out=OUT, init=NORMAL, **options):
    return wf.fill(out, init, **{"seed": 1, **options})


def rows(ids, shape=(None, 3), out=None, **options):
    return wf.fill_rows(
        np.zeros((2, 3), np.float32) if out is None else out, NORMAL, ids, shape=shape, seed=1, **options
    )


def with_type(name):
    return f"{__name__}.{name}"


ERRORS = [
    # out
    (lambda: fill([1.0]), TypeError, "out must be a NumPy array, got list"),
    (lambda: fill(None), TypeError, "out must be a NumPy array, got NoneType"),
    (
        lambda: fill(Tensor()),
        TypeError,
        f"out must be a NumPy array, got {with_type('Tensor')}; "
        "pass np.from_dlpack(out), an array that shares its memory",
    ),
    (
        lambda: fill(Wrapper()),
        TypeError,
        f"out must be a NumPy array, got {with_type('Wrapper')}; pass np.asarray(out), an array that shares its memory",
    ),
    (
        lambda: fill(bytearray(4)),
        TypeError,
        "out must be a NumPy array, got bytearray; pass np.frombuffer(out, dtype), an array that shares its memory",
    ),
    (
        lambda: fill(np.float32(1)),
        TypeError,
        "out must be a NumPy array, got numpy.float32, a scalar; pass an array such as np.asarray(out)",
    ),
    (
        lambda: fill(NORMAL),
        TypeError,
        "out must be a NumPy array, got weightfill.Normal; out comes first, then the initializer",
    ),
    (lambda: fill(np.zeros(3, int)), TypeError, f"out.dtype must be one of {DTYPES}, got int64"),
    (lambda: fill(np.zeros(3, object)), TypeError, f"out.dtype must be one of {DTYPES}, got object"),
    (lambda: fill(np.zeros(3, complex)), TypeError, f"out.dtype must be one of {DTYPES}, got complex128"),
    (lambda: fill(np.zeros(3, bool)), TypeError, f"out.dtype must be one of {DTYPES}, got bool"),
    (lambda: fill(np.zeros(3, np.longdouble)), TypeError, f"out.dtype must be one of {DTYPES}, got "),
    (
        lambda: fill(np.zeros(3, ">f4")),
        TypeError,
        "out.dtype must be in native byte order, got '>f4'; fill an array of dtype float32 and convert it",
    ),
    (lambda: fill(read_only()), ValueError, "out must be writable, got a read-only array of shape (10, 4)"),
    (
        lambda: fill(as_strided(OUT, (3, 4), (0, 4))),
        ValueError,
        "out must have its elements apart in memory, got shape (3, 4) with strides (0, 4); "
        "fill the array it is a view of, or a copy",
    ),
    (lambda: fill(as_strided(OUT, (5, 4), (4, 4))), ValueError, "out must have its elements apart in memory, got "),
    (lambda: fill(as_strided(OUT, (2, 2), (4, 6))), ValueError, "out must have its elements apart in memory, got "),
    (lambda: fill(as_strided(OUT, (3,), (2,))), ValueError, "out must have its elements apart in memory, got "),
    # init
    (lambda: fill(init=0.5), TypeError, "init must be an initializer such as Normal(std=0.02), got 0.5"),
    (
        lambda: fill(init="norm"),
        ValueError,
        "init must be the name of an initializer, got 'norm'; did you mean Normal?",
    ),
    (lambda: fill(init=wf.Zeros), TypeError, "init must be an initializer, got the class Zeros; write Zeros(...)"),
    # seed
    (
        lambda: fill(seed=None),
        TypeError,
        "seed must be given for Normal(mean=0.0, std=1.0), got None; pass the same seed=... for the whole model, "
        "and give every tensor its own stream, or equal shapes get equal values",
    ),
    (lambda: fill(seed=True), TypeError, "seed must be an integer in [0, 2**64), got True"),
    (lambda: fill(seed=1.0), TypeError, "seed must be an integer in [0, 2**64), got 1.0"),
    (lambda: fill(seed="1"), TypeError, "seed must be an integer in [0, 2**64), got '1'"),
    (lambda: fill(seed=-1), ValueError, "seed must be in [0, 2**64), got -1"),
    (lambda: fill(seed=2**64), ValueError, "seed must be in [0, 2**64), got 18446744073709551616"),
    (lambda: fill(init=wf.Zeros(), seed=-1), ValueError, "seed must be in [0, 2**64), got -1"),
    # stream
    (lambda: fill(stream=None), TypeError, "stream must be a string, got None"),
    (lambda: fill(stream=b"a"), TypeError, "stream must be a string, got b'a'"),
    (lambda: fill(stream=7), TypeError, "stream must be a string, got 7"),
    (lambda: fill(stream="\ud800"), ValueError, r"stream must be encodable in UTF-8, got '\ud800'"),
    # shape and start
    (lambda: fill(shape="ab"), TypeError, "shape must be a tuple of integers, got 'ab'"),
    (lambda: fill(shape=(4.0, 3)), TypeError, "shape must be a tuple of integers, got (4.0, 3)"),
    (lambda: fill(shape=(True, 3)), TypeError, "shape must be a tuple of integers, got (True, 3)"),
    (lambda: fill(shape=b"\x04\x03"), TypeError, "shape must be a tuple of integers, got b'\\x04\\x03'"),
    (lambda: fill(shape=(n for n in (4, 3))), TypeError, "shape must be a tuple of integers, got <generator object "),
    (lambda: fill(shape={4: 1, 3: 1}), TypeError, "shape must be a tuple of integers, got {4: 1, 3: 1}"),
    (lambda: fill(shape={4, 3}), TypeError, "shape must be a tuple of integers, got {"),
    (lambda: wf.create((1,) * 65, NORMAL, seed=1), ValueError, "shape must have at most 64 dimensions, got 65"),
    (lambda: fill(shape=4.5), TypeError, "shape must be a tuple of integers, got 4.5"),
    (
        lambda: fill(shape=(None, 3)),
        TypeError,
        "shape must have only integers, got (None, 3); an open first dimension is for fill_rows",
    ),
    (lambda: fill(shape=(4, -3)), ValueError, "shape must have no negative dimension, got (4, -3)"),
    (
        lambda: fill(shape=(2**62, 5)),
        ValueError,
        "shape must have at most 2**64 elements, got (4611686018427387904, 5)",
    ),
    (lambda: fill(shape=12), ValueError, "shape must have as many dimensions as out, 2, got 12"),
    (lambda: fill(shape=(4, 3, 1)), ValueError, "shape must have as many dimensions as out, 2, got (4, 3, 1)"),
    (
        lambda: fill(start=(1, 0)),
        TypeError,
        "shape must be given with start, got None; pass the shape of the full tensor, start=(1, 0)",
    ),
    (lambda: fill(shape=(9, 9), start=(1.0, 0)), TypeError, "start must be a tuple of integers, got (1.0, 0)"),
    (lambda: fill(shape=(9, 9), start="ab"), TypeError, "start must be a tuple of integers, got 'ab'"),
    (lambda: fill(shape=(9, 9), start=3), ValueError, "start must have as many dimensions as shape, 2, got 3"),
    (lambda: fill(shape=(9, 9), start=(0, -1)), ValueError, "start must have no negative index, got (0, -1)"),
    (
        lambda: fill(shape=(9, 9), start=(0, 7)),
        ValueError,
        "shape must contain the window, got 9 elements along axis 1 for a window of 3 from 7: "
        "shape=(9, 9), start=(0, 7), out.shape=(4, 3)",
    ),
    (
        lambda: fill(shape=(3, 3)),
        ValueError,
        "shape must contain the window, got 3 elements along axis 0 for a window ",
    ),
    # threads and progress
    (lambda: fill(threads=0), ValueError, "threads must be in [1, 1024], got 0"),
    (lambda: fill(threads=-3), ValueError, "threads must be in [1, 1024], got -3"),
    (lambda: fill(threads=1025), ValueError, "threads must be in [1, 1024], got 1025"),
    (lambda: fill(threads=2.0), TypeError, "threads must be an integer in [1, 1024], got 2.0"),
    (lambda: fill(threads=True), TypeError, "threads must be an integer in [1, 1024], got True"),
    (lambda: fill(progress="bar"), TypeError, "progress must be True, False or a callable(done, total), got 'bar'"),
    (lambda: wf.set_threads(0), ValueError, "n must be in [1, 1024], got 0"),
    (lambda: wf.set_threads("2"), TypeError, "n must be an integer in [1, 1024], got '2'"),
    # a law that does not fit into the dtype
    (
        lambda: wf.create(3, wf.Normal(std=20000), seed=1, dtype="float16"),
        ValueError,
        "init must stay within +-65504, the finite values of float16, got Normal(mean=0.0, std=20000.0), "
        "which reaches 126759; use smaller parameters or a wider dtype",
    ),
    (
        lambda: wf.create(3, wf.Constant(-1e39)),
        ValueError,
        "init must stay within +-3.40282e+38, the finite values of float32, got Constant(value=-1e+39), "
        "which reaches -1e+39",
    ),
    (
        lambda: wf.create(3, wf.Uniform(0, 500), seed=1, dtype="float8_e4m3fn"),
        ValueError,
        "init must stay within +-448, the finite values of float8_e4m3fn, got Uniform(low=0.0, high=500.0), "
        "which reaches 500",
    ),
    (
        lambda: wf.create(3, wf.TruncatedNormal(std=1e5, low=-7e4, high=0), seed=1, dtype="float8_e5m2"),
        ValueError,
        "init must stay within +-57344, the finite values of float8_e5m2, got "
        "TruncatedNormal(mean=0.0, std=100000.0, low=-70000.0, high=0.0), which reaches -70000",
    ),
    (
        lambda: wf.create(3, wf.Normal(std=4e307), seed=1, dtype=float),
        ValueError,
        "init must stay within +-1.79769e+308, the finite values of float64, got Normal(mean=0.0, std=4e+307), "
        "which reaches inf",
    ),
    (
        lambda: wf.create(3, wf.Uniform(0, 1e-38), seed=1, dtype="float16"),
        ValueError,
        "init must span at least 2.0e-31 in float16, so that its steps are not subnormal, got "
        "Uniform(low=0.0, high=1e-38); draw from a wider distribution and scale the values",
    ),
    (
        lambda: wf.create(3, wf.Uniform(0, 1e-307), seed=1, dtype=float),
        ValueError,
        "init must span at least 2.0e-292 in float64, so that its steps are not subnormal, got ",
    ),
    (
        lambda: wf.create(3, wf.Uniform(1.001, 1.002), seed=1, dtype="bfloat16"),
        ValueError,
        "init must leave a value of bfloat16 between its bounds, got Uniform(low=1.001, high=1.002); use a wider dtype",
    ),
    (
        lambda: wf.create(3, wf.TruncatedNormal(low=17.25, high=17.75), seed=1, dtype="float8_e4m3fn"),
        ValueError,
        "init must leave a value of float8_e4m3fn between its bounds, got TruncatedNormal(mean=0.0, std=1.0, ",
    ),
    (
        lambda: wf.create(3, wf.Laplace(scale=20000), seed=1, dtype="float16"),
        ValueError,
        "init must stay within +-65504, the finite values of float16, got Laplace(mean=0.0, scale=20000.0), "
        "which reaches 443614",
    ),
    (
        lambda: wf.create(3, wf.LogUniform(1, 500), seed=1, dtype="float8_e4m3fn"),
        ValueError,
        "init must stay within +-448, the finite values of float8_e4m3fn, got "
        "LogUniform(low=1.0, high=500.0, then=None), which reaches 500",
    ),
    (
        lambda: wf.create(3, wf.LogUniform(17.25, 17.75, then="inverse_softplus"), seed=1, dtype="float8_e4m3fn"),
        ValueError,
        "init must leave a value of float8_e4m3fn between its bounds, got LogUniform(low=17.25, high=17.75, ",
    ),
    # create
    (lambda: wf.create("ab", NORMAL, seed=1), TypeError, "shape must be a tuple of integers, got 'ab'"),
    (lambda: wf.create((None, 3), NORMAL, seed=1), TypeError, "shape must have only integers, got (None, 3); "),
    (lambda: wf.create(-1, NORMAL, seed=1), ValueError, "shape must have no negative dimension, got -1"),
    (lambda: wf.create(3, 0.5, seed=1), TypeError, "init must be an initializer such as Normal(std=0.02), got 0.5"),
    (lambda: wf.create(3, NORMAL), TypeError, "seed must be given for Normal(mean=0.0, std=1.0), got None; "),
    (lambda: wf.create(3, NORMAL, seed=1, stream=1), TypeError, "stream must be a string, got 1"),
    (lambda: wf.create(3, NORMAL, seed=1, dtype=int), TypeError, f"dtype must be one of {DTYPES}, got <class 'int'>"),
    (lambda: wf.create(3, NORMAL, seed=1, dtype="f16x"), TypeError, f"dtype must be one of {DTYPES}, got 'f16x'"),
    (lambda: wf.create(3, NORMAL, seed=1, dtype=None), TypeError, f"dtype must be one of {DTYPES}, got None"),
    (lambda: wf.create(3, NORMAL, seed=1, dtype=">f8"), TypeError, "dtype must be in native byte order, got '>f8'"),
    (lambda: wf.create(3, NORMAL, seed=1, threads=0), ValueError, "threads must be in [1, 1024], got 0"),
    (lambda: wf.create(2**62, NORMAL, seed=1), MemoryError, "no memory for an array of shape (4611686018427387904,) "),
    (lambda: wf.create(2**45, NORMAL, seed=1), MemoryError, "no memory for an array of shape (35184372088832,) and "),
    # fill_rows
    (lambda: rows([2**64]), ValueError, "ids must be in [0, 2**64), got 18446744073709551616"),
    (lambda: rows([-1, 2**63]), ValueError, "ids must be in [0, 2**64), got -1"),
    (lambda: rows([0.5, 1]), TypeError, "ids must be integers of dtype int64 or uint64, got dtype float64"),
    (
        lambda: rows(np.array([0, 1], np.int32)),
        TypeError,
        "ids must be integers of dtype int64 or uint64, got dtype int32",
    ),
    (lambda: rows(np.array([0, 1], ">i8")), TypeError, "ids must be integers of dtype int64 or uint64, got dtype >i8"),
    (lambda: rows([True, False]), TypeError, "ids must be integers of dtype int64 or uint64, got dtype bool"),
    (lambda: rows([[0, 1]]), ValueError, "ids must be 1-dimensional, got an array of shape (1, 2)"),
    (lambda: rows(3), ValueError, "ids must be 1-dimensional, got an array of shape ()"),
    (lambda: rows(None), TypeError, "ids must be integers of dtype int64 or uint64, got dtype object"),
    (lambda: rows([0, 1], shape=3), TypeError, "shape must be a tuple such as (None, 128), got 3"),
    (lambda: rows([0, 1], shape=()), ValueError, "shape must have at least 1 dimension, got ()"),
    (lambda: rows([0, 1], shape=(5, None)), TypeError, "shape must have only integers after the first, got (5, None)"),
    (lambda: rows([0, 1], shape=(5, 3.0)), TypeError, "shape must be a tuple of integers, got (5, 3.0)"),
    (lambda: rows([0, 1], shape=(-5, 3)), ValueError, "shape must have no negative dimension, got (-5, 3)"),
    (
        lambda: rows([0, 1, 2], shape=(5, 3)),
        ValueError,
        "out must have the shape (3, 3), one row of shape=(5, 3) for each of 3 ids, got (2, 3)",
    ),
    (lambda: rows([0, 1], shape=(5, 4)), ValueError, "out must have the shape (2, 4), one row of shape=(5, 4) for "),
    (lambda: rows([-1, 0]), ValueError, "ids must be at least 0, got -1 at position 0"),
    (lambda: rows([0, -7], shape=(5, 3)), ValueError, "ids must be in [0, 5), got -7 at position 1"),
    (lambda: rows([0, 5], shape=(5, 3)), ValueError, "ids must be in [0, 5), got 5 at position 1"),
    (
        lambda: rows(np.array([0, 2**64 // 3], np.uint64)),
        ValueError,
        "ids must be below 6148914691236517205, got 6148914691236517205 at position 1; "
        "in rows of 3 elements larger ones have indices beyond 2**64",
    ),
    (lambda: rows([0, 1], threads=0), ValueError, "threads must be in [1, 1024], got 0"),
    # verify
    (lambda: wf.verify([0.0], NORMAL, seed=1), TypeError, "target must be a NumPy array, got list"),
    (lambda: wf.verify(np.zeros(3, int), NORMAL, seed=1), TypeError, f"target.dtype must be one of {DTYPES}, "),
    (lambda: wf.verify(OUT, wf.Ones), TypeError, "init must be an initializer, got the class Ones; write Ones(...)"),
    (lambda: wf.verify(OUT, NORMAL), TypeError, "seed must be given for Normal(mean=0.0, std=1.0), got None; "),
    (
        lambda: wf.verify(OUT, NORMAL, seed=1, shape=(2, 3)),
        ValueError,
        "shape must contain the window, got 2 elements along axis 0 for a window of 4 from 0: "
        "shape=(2, 3), start=(0, 0), target.shape=(4, 3)",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS, ids=[message[:70] for *_, message in ERRORS])
def test_wrong_argument_is_named_with_its_rule_and_value(call, error, message):
    OUT[:] = 5
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert (OUT == 5).all()


def test_arguments_are_checked_in_their_order():
    wrong = {"seed": -1, "stream": 1, "shape": "ab", "threads": 0, "progress": "bar"}
    right = {"seed": 1, "stream": "", "shape": None, "threads": None, "progress": None}
    for name in wrong:
        with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
            wf.fill(OUT, NORMAL, **wrong)
        wrong[name] = right[name]
    wf.fill(OUT, NORMAL, **wrong)


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::2, ::3],
        lambda a: a.T[::-1],
        lambda a: as_strided(a, (6,), (13 * 4,)),
        lambda a: a[:, :1],
        lambda a: a[1:1, ::2],
        lambda a: as_strided(a, (1, 5), (0, 8)),
        lambda a: as_strided(a, (0, 5), (0, 0)),
        lambda a: a.reshape(6, 2, 6)[:, ::-1, 1::2].transpose(2, 0, 1),
    ],
)
def test_views_whose_elements_lie_apart_are_accepted(view):
    target = view(np.zeros((6, 12), np.float32))
    assert (wf.fill(target, wf.Ones()) == 1).all()
