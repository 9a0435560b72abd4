"""The noun: a tensor that is defined and not made."""

import pickle
import pickletools

import numpy as np
import pytest

import weightfill as wf
from tests.public import PUBLIC

SHAPE = (6, 5, 4)
TENSORS = {
    "normal": wf.Tensor(SHAPE, wf.Normal(std=0.02), seed=42, stream="w"),
    "half": wf.Tensor(SHAPE, wf.KaimingNormal(), seed=42, stream="w", dtype="float16"),
    "double": wf.Tensor(SHAPE, wf.Uniform(), seed=42, stream="w", dtype=np.float64),
    "constant": wf.Tensor(SHAPE, wf.Constant(3)),
    "sparse": wf.Tensor(SHAPE, wf.Sparse(connections=2), seed=42, stream="w"),
    "sparse along the last": wf.Tensor(SHAPE, wf.Sparse(connections=2, axis=-1), seed=42, stream="w"),
    "padded": wf.Tensor(SHAPE, wf.Padded(wf.Normal(), 2), seed=42, stream="w"),
    "orthogonal": wf.Tensor(SHAPE, wf.Orthogonal(), seed=42, stream="w"),
}
INDICES = [
    ...,
    (),
    0,
    -1,
    (slice(None), 2),
    (slice(1, 4), slice(None), slice(2, 4)),
    (slice(None, None, 2), slice(None, None, -1), slice(3, 0, -2)),
    (..., 1),
    (1, ..., slice(1, 3)),
    (slice(4, 2),),
    (slice(-3, None), -2),
    (slice(2, 100), slice(-100, 3)),
    (1, 2, 3),
    (np.int64(5), np.uint8(4)),
    [0, 5, 5, 2],
    [],
    np.array([[0, 1], [5, -1]]),
    np.array([3, 1], np.uint8),
    ([1, -2], slice(1, 3)),
    (np.array([4, 0]), 3, slice(None, None, -1)),
    (np.array([4, 0]), ..., 1),
    (np.array(3), 1),
    (1, 2, 3, ...),
    (slice(None, None, 2), slice(-100, None, -1)),
    ([0, 3], slice(-100, None, -1), slice(None, None, -1)),
    (slice(100, None, -1), slice(None, -100, -1)),
]


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_an_index_makes_what_numpy_cuts_from_the_full_array(tensor):
    whole = wf.create(SHAPE, tensor.init, seed=42, stream="w", dtype=tensor.dtype)
    for index in INDICES:
        made, cut = tensor[index], whole[index]
        assert made.shape == cut.shape, index
        assert made.dtype == cut.dtype, index
        assert made.tobytes() == cut.tobytes(), index
        assert type(made) is type(cut), index
    assert np.asarray(tensor).tobytes() == whole.tobytes()
    assert np.array(tensor, dtype=np.float64).dtype == np.float64
    assert len(tensor) == 6
    assert [row.tobytes() for row in tensor] == [row.tobytes() for row in whole]


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        (6, IndexError, "index must be in [-6, 6) along axis 0, got 6"),
        ((0, -6), IndexError, "index must be in [-5, 5) along axis 1, got -6"),
        ([0, 6], IndexError, "index must be in [-6, 6) along axis 0, got 6"),
        ([-7], IndexError, "index must be in [-6, 6) along axis 0, got -7"),
        (1.0, IndexError, "index must have integers, slices, an ellipsis, or an array of integers at the first axis, "),
        (True, IndexError, "index must have integers"),
        ("a", IndexError, "index must have integers"),
        (None, IndexError, "index must have no new axis (None); index the array that is made"),
        ((0, 0, 0, 0), IndexError, "index must have at most 3 entries, one for each dimension, got 4"),
        ((..., ...), IndexError, "index must have at most one ellipsis"),
        ((0, [1, 2]), IndexError, "index must have arrays only at the first axis, got one at axis 1"),
        (
            [0.5],
            IndexError,
            "index must have arrays of integers, got dtype float64; of a mask pass np.flatnonzero(mask)",
        ),
        (np.ones(6, bool), IndexError, "index must have arrays of integers, got dtype bool"),
        (slice(0.5, 1), TypeError, ""),
    ],
)
def test_a_wrong_index_is_an_error_of_the_kind_that_numpy_raises(index, error, words):
    with pytest.raises(error) as raised:
        TENSORS["normal"][index]
    assert str(raised.value).startswith(words)


