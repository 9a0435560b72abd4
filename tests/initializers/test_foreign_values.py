"""Values of other libraries as arguments: taken where their meaning is plain, otherwise refused with a way out."""

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest

import weightfill as wf
from weightfill._arguments.streams import checked_seed

NORMAL = wf.Normal()


class Scalar:
    """Stands for an array of another library without dimensions."""

    shape = ()

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"Scalar({self.value!r})"

    def item(self):
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.mark.parametrize(
    "number", [np.array(0.5), np.array(0.5, np.float16), ml_dtypes.bfloat16(0.5), Scalar(0.5)], ids=repr
)
def test_arrays_without_dimensions_are_numbers(number):
    assert wf.Normal(std=number) == wf.Normal(std=0.5)
    assert wf.KaimingNormal(gain=number) == wf.KaimingNormal(gain=0.5)
    assert wf.gain("leaky_relu", number) == wf.gain("leaky_relu", 0.5)
    assert type(wf.Constant(number).value) is float


@pytest.mark.parametrize(
    "number",
    [np.array([0.5]), np.array(True), np.array(0.5j), np.array("1"), Scalar(True), Scalar(TypeError("traced"))],
    ids=["array", "bool", "complex", "text", "bool of others", "traced"],
)
def test_other_arrays_are_no_numbers(number):
    with pytest.raises(TypeError, match="^std must be a number, got "):
        wf.Normal(std=number)
    with pytest.raises(TypeError, match="^slope must be a number, got "):
        wf.gain("leaky_relu", number)


SEQUENCE = np.random.SeedSequence(42)
SEEDS = {
    "SeedSequence": (SEQUENCE, "int(seed.generate_state(1, np.uint64)[0])"),
    "Generator": (np.random.default_rng(0), "int(seed.integers(2**64, dtype=np.uint64))"),
    "RandomState": (np.random.RandomState(0), "int(seed.randint(2**64, dtype=np.uint64))"),
    "BitGenerator": (np.random.PCG64(0), "int(seed.random_raw())"),
    "our own": (wf.PhiloxBitGenerator(0), "int(seed.random_raw())"),
    "list": ([1, 2], "int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])"),
}


@pytest.mark.parametrize("kind", SEEDS)
def test_seeds_of_numpy_are_refused_with_a_way_that_works(kind):
    seed, way = SEEDS[kind]
    with pytest.raises(TypeError, match=r"^seed must be an integer in \[0, 2\*\*64\), got .*; pass int\(") as caught:
        wf.create(3, NORMAL, seed=seed)
    assert f"; pass {way}" in str(caught.value)
    number = eval(way, {"seed": seed, "np": np})
    assert checked_seed(number, NORMAL) == number
    assert number > 2**32  # 64 bits are used


SHAPES = [
    (lambda: (n for n in (4, 3)), "<generator"),
    (lambda: iter((4, 3)), "<tuple_iterator"),
    (lambda: {4, 3}, "{"),
    (lambda: {4: 1, 3: 1}, "{4: 1, 3: 1}"),
    (lambda: b"\4\3", r"b'\x04\x03'"),
    (lambda: bytearray(b"\4"), r"bytearray(b'\x04')"),
    (lambda: map(int, "43"), "<map"),
]


@pytest.mark.parametrize(("make", "given"), SHAPES, ids=[given for _, given in SHAPES])
def test_what_is_no_sequence_is_no_shape(make, given):
    for call in (
        lambda: wf.create(make(), NORMAL, seed=1),
        lambda: wf.fans(make()),
        lambda: wf.fill(np.empty((1, 1), np.float32), NORMAL, seed=1, shape=make()),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert str(caught.value).startswith(f"shape must be a tuple of integers, got {given}")
    with pytest.raises(TypeError, match="^start must be a tuple of integers, got "):
        wf.fill(np.empty((1, 1), np.float32), NORMAL, seed=1, shape=(9, 9), start=make())


def test_arrays_and_ranges_are_shapes():
    assert wf.create(np.array([4, 3]), NORMAL, seed=1).shape == (4, 3)
    assert wf.create(range(2, 4), NORMAL, seed=1).shape == (2, 3)


@dataclass(frozen=True)
class Wrong(wf.Initializer):
    """An initializer of a user whose law is none."""

    def law(self, shape):
        return wf.KaimingNormal()


class Lawless(wf.Initializer):
    """An initializer of a user without a law."""


class Partless(wf.WholeTensor):
    """An initializer of a user without a tensor."""

    def check(self, shape, dtype):
        pass


BARE = [
    (wf.Initializer(), "init must be an initializer such as Normal(std=0.02), got an object of Initial"),
    (Lawless(), "got an object of Lawless, whose class does not define law"),
    (wf.WholeTensor(), "init must be an initializer such as Orthogonal(), got an object of W"),
    (Partless(), "got an object of Partless, whose class does not define tensor"),
    (
        Wrong(),
        "law must return Constant, Laplace, LogUniform, Normal, TruncatedNormal, Uniform, or one of these Masked, got "
        "KaimingNormal(",
    ),
]


@pytest.mark.parametrize(("init", "message"), BARE, ids=[type(init).__name__ for init, _ in BARE])
def test_an_initializer_without_a_law_is_refused_in_words(init, message):
    with pytest.raises(TypeError) as caught:
        wf.create((3, 3), init, seed=1)
    assert message in str(caught.value)


HUGE = "x" * 10**6
LONG = [
    lambda: wf.create(3, HUGE, seed=1),
    lambda: wf.create(3, [HUGE], seed=1),
    lambda: wf.create(3, NORMAL, seed=HUGE),
    lambda: wf.create(3, NORMAL, seed=10**5000),
    lambda: wf.create(3, wf.Padded(NORMAL, (*range(10**5),))),
    lambda: wf.create(3, NORMAL, seed=1, stream=[HUGE]),
    lambda: wf.create(3, NORMAL, seed=1, dtype=HUGE),
    lambda: wf.create([HUGE], NORMAL, seed=1),
    lambda: wf.create([-1] * 10**5, NORMAL, seed=1),
    lambda: wf.create([10**5000], NORMAL, seed=1),
    lambda: wf.gain(HUGE),
    lambda: wf.gain("leaky_relu", HUGE),
    lambda: wf.KaimingNormal(mode=HUGE),
    lambda: wf.KaimingNormal(layout=HUGE),
    lambda: wf.KaimingNormal(groups=HUGE),
    lambda: wf.KaimingNormal(truncated=HUGE),
    lambda: wf.Normal(std=HUGE),
    lambda: wf.Normal(HUGE),
    lambda: wf.Constant(10**5000),
    lambda: wf.DepthScaled(NORMAL, layers=-(10**5000)),
    lambda: wf.Normal(**{HUGE: 1}),
    lambda: wf.fans([HUGE]),
    lambda: wf.fans((3, 3), in_axis=HUGE),
    lambda: wf.fill_rows(np.empty((1, 1), np.float32), NORMAL, [0], seed=1, shape=HUGE),
    lambda: wf.Layout(in_axis=HUGE),
]


@pytest.mark.parametrize("call", LONG)
def test_messages_have_a_bound(call):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert len(str(caught.value)) < 700
