"""Numbers of streams: BLAKE2b of their names, as hashlib has it."""

from hashlib import blake2b

import pytest

from weightfill import _core
from weightfill._arguments.streams import positions_number, stream_number

NAMES = ["a", "item_table", "Größe/0", "層.0", "x" * 127, "x" * 128, "x" * 129, "é" * 128, "x" * 5000, "a\0b"]


def digest(name, person=b""):
    return int.from_bytes(blake2b(name.encode(), digest_size=8, person=person).digest(), "little")


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_streams_are_blake2b(name):
    for person in (b"", b"positions", b"0123456789abcdef"):
        assert _core.stream_number(name.encode(), person) == digest(name, person)


def test_the_empty_name_has_number_0_and_positions_of_its_own():
    assert stream_number("") == 0
    assert positions_number("") == digest("", b"positions")


def test_positions_have_a_stream_of_their_own():
    assert positions_number("a") == digest("a", b"positions") != stream_number("a")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (None, TypeError, "stream must be a string, got None"),
        (b"a", TypeError, "stream must be a string, got b'a'"),
        ("\ud800", ValueError, r"stream must be encodable in UTF-8, got '\ud800'"),
    ],
)
def test_what_is_no_name_is_refused(name, error, message):
    with pytest.raises(error) as raised:
        stream_number(name)
    assert message in str(raised.value)