def test_a_part_of_a_tensor_of_many_gigabytes_is_made_alone():
    tensor = wf.Tensor((10**9, 128), wf.Normal(std=0.02), seed=42, stream="item_table", dtype="bfloat16")
    assert tensor.nbytes == 256 * 10**9
    part = np.empty((2, 128), tensor.dtype)
    wf.fill(part, tensor.init, seed=42, stream="item_table", shape=tensor.shape, start=(10**9 - 2, 0))
    assert tensor[-2:].tobytes() == part.tobytes()
    assert tensor[[10**9 - 1, 10**9 - 2]].tobytes() == part[::-1].tobytes()
    assert tensor[10**9 - 1, 3:5].tobytes() == part[1, 3:5].tobytes()
    steps = tensor[:: 5 * 10**8, ::-1]
    assert steps.tobytes() == tensor[[0, 5 * 10**8]][:, ::-1].tobytes()


@pytest.mark.parametrize("init", [wf.Uniform(), wf.Sparse(connections=1)])
def test_negative_indices_count_from_the_end_of_any_number_of_rows(init):
    tensor = wf.Tensor((2**63, 2), init, seed=1)
    last = tensor[[2**63 - 1, 2**63 - 2]].tobytes()
    assert tensor[[-1, -2]].tobytes() == last
    assert tensor[np.array([-1, -2], np.int8)].tobytes() == last
    assert tensor[-2:][::-1].tobytes() == last
    assert tensor[[0, -(2**63)]].tobytes() == tensor[[0, 0]].tobytes()


def test_a_table_with_an_open_number_of_rows():
    tensor = wf.Tensor((None, 3), wf.Uniform(), seed=42, stream="item_table")
    known = wf.Tensor((10, 3), wf.Uniform(), seed=42, stream="item_table")
    assert tensor.shape == (None, 3)
    assert tensor[2:4].tobytes() == known[2:4].tobytes()
    assert tensor[[7, 1], 1].tobytes() == known[[7, 1], 1].tobytes()
    assert tensor[5, -1] == known[5, -1]
    assert tensor[2**62].shape == (3,)
    out = np.empty((2, 3), np.float32)
    assert tensor.fill_rows(out, [9, 0]) is out
    assert out.tobytes() == known[[9, 0]].tobytes()
    for index, words in [
        (-1, "index must be in [0, 6148914691236517205) along axis 0, got -1"),
        (2**63, "index must be in [0, 6148914691236517205) along axis 0, got 9223372036854775808"),
        ([-1], "index must be in [0, 6148914691236517205) along axis 0, got -1"),
        (slice(3, None), "index must have an end and no step along the open axis 0, got slice(3, None, None)"),
        (slice(-3, 1), "index must not be negative along the open axis 0, got slice(-3, 1, None)"),
    ]:
        with pytest.raises(IndexError) as raised:
            tensor[index]
        assert str(raised.value) == words
    sizes = [lambda: tensor.size, lambda: tensor.nbytes, lambda: len(tensor), lambda: list(tensor)]
    for size in (*sizes, lambda: np.asarray(tensor)):
        with pytest.raises(ValueError, match="shape must have a known first dimension, got"):
            size()
    with pytest.raises(ValueError, match="shape must have a known first dimension for Orthogonal"):
        wf.Tensor((None, 3), wf.Orthogonal(), seed=1)


