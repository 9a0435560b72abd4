"""The words against the published known answers of Philox4x32-10, and against NumPy in between."""

import itertools

import numpy as np
import pytest

import weightfill as wf
from tests.philox import words, words_of_blocks
from tests.repository import DATA
from weightfill import _core
from weightfill._arguments.streams import stream_number


def answers():
    lines = (DATA / "philox.txt").read_text().splitlines()
    rows = [[int(word, 16) for word in line.split()] for line in lines if not line.startswith("#")]
    return [(row[:4], row[4:6], row[6:]) for row in rows]


def test_the_table_holds_three_answers():
    assert len(answers()) == 3


@pytest.mark.parametrize(("counter", "key", "expected"), answers())
def test_definition_by_numpy_gives_the_known_answers(counter, key, expected):
    assert words_of_blocks(*(np.array(word, np.uint64) for word in counter), *key).tolist() == expected


@pytest.mark.parametrize(("counter", "key", "expected"), answers())
def test_bit_generator_gives_the_known_answers(counter, key, expected):
    generator = wf.PhiloxBitGenerator(0)
    place = {
        "seed": key[0] | key[1] << 32,
        "stream": "",
        "jumps": counter[2] | counter[3] << 32,
        "position": 4 * (counter[0] | counter[1] << 32),
    }
    generator.state = {"bit_generator": "PhiloxBitGenerator", "state": place}
    interface = generator.ctypes
    assert [interface.next_uint32(interface.state) for _ in range(4)] == expected


@pytest.mark.usefixtures("isa")
def test_kernels_give_the_known_answers_within_their_range():
    given = [(c, k, e) for c, k, e in answers() if c[1] < 2**30]
    assert given
    for counter, key, expected in given:
        first = 4 * (counter[0] | counter[1] << 32)
        found = _core.words(key[0] | key[1] << 32, counter[2] | counter[3] << 32, first, 4)
        assert found.tolist() == expected


def test_kernels_give_the_words_of_numpy(each_isa):
    seeds = (0, 42, 2**32, 0x299F31D0_A4093822, 2**64 - 1)
    numbers = (0, 1, 2**32 - 1, 2**32, 0x03707344_13198A2E, 2**64 - 1)
    firsts = (0, 1, 2**32 - 3, 2**34 - 301, 2**40 + 5, 2**63 - 7, 2**64 - 1005)
    for place in itertools.product(seeds, numbers, firsts):
        expected = words(*place, 1001)
        for isa in each_isa():
            np.testing.assert_array_equal(_core.words(*place, 1001), expected, err_msg=str((isa, place)))


def test_number_of_a_stream_is_its_blake2b_hash():
    # b2sum -l 64 of the name, read as little-endian.
    assert stream_number("") == 0
    assert stream_number("item_table") == int.from_bytes(bytes.fromhex("31af1402f85cbd63"), "little")
    assert stream_number("Größe/0") == int.from_bytes(bytes.fromhex("34c96aee1ba69b62"), "little")
