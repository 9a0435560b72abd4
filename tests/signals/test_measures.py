import math

import numpy as np
import pytest

from weightfill.signals._measures import compared, evenly_taken, moments, spread


@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e-15, 1.0, 1e15, 1e30])
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_moments_are_right_at_every_scale(scale, mean):
    values = ((np.random.default_rng(1).standard_normal((70, 1000)) + mean) * scale).astype(np.float32)
    exact = values.astype(np.float64)
    found = moments(values)
    assert found[0] == pytest.approx(exact.mean(), rel=1e-6, abs=1e-7 * scale)
    assert found[1] == pytest.approx(exact.std(), rel=1e-5)
    assert found[2] == pytest.approx(math.sqrt(np.square(exact).mean()), rel=1e-6)


def test_moments_of_special_values():
    assert moments(np.zeros((3, 5), np.float32)) == (0, 0, 0)
    assert math.isnan(moments(np.zeros(0, np.float32))[1])
    assert not math.isfinite(moments(np.float32([1, np.inf]))[1])
    assert math.isnan(moments(np.float32([1, np.nan]))[1])


@pytest.mark.parametrize("shape", [(4096, 64), (300, 512), (512, 3, 16, 16), (70_000,)])
def test_values_are_taken_evenly_from_all_units(shape):
    units = np.broadcast_to(np.arange(shape[-1], dtype=np.float32), shape)
    some = evenly_taken(np.ascontiguousarray(units))
    assert some.size <= 1 << 16
    counts = np.bincount(some.astype(int), minlength=shape[-1])
    assert counts.min() >= 1 or shape[-1] > some.size
    assert counts.max() - counts.min() <= 1


def test_a_histogram_counts_every_finite_value():
    values = np.random.default_rng(2).standard_normal(5000).astype(np.float32)
    values[7] = np.inf
    found = spread(values).histogram
    assert found.counts.sum() == 4999
    assert len(found.edges) == len(found.counts) + 1
    assert found.edges[0] == pytest.approx(-3.1, abs=0.4)


def test_a_unit_that_changes_in_one_value_is_not_dead():
    values = np.zeros((900, 4, 5), np.float32)
    values[:, 1] = 7
    values[899, 2, 4] = 1
    assert compared(values).dead == 0.75


def test_many_samples_and_features_are_compared_by_some():
    three = np.random.default_rng(3).standard_normal((3, 5000)).astype(np.float32)
    found = compared(np.repeat(three, 400, axis=0))
    assert found.effective_rank == pytest.approx(3, rel=0.02)
    assert found.correlation == pytest.approx(1 / 3, abs=0.05)