def test_methods_do_what_the_verbs_do():
    tensor = TENSORS["normal"]
    out = np.empty(SHAPE, np.float32)
    told = []
    assert tensor.fill(out, progress=lambda done, total: told.append((done, total))) is out
    assert told[-1] == (120, 120)
    assert tensor.verify(out)
    part = out[2:4, 1:]
    assert tensor.verify(part, start=(2, 1, 0))
    part[1, 0, 0] += 1
    found = tensor.verify(part, start=(2, 1, 0), threads=2)
    assert (found.differing, found.index, found.expected) == (1, (1, 0, 0), tensor[3, 1, 0])
    rows = np.empty((2, 5, 4), np.float32)
    tensor.fill_rows(rows, np.array([5, 0]))
    assert rows.tobytes() == tensor[[5, 0]].tobytes()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: t.fill(np.empty(SHAPE)), ValueError, "out must have the dtype of the tensor, float32, got float64"),
        (
            lambda t: t.fill(np.empty((2, 5, 4), np.float32)),
            ValueError,
            "start must be given for a part, got out of shape (2, 5, 4) and a tensor of shape (6, 5, 4)",
        ),
        (
            lambda t: t.fill(np.empty((2, 5, 4), np.float32), start=(5, 0, 0)),
            ValueError,
            "shape must contain the window, got 6 elements along axis 0 for a window of 2 from 5",
        ),
        (lambda t: t.fill([1.0]), TypeError, "out must be a NumPy array, got list"),
        (lambda t: t.verify(np.empty(3, np.float32), start=0), ValueError, "shape must have as many dimensions as"),
        (lambda t: t.fill_rows(np.empty((1, 5, 4), np.float32), [6]), ValueError, "ids must be in [0, 6), got 6"),
        (lambda t: t.fill_rows(np.empty((1, 4), np.float32), [0]), ValueError, "out must have the shape (1, 5, 4)"),
        (lambda t: t.fill(np.empty(SHAPE, np.float32), out=1), TypeError, ""),
        (lambda t: np.array(t, copy=False), ValueError, ""),
        (lambda t: len(wf.Tensor((), wf.Ones())), TypeError, "a tensor of no dimensions has no length"),
        (lambda t: list(wf.Tensor((), wf.Ones())), TypeError, "a tensor of no dimensions has no rows"),
        (lambda t: wf.Tensor((), wf.Ones()).fill_rows(np.empty(0, "f4"), []), ValueError, "shape must have at least 1"),
    ],
)
def test_wrong_arguments_of_methods(call, error, words):
    with pytest.raises(error) as raised:
        call(TENSORS["normal"])
    assert str(raised.value).startswith(words)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (((3, 4),), {}, TypeError, "Tensor must be given shape and init, got no init"),
        (((3, 4), wf.Ones()), {"sed": 1}, TypeError, "Tensor must be given only shape, init, seed, stream and dtype,"),
        (((3, 4), wf.Ones(), 1), {}, TypeError, "Tensor must be given at most 2 by position, shape and init, got 3"),
        (((3, 4), wf.Normal()), {}, TypeError, "seed must be given for Normal"),
        (((3, -4), wf.Ones()), {}, ValueError, "shape must have no negative dimension, got (3, -4)"),
        (((3, None), wf.Ones()), {}, TypeError, "shape must have only integers after the first, got (3, None)"),
        (((3, 4), "normall"), {}, ValueError, "init must be"),
        (((3, 4), wf.Normal()), {"seed": 2**64}, ValueError, "seed must be in [0, 2**64)"),
        (((3, 4), wf.Normal()), {"seed": 1, "stream": 3}, TypeError, "stream must be a string, got 3"),
        (((3, 4), wf.Normal()), {"seed": 1, "dtype": "int8"}, TypeError, "dtype must be one of"),
        (((3,), wf.KaimingNormal()), {"seed": 1}, ValueError, "shape must have at least 2 dimensions"),
        (((3,), wf.Orthogonal()), {"seed": 1}, ValueError, "shape must have at least 2 dimensions"),
        (((3,), wf.Normal(std=1e6)), {"seed": 1, "dtype": "float16"}, ValueError, "init must stay within +-65504"),
    ],
)
def test_a_tensor_refuses_what_fill_refuses(arguments, options, error, words):
    with pytest.raises(error) as raised:
        wf.Tensor(*arguments, **options)
    assert str(raised.value).startswith(words)


def test_tensors_are_values():
    tensor = wf.Tensor((3, 4), "normal", seed=42, stream="w", dtype="bf16")
    same = wf.Tensor([3, 4], wf.Normal(), seed=np.int64(42), stream="w", dtype="bfloat16")
    assert tensor == same
    assert hash(tensor) == hash(same)
    others = [
        wf.Tensor((4, 3), "normal", seed=42, stream="w", dtype="bf16"),
        wf.Tensor((3, 4), "normal", seed=43, stream="w", dtype="bf16"),
        wf.Tensor((3, 4), "normal", seed=42, stream="v", dtype="bf16"),
        wf.Tensor((3, 4), "normal", seed=42, stream="w"),
        wf.Tensor((3, 4), wf.Normal(std=2), seed=42, stream="w", dtype="bf16"),
    ]
    assert len({tensor, same, *others}) == 6
    assert tensor != "w"
    assert repr(tensor) == "Tensor((3, 4), Normal(mean=0.0, std=1.0), seed=42, stream='w', dtype='bfloat16')"
    assert eval(repr(tensor), PUBLIC) == tensor
    for name in ("shape", "dtype", "init", "seed", "stream", "law", "size"):
        with pytest.raises(AttributeError):
            setattr(tensor, name, getattr(others[0], name))


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_a_pickle_of_a_tensor_is_small_and_equal(tensor):
    content = pickletools.optimize(pickle.dumps(tensor))
    assert len(content) < 400
    again = pickle.loads(content)
    assert again == tensor
    assert again[2].tobytes() == tensor[2].tobytes()


def test_attributes():
    tensor = TENSORS["half"]
    assert (tensor.shape, tensor.ndim, tensor.size, tensor.nbytes) == (SHAPE, 3, 120, 240)
    assert tensor.dtype == np.float16
    assert tensor.law == wf.KaimingNormal().law(SHAPE)
    assert not tensor.only_whole
    assert TENSORS["orthogonal"].law is None
    assert TENSORS["orthogonal"].only_whole
    assert TENSORS["constant"].seed == 0
