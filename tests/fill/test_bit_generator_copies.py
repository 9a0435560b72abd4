"""PhiloxBitGenerator: state, copies, children, and what stands for a SeedSequence."""

import copy
import hashlib
import pickle
from typing import Any

import numpy as np
import pytest

from tests.fill.generators import children_of, next_word, pairs, position
from tests.philox import number_of, words
from weightfill import PhiloxBitGenerator


def spawned_number(parent: int, child: int) -> int:
    message = parent.to_bytes(8, "little") + child.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(message, digest_size=8, person=b"spawn").digest(), "little")


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
