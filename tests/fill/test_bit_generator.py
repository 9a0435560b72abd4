"""PhiloxBitGenerator: its words, its place in the stream, and that it behaves as NumPy's own generators do."""

import copy
import ctypes
import doctest
import inspect
import re
import threading
from typing import Any

import numpy as np
import pytest

import weightfill
from tests.fill.generators import at, next_word, pairs, position
from tests.philox import number_of, words
from weightfill import PhiloxBitGenerator

STREAM_WORDS = 2**66


@pytest.mark.parametrize("seed", [0, 42, 2**32, 2**64 - 1])
@pytest.mark.parametrize("stream", ["", "item_table", "Größe/0"])
def test_words_are_those_of_the_named_stream(seed: int, stream: str) -> None:
    for first in (0, 1, 30, 2**34 - 6, 2**45 + 3):
        expected = words(seed, number_of(stream), first, 200)
        generator = at(seed, stream, position=first)
        assert [next_word(generator) for _ in range(200)] == expected.tolist()
        np.testing.assert_array_equal(at(seed, stream, position=first).random_raw(100), pairs(expected))


def test_a_new_generator_is_at_the_start_of_its_stream() -> None:
    assert PhiloxBitGenerator(42, "a").state == at(42, "a").state
    np.testing.assert_array_equal(PhiloxBitGenerator(42).random_raw(5), pairs(words(42, 0, 0, 10)))
    np.testing.assert_array_equal(
        PhiloxBitGenerator(42, stream="a").random_raw(5), pairs(words(42, number_of("a"), 0, 10))
    )


def test_seed_may_be_a_numpy_integer() -> None:
    assert PhiloxBitGenerator(np.uint64(2**64 - 1)).state == PhiloxBitGenerator(2**64 - 1).state


def test_stream_may_be_a_numpy_string() -> None:
    generator = PhiloxBitGenerator(42, np.str_("a"))
    assert generator.state == PhiloxBitGenerator(42, "a").state
    assert type(generator.stream) is str


def test_64_bit_draws_take_the_next_two_words_also_after_an_odd_number_of_32_bit_draws() -> None:
    expected = words(7, 0, 0, 8)
    generator = PhiloxBitGenerator(7)
    assert next_word(generator) == expected[0]
    assert generator.random_raw() == pairs(expected[1:3])[0]
    assert next_word(generator) == expected[3]
    assert generator.random_raw() == pairs(expected[4:6])[0]
    assert position(generator) == 6


def test_a_stream_repeats_after_its_last_word() -> None:
    generator = at(42, "a", position=STREAM_WORDS - 1)
    assert generator.random_raw() >> 32 == words(42, number_of("a"), 0, 1)[0]
    assert position(generator) == 1


