"""PhiloxBitGenerator: its words, its place in the stream, and that it behaves as NumPy's own generators do."""

import copy
import ctypes
import doctest
import hashlib
import inspect
import pickle
import re
import threading
from typing import Any

import numpy as np
import pytest

import weightfill
from tests.philox import number_of, words
from weightfill import PhiloxBitGenerator

STREAM_WORDS = 2**66


def spawned_number(parent: int, child: int) -> int:
    message = parent.to_bytes(8, "little") + child.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(message, digest_size=8, person=b"spawn").digest(), "little")


def children_of(generator: PhiloxBitGenerator) -> tuple[Any, ...]:
    """How the generator was spawned: (jumps, child) from the named stream on."""
    spawned: tuple[Any, ...] = generator.state["state"]["spawned"]
    return spawned


def pairs(all_words: np.ndarray[Any, np.dtype[np.uint32]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    wide = all_words.astype(np.uint64)
    joined: np.ndarray[Any, np.dtype[np.uint64]] = wide[0::2] | wide[1::2] << np.uint64(32)
    return joined


def at(seed: int, stream: str = "", jumps: int = 0, position: int = 0) -> PhiloxBitGenerator:
    generator = PhiloxBitGenerator(0)
    place = {"seed": seed, "stream": stream, "jumps": jumps, "position": position}
    generator.state = {"bit_generator": "PhiloxBitGenerator", "state": place}
    return generator


def next_word(generator: PhiloxBitGenerator) -> int:
    interface = generator.ctypes
    return int(interface.next_uint32(interface.state))


def position(generator: PhiloxBitGenerator) -> int:
    return generator.state["state"]["position"]


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


def test_state_restores_the_generator() -> None:
    generator = PhiloxBitGenerator(42, "a").jumped(2)
    next_word(generator)
    generator.random_raw(33, output=False)
    saved = generator.state
    assert saved == {
        "bit_generator": "PhiloxBitGenerator",
        "state": {"seed": 42, "stream": "a", "spawned": (), "jumps": 2, "position": 67},
    }
    expected = generator.random_raw(50)
    for other in (generator, PhiloxBitGenerator(1, "b")):
        other.state = saved
        assert other.state == saved
        assert (other.seed, other.stream) == (42, "a")
        np.testing.assert_array_equal(other.random_raw(50), expected)


def test_the_state_returned_is_a_copy() -> None:
    generator = PhiloxBitGenerator(42)
    generator.state["state"]["position"] = 8
    assert position(generator) == 0


@pytest.mark.parametrize("duplicate", [lambda g: pickle.loads(pickle.dumps(g)), copy.deepcopy, copy.copy])
def test_copies_go_on_where_the_original_is(duplicate: Any) -> None:
    generator = PhiloxBitGenerator(42, "a").jumped()
    next_word(generator)
    generator.spawn(2)
    twin = duplicate(generator)
    assert type(twin) is PhiloxBitGenerator
    assert twin.state == generator.state
    expected = generator.random_raw(5)
    np.testing.assert_array_equal(twin.random_raw(5), expected)
    assert children_of(twin.spawn(1)[0]) == ((1, 2),)


@pytest.mark.parametrize("duplicate", [lambda rng: pickle.loads(pickle.dumps(rng)), copy.deepcopy])
def test_a_numpy_generator_on_it_can_be_copied(duplicate: Any) -> None:
    rng = np.random.Generator(PhiloxBitGenerator(42, "a").advance(3))
    rng.spawn(1)
    twin = duplicate(rng)
    assert twin.bit_generator is not rng.bit_generator
    assert twin.random() == rng.random()
    assert children_of(twin.spawn(1)[0].bit_generator) == ((0, 1),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol_keeps_the_state(protocol: int) -> None:
    generator = PhiloxBitGenerator(2**64 - 1, "a").advance(-1)
    assert pickle.loads(pickle.dumps(generator, protocol)).state == generator.state


def test_children_are_known_by_the_parents_stream_and_their_number() -> None:
    first = PhiloxBitGenerator(42, "workers")
    first.random_raw(5, output=False)
    children = first.spawn(2) + first.spawn(1)
    assert [children_of(child) for child in children] == [((0, 0),), ((0, 1),), ((0, 2),)]
    for number, child in enumerate(children):
        assert (child.seed, child.stream) == (42, "workers")
        expected = words(42, spawned_number(number_of("workers"), number), 0, 20)
        np.testing.assert_array_equal(child.random_raw(10), pairs(expected))
    grandchild = children[0].spawn(2)[1]
    expected = words(42, spawned_number(spawned_number(number_of("workers"), 0), 1), 0, 20)
    np.testing.assert_array_equal(grandchild.random_raw(10), pairs(expected))


def test_no_child_is_a_stream_that_has_a_name_or_that_is_spawned_elsewhere() -> None:
    def number(generator: PhiloxBitGenerator) -> int:
        return int(generator.random_raw())

    block = PhiloxBitGenerator(42, "block").spawn(1)[0]
    root = PhiloxBitGenerator(42).spawn(1)[0]
    others = [PhiloxBitGenerator(42, name) for name in ("", "block", "block/0", "/0", "block/0/0", "block+1/0")]
    others += [block, root, block.spawn(1)[0], PhiloxBitGenerator(42, "block/0").spawn(1)[0]]
    others += [PhiloxBitGenerator(42, "block").jumped().spawn(1)[0], PhiloxBitGenerator(42, "block+1").spawn(1)[0]]
    others += [block.jumped()]
    assert len({number(generator) for generator in others}) == len(others)


def test_children_of_a_jumped_generator_differ_from_those_of_the_original() -> None:
    generator = PhiloxBitGenerator(42, "a")
    assert children_of(generator.jumped(3).spawn(1)[0]) == ((3, 0),)
    assert children_of(generator.spawn(1)[0]) == ((0, 0),)
    expected = words(42, spawned_number(number_of("a") + 3, 0), 0, 20)
    np.testing.assert_array_equal(generator.jumped(3).spawn(1)[0].random_raw(10), pairs(expected))


@pytest.mark.parametrize("duplicate", [lambda g: pickle.loads(pickle.dumps(g)), copy.deepcopy, copy.copy])
def test_children_are_copied_restored_advanced_and_jumped_in_their_own_stream(duplicate: Any) -> None:
    child = PhiloxBitGenerator(42, "a").spawn(2)[1].jumped(3).spawn(1)[0].jumped(2).advance(5)
    number = spawned_number(spawned_number(number_of("a"), 1) + 3, 0) + 2
    restored = PhiloxBitGenerator(0)
    restored.state = child.state
    for other in (duplicate(child), restored, child.jumped(0)):
        assert other.state == child.state
        np.testing.assert_array_equal(other.random_raw(10), pairs(words(42, number, 10, 20)))


def test_a_state_without_spawned_is_of_the_named_stream() -> None:
    child = PhiloxBitGenerator(42, "a").spawn(1)[0]
    child.state = {
        "bit_generator": "PhiloxBitGenerator",
        "state": {"seed": 42, "stream": "a", "jumps": 0, "position": 0},
    }
    assert child.state == PhiloxBitGenerator(42, "a").state


# Seed sequences


def test_a_seed_sequence_stands_for_its_first_64_bits() -> None:
    sequence = np.random.SeedSequence(7, spawn_key=(3,))
    generator = PhiloxBitGenerator(sequence, "a")
    seed = int(np.random.SeedSequence(7, spawn_key=(3,)).generate_state(1, np.uint64)[0])
    assert generator.seed_seq is sequence
    assert generator.state == PhiloxBitGenerator(seed, "a").state
    assert children_of(generator.spawn(2)[1]) == ((0, 1),)
    assert sequence.n_children_spawned == 2
    assert copy.deepcopy(generator).spawn(1)[0].state == generator.spawn(1)[0].state
    np.testing.assert_array_equal(
        generator.spawn(1)[0].random_raw(4), pairs(words(seed, spawned_number(number_of("a"), 3), 0, 8))
    )


def test_a_seed_sequence_that_cannot_spawn_is_named() -> None:
    class Fixed(np.random.bit_generator.ISeedSequence):
        def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray[Any, Any]:
            return np.ones(n_words, dtype)

    generator = PhiloxBitGenerator(Fixed())
    assert generator.seed == 1
    with pytest.raises(TypeError, match="seed must be a seed sequence that can spawn, got Fixed; pass a numpy.random"):
        generator.spawn(1)


# numpy.random.RandomState


@pytest.mark.parametrize("duplicate", [lambda rng: pickle.loads(pickle.dumps(rng)), copy.deepcopy, copy.copy])
def test_a_random_state_on_it_can_be_copied(duplicate: Any) -> None:
    rng = np.random.RandomState(PhiloxBitGenerator(1, "a"))
    rng.standard_normal(3)  # the legacy method keeps the second of a pair: gauss
    expected = np.random.RandomState(PhiloxBitGenerator(1, "a")).standard_normal(9)[3:]
    np.testing.assert_array_equal(duplicate(rng).standard_normal(6), expected)


def test_a_random_state_on_it_can_be_restored() -> None:
    rng = np.random.RandomState(PhiloxBitGenerator(1))
    rng.standard_normal(3)
    saved = rng.get_state(legacy=False)
    expected = rng.standard_normal(6)
    other = np.random.RandomState(PhiloxBitGenerator(2, "b"))
    for restored in (rng, other):
        restored.set_state(saved)
        np.testing.assert_array_equal(restored.standard_normal(6), expected)


def test_spawn_counts_as_numpy_does() -> None:
    generators: list[Any] = [PhiloxBitGenerator(42), np.random.PCG64(42)]
    for generator in generators:
        assert generator.spawn(0) == []
        assert len(generator.spawn(3)) == 3
        assert generator.seed_seq.n_children_spawned == 3
        saved = generator.state
        generator.random_raw(4, output=False)
        generator.state = saved
        assert generator.seed_seq.n_children_spawned == 3


def test_generator_spawn_gives_generators_on_the_children() -> None:
    children = np.random.Generator(PhiloxBitGenerator(42, "a")).spawn(2)
    assert [repr(child.bit_generator) for child in children] == [
        "PhiloxBitGenerator(42, 'a').spawn(1)[0]",
        "PhiloxBitGenerator(42, 'a').spawn(2)[1]",
    ]
    assert children[0].random() != children[1].random()


def test_seed_seq_follows_the_seed_and_the_stream() -> None:
    def pool(generator: PhiloxBitGenerator) -> tuple[int, ...]:
        return tuple(generator.seed_seq.generate_state(4).tolist())

    a = PhiloxBitGenerator(42, "a")
    assert isinstance(a.seed_seq, np.random.SeedSequence)
    assert pool(a) == pool(PhiloxBitGenerator(42, "a").advance(3))
    others = [PhiloxBitGenerator(43, "a"), PhiloxBitGenerator(42, "b"), PhiloxBitGenerator(42), a.jumped()]
    assert len({pool(generator) for generator in [a, *others, *a.spawn(2)]}) == 7
    changed = PhiloxBitGenerator(0)
    changed.spawn(2)
    changed.state = a.state
    assert pool(changed) == pool(a)
    assert children_of(changed.spawn(1)[0]) == ((0, 0),)


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
