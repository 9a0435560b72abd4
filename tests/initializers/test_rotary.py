"""Frequencies of rotary embeddings: as papers write them, whole and in parts."""

import re

import numpy as np
import pytest

import weightfill as wf
from tests.bits import assert_same_bits, codes
from tests.initializers.rotary_formulas import FORMULAS
from tests.repository import DATA

GOLDEN = [line for line in (DATA / "rotary_v1.txt").read_text().splitlines() if not line.startswith("#")]


def test_golden_values_of_rotary_frequencies_never_change():
    for line in GOLDEN:
        init, _, rest = line.partition(" | ")
        dtype, _, values = rest.partition(" -> ")
        assert codes(wf.create(16, init, dtype=dtype)) == values.split(), line
    assert len(GOLDEN) == 6 * 6


@pytest.mark.parametrize("init", FORMULAS, ids=str)
def test_frequencies_are_those_of_the_papers(init):
    expected = FORMULAS[init](16)
    np.testing.assert_allclose(wf.create(16, init), expected, rtol=1e-6)
    np.testing.assert_allclose(wf.create(16, init, dtype="float64"), expected, rtol=1e-14)


@pytest.mark.parametrize("init", FORMULAS, ids=str)
def test_parts_are_those_of_the_full_tensor(init, dtype):
    tensor = wf.Tensor((3, 16), init, dtype=dtype)
    whole = np.asarray(tensor)
    assert_same_bits(whole, np.broadcast_to(wf.create(16, init, dtype=dtype), (3, 16)))
    assert_same_bits(tensor.fill(np.empty((2, 5), dtype), start=(1, 7)), whole[1:3, 7:12])
    assert_same_bits(tensor[:, 14:2:-3], whole[:, 14:2:-3])
    assert tensor.verify(whole[2:], start=(2, 0))


def test_narrow_types_are_float32_rounded_once(dtype):
    for init in FORMULAS:
        if dtype != np.float64:
            assert_same_bits(wf.create(16, init, dtype=dtype), wf.create(16, init).astype(dtype), init)


def test_a_ramp_of_no_width_is_a_step():
    init = wf.Rotary(1e4, scaling="yarn", factor=4.0, original_max_position_embeddings=7, beta_fast=1.01, truncate=True)
    expected = wf.create(16, wf.Rotary()) / np.float32(4)
    expected[0] = 1
    np.testing.assert_allclose(wf.create(16, init)[1:], expected[1:], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: wf.Rotary(1), ValueError, "base must be greater than 1, got 1.0"),
        (
            lambda: wf.Rotary(scaling="ntk"),
            ValueError,
            "scaling must be one of 'none', 'linear', 'llama3', 'yarn', 'lo",
        ),
        (
            lambda: wf.Rotary(factor=2),
            ValueError,
            "factor must be left out unless scaling is 'linear' or 'llama3' or 'y",
        ),
        (
            lambda: wf.Rotary(scaling="linear", beta_fast=2.0),
            ValueError,
            "beta_fast must be left out unless scaling is 'yarn', got 2.0",
        ),
        (lambda: wf.Rotary(scaling="linear", factor=0), ValueError, "factor must be greater than 0, got 0.0"),
        (
            lambda: wf.Rotary(scaling="llama3", low_freq_factor=4),
            ValueError,
            "high_freq_factor must be greater than low_freq_factor, 4.0, got 4.0",
        ),
        (lambda: wf.Rotary(scaling="yarn", truncate=0.5), TypeError, "truncate must be True or False, got 0.5"),
        (lambda: wf.Rotary(scaling="longrope", factors=2.0), TypeError, "factors must be a tuple of numbers, got 2.0"),
        (
            lambda: wf.Rotary(scaling="longrope", factors=(1, 0)),
            ValueError,
            "factors must be finite and greater than 0",
        ),
        (
            lambda: wf.create(4, wf.Rotary(scaling="longrope", factors=(1, 2))),
            ValueError,
            "factors must have as many numbers as the last dimension of (4,), got 2",
        ),
        (lambda: wf.create((), wf.Rotary()), ValueError, "shape must have at least 1 dimension for Rotary("),
    ],
)
def test_wrong_parameters_are_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()