def test_doubles_are_the_upper_53_bits_of_a_pair() -> None:
    expected = (pairs(words(42, 0, 0, 2000)) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    np.testing.assert_array_equal(np.random.Generator(PhiloxBitGenerator(42)).random(1000), expected)


def test_floats_are_the_upper_24_bits_of_a_word() -> None:
    expected = (words(42, 0, 0, 1000) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    rng = np.random.Generator(PhiloxBitGenerator(42))
    np.testing.assert_array_equal(rng.random(1000, dtype=np.float32), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_equals_the_uniform_fill(dtype: type[np.float32] | type[np.float64]) -> None:
    rng = np.random.Generator(PhiloxBitGenerator(42, "item_table"))
    law = weightfill.Uniform(0.0, 1.0)
    filled = weightfill.create((1000,), law, seed=42, stream="item_table", dtype=dtype)
    np.testing.assert_array_equal(rng.random(1000, dtype=dtype), filled)


def test_uint32_integers_are_the_words() -> None:
    rng = np.random.Generator(PhiloxBitGenerator(42))
    np.testing.assert_array_equal(rng.integers(0, 2**32, 100, dtype=np.uint32), words(42, 0, 0, 100))


def test_the_distributions_of_numpy_run_and_are_repeatable() -> None:
    def sample() -> list[np.ndarray[Any, Any]]:
        rng = np.random.Generator(PhiloxBitGenerator(42, "sample"))
        return [
            rng.standard_normal(4000),
            rng.standard_normal(4000, dtype=np.float32),
            rng.integers(0, 10, 4000),
            rng.integers(0, 100, 4000, dtype=np.uint8),
            rng.exponential(size=4000),
            rng.permutation(4000),
            rng.choice(4000, 100, replace=False),
        ]

    first, second = sample(), sample()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    for normal in first[:2]:
        assert abs(normal.mean()) < 5 / np.sqrt(4000)
        assert abs(normal.var() - 1) < 5 * np.sqrt(2 / 4000)
    assert abs(first[2].mean() - 4.5) < 5 * np.sqrt(8.25 / 4000)
    assert sorted(first[5]) == list(range(4000))


def test_random_raw_takes_size_and_output_as_numpy_does() -> None:
    generator = PhiloxBitGenerator(42)
    assert generator.random_raw(output=False) is None
    assert generator.random_raw(3, output=False) is None
    assert position(generator) == 8
    block = generator.random_raw((2, 3))
    assert block.shape == (2, 3)
    assert block.dtype == np.uint64
    assert isinstance(generator.random_raw(), int)


def test_ctypes_interface_draws_from_the_same_position() -> None:
    generator = PhiloxBitGenerator(42)
    interface = generator.ctypes
    raw = pairs(words(42, 0, 0, 6))
    state = ctypes.c_void_p(interface.state_address)
    assert interface.next_uint64(state) == raw[0]
    assert interface.next_double(state) == float(raw[1] >> np.uint64(11)) * 2.0**-53
    assert generator.random_raw() == raw[2]


@pytest.mark.parametrize("delta", [0, 1, 2, 15, 16, 17, 1000, 2**40, np.int64(3)])
def test_advance_is_as_if_that_many_raw_draws_were_made(delta: int) -> None:
    generator = PhiloxBitGenerator(42, "a")
    assert generator.advance(delta) is generator
    np.testing.assert_array_equal(generator.random_raw(20), pairs(words(42, number_of("a"), 2 * int(delta), 40)))


def test_advance_counts_draws_as_pcg64_does() -> None:
    for make in (lambda: PhiloxBitGenerator(42), lambda: np.random.PCG64(42)):
        drawn, advanced = make(), make()
        drawn.random_raw(37, output=False)
        assert advanced.advance(37).random_raw() == drawn.random_raw()
        assert advanced.advance(-38).random_raw() == make().random_raw()


def test_advance_goes_back_and_wraps_within_the_stream() -> None:
    start = PhiloxBitGenerator(42)
    assert position(PhiloxBitGenerator(42).advance(-1)) == STREAM_WORDS - 2
    assert PhiloxBitGenerator(42).advance(-1).advance(1).state == start.state
    assert PhiloxBitGenerator(42).advance(2**65).state == start.state
    assert PhiloxBitGenerator(42).advance(-(2**70) + 5).state == PhiloxBitGenerator(42).advance(5).state


def test_advance_keeps_an_odd_position_odd() -> None:
    generator = PhiloxBitGenerator(42)
    next_word(generator)
    assert position(generator.advance(2)) == 5


def test_jumped_keeps_the_position_and_adds_to_the_number_of_the_stream() -> None:
    generator = PhiloxBitGenerator(42, "a").advance(100)
    before = generator.state
    jumped = generator.jumped(3)
    assert generator.state == before
    assert type(jumped) is PhiloxBitGenerator
    np.testing.assert_array_equal(jumped.random_raw(10), pairs(words(42, number_of("a") + 3, 200, 20)))


def test_jumps_add_up() -> None:
    generator = PhiloxBitGenerator(42, "a")
    assert generator.jumped().jumped(2).state == generator.jumped(3).state
    assert generator.jumped(0).state == generator.state
    assert generator.jumped(5).jumped(-5).state == generator.state
    assert generator.jumped(2**64).state == generator.state
    assert generator.jumped(-1).state["state"]["jumps"] == 2**64 - 1


# Seed sequences


# numpy.random.RandomState


def test_repr_evaluates_to_the_stream() -> None:
    spawned = PhiloxBitGenerator(5, "a").jumped(3).spawn(2)[1].jumped()
    named = [PhiloxBitGenerator(42), PhiloxBitGenerator(1, "it's"), PhiloxBitGenerator(5, "a").jumped(-1)]
    for generator in [*named, spawned]:
        assert eval(repr(generator)).state == generator.state


def test_signature_is_the_documented_one() -> None:
    assert str(inspect.signature(PhiloxBitGenerator)) == "(seed, stream='')"


def test_a_subclass_makes_its_own_kind() -> None:
    class Mine(PhiloxBitGenerator):
        pass

    assert type(Mine(1).jumped()) is Mine
    assert type(Mine(1).spawn(1)[0]) is Mine
    assert Mine(1).state["bit_generator"] == "Mine"


def test_threads_that_share_a_generator_draw_each_number_once() -> None:
    generator = PhiloxBitGenerator(42)
    rng = np.random.Generator(generator)
    drawn: list[np.ndarray[Any, Any]] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(20):
            drawn.append(rng.integers(0, 2**64, 500, dtype=np.uint64))
            position(generator)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(np.sort(np.concatenate(drawn)), np.sort(pairs(words(42, 0, 0, 2 * 80_000))))


def test_lock_may_be_held_by_the_caller_of_every_method() -> None:
    generator = PhiloxBitGenerator(42)
    with generator.lock:
        generator.state = generator.advance(1).jumped().state
        assert copy.deepcopy(generator).spawn(1)[0].seed == 42


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), TypeError, "positional argument"),
        ((True,), TypeError, "seed must be an integer in [0, 2**64), got True"),
        ((1, "\ud800"), ValueError, "stream must be encodable in UTF-8"),
        ((None,), TypeError, "seed must be an integer in [0, 2**64), got None"),
        ((1.0,), TypeError, "seed must be an integer in [0, 2**64), got 1.0"),
        (("1",), TypeError, "seed must be an integer in [0, 2**64), got '1'"),
        (([1, 2],), TypeError, "seed must be an integer in [0, 2**64), got [1, 2]"),
        ((-1,), ValueError, "seed must be in [0, 2**64), got -1"),
        ((2**64,), ValueError, "seed must be in [0, 2**64), got 18446744073709551616"),
        ((1, 2), TypeError, "stream must be a string, got 2"),
        ((1, None), TypeError, "stream must be a string, got None"),
        ((1, b"a"), TypeError, "stream must be a string, got b'a'"),
        ((-1, 2), ValueError, "seed must be"),
    ],
)
def test_a_wrong_argument_is_named(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        PhiloxBitGenerator(*arguments)


@pytest.mark.parametrize(
    ("method", "value", "error", "message"),
    [
        ("advance", 1.5, TypeError, "delta must be an integer, got 1.5"),
        ("jumped", "1", TypeError, "jumps must be an integer, got '1'"),
        ("spawn", 2.0, TypeError, "n_children must be an integer, got 2.0"),
        ("spawn", -1, ValueError, "n_children must be at least 0, got -1"),
    ],
)
def test_a_wrong_count_is_named(method: str, value: Any, error: type[Exception], message: str) -> None:
    generator = PhiloxBitGenerator(42)
    with pytest.raises(error, match=re.escape(message)):
        getattr(generator, method)(value)
    assert position(generator) == 0


GOOD_PLACE: dict[str, Any] = {"seed": 1, "stream": "a", "jumps": 0, "position": 5}


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        (3, TypeError, "state must be a dict, got 3"),
        ({}, ValueError, "state must have the keys bit_generator, state, got none"),
        (
            {"bit_generator": "PhiloxBitGenerator"},
            ValueError,
            "state must have the keys bit_generator, state, got bit_",
        ),
        (np.random.PCG64(1).state, ValueError, "state must have the keys"),
        ({"bit_generator": "PCG64", "state": GOOD_PLACE}, ValueError, "must be 'PhiloxBitGenerator', got 'PCG64'"),
        (4, TypeError, "state['state'] must be a dict, got 4"),
        ({"seed": 1}, ValueError, "state['state'] must have the keys seed, stream, jumps, position, got seed"),
        ({**GOOD_PLACE, "more": 1}, ValueError, "position, more"),
        ({**GOOD_PLACE, "seed": 2**64}, ValueError, "['seed'] must be in [0, 2**64), got 18446744073709551616"),
        ({**GOOD_PLACE, "seed": "1"}, TypeError, "['seed'] must be an integer in [0, 2**64), got '1'"),
        ({**GOOD_PLACE, "stream": 1}, TypeError, "['stream'] must be a string, got 1"),
        ({**GOOD_PLACE, "spawned": 1}, TypeError, "['spawned'] must be a tuple of pairs (jumps, child), got 1"),
        (
            {**GOOD_PLACE, "spawned": [(0,)]},
            TypeError,
            "['spawned'] must be a tuple of pairs (jumps, child), got [(0,)]",
        ),
        ({**GOOD_PLACE, "spawned": [(0, -1)]}, ValueError, "['spawned'] must be in [0, 2**64), got -1"),
        ({**GOOD_PLACE, "spawned": [("0", 1)]}, TypeError, "['spawned'] must be an integer in [0, 2**64), got '0'"),
        ({**GOOD_PLACE, "jumps": -1}, ValueError, "['jumps'] must be in [0, 2**64), got -1"),
        ({**GOOD_PLACE, "position": 2**66}, ValueError, "['position'] must be in [0, 2**66), got"),
        ({**GOOD_PLACE, "position": 1.0}, TypeError, "['position'] must be an integer in [0, 2**66), got 1.0"),
    ],
)
def test_a_wrong_state_is_named_and_changes_nothing(state: Any, error: type[Exception], message: str) -> None:
    if state == 4 or (isinstance(state, dict) and "seed" in state):
        state = {"bit_generator": "PhiloxBitGenerator", "state": state}
    generator = PhiloxBitGenerator(42, "b").advance(3)
    before = generator.state
    with pytest.raises(error, match=re.escape(message)):
        generator.state = state
    assert generator.state == before


def test_docstring_examples_run() -> None:
    runner = doctest.DocTestRunner()
    documented = [
        PhiloxBitGenerator,
        *(PhiloxBitGenerator.__dict__[n] for n in ("state", "advance", "jumped", "spawn")),
    ]
    for item in documented:
        runner.run(doctest.DocTestParser().get_doctest(item.__doc__, {}, "PhiloxBitGenerator", None, None))
        assert runner.failures == 0
    assert runner.tries == 17
