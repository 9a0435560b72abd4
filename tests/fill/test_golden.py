"""The values of version 1 of the stream, which never change; every target, any number of threads."""

import numpy as np
import pytest

import weightfill as wf
from tests.bits import bits
from tests.golden import checksum, contradictions, read
from tests.repository import DATA
from weightfill import _core
from weightfill._arguments.streams import stream_number

RANGES = [part for name in ("stream_v1.txt", "laws_v1.txt") for part in read(DATA / name)]
LAWS = list(dict.fromkeys(part.law for part in RANGES))


def of_law(law):
    return [part for part in RANGES if part.law == law]


def test_this_is_version_1_of_the_stream():
    assert _core.STREAM_VERSION == 1


def test_golden_file_has_every_law_with_every_dtype():
    assert len({(part.law, part.dtype) for part in RANGES}) == 6 * len(LAWS)
    assert sum(len(part.bits) for part in RANGES) > 1000
    assert sum(part.checksum is not None for part in RANGES) == 6 * len(LAWS)


def test_streams_of_the_golden_file_have_the_numbers_of_their_names():
    for part in RANGES:
        assert stream_number(part.name) == part.number


@pytest.mark.parametrize("law", LAWS)
def test_golden_values_are_what_the_laws_promise(law):
    assert [text for part in of_law(law) for text in contradictions(part)] == []


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("law", LAWS)
def test_fills_give_the_golden_values(law):
    for part in of_law(law):
        if part.checksum is None:
            assert tuple(bits(part.fill()).tolist()) == part.bits, part


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("law", LAWS)
def test_fills_of_a_million_elements_have_the_golden_checksum(law, threads):
    for part in of_law(law):
        if part.checksum is not None:
            assert checksum(part.fill(threads=threads)) == part.checksum, part


def test_verify_accepts_the_golden_values():
    for part in RANGES:
        if part.kind == "normal" and part.bits:
            values = np.array(part.bits, f"u{part.dtype.itemsize}").view(part.dtype)
            init = wf.Normal(*part.parameters)
            assert wf.verify(values, init, seed=part.seed, stream=part.name, shape=2**64, start=part.first)
