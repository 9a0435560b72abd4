"""Counts in bins, and moments, against NumPy's arithmetic on the same numbers."""

import math
import re

import ml_dtypes
import numpy as np
import pytest

import weightfill as wf
from tests.bits import DTYPES
from weightfill import _core
from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._reading.histogram import ASCII, BLOCKS, Histogram, coarser, drawn
from weightfill._reading.summary import Summary


def expected_counts(values, low, high, bins):
    x = np.asarray(values, np.float64).ravel()
    x = x[np.isfinite(x)]
    at = np.clip((x - low) / (high - low) * bins, 0, bins - 1)
    return np.bincount(at.astype(np.int64), minlength=bins)


def core_counts(values, low, high, bins, threads=1):
    return _core.histogram(values, CORE_DTYPES[values.dtype].number, low, high, bins, threads, None)


def with_specials(size, dtype):
    values = wf.create((size,), wf.Normal(std=0.5), seed=1, stream="histogram", dtype=dtype)
    if size > 10:
        values[[1, size // 2]] = math.nan
        values[[0, size - 1]] = 0.0
        if dtype != ml_dtypes.float8_e4m3fn:
            values[[2, 3]] = [math.inf, -math.inf]
    return values


def test_histogram_is_that_of_the_formula_for_every_size(dtype):
    for size in (0, 1, 7, 1023, 1025, 65_535, 65_536, 300_001):
        values = with_specials(size, dtype)
        for bins in ((-1.0, 1.0, 24), (-0.3, 0.1, 1), (-2.0, 2.0, 1000), (5.0, 6.0, 3)):
            found, expected = core_counts(values, *bins), expected_counts(values, *bins)
            np.testing.assert_array_equal(found, expected, err_msg=str((size, bins)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_histogram_is_independent_of_thread_count(dtype):
    values = wf.create((3_000_000,), wf.Normal(), seed=1, dtype=dtype)
    one = core_counts(values, -3.0, 3.0, 96)
    assert one.sum() == values.size
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(core_counts(values, -3.0, 3.0, 96, threads), one)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_histogram_reads_strided_reversed_and_transposed_arrays(dtype):
    values = with_specials(90_000, dtype).reshape(300, 300)
    for view in (values[::2, 1::3], values[::-1, ::-1], values.T, values[5], values[:, 7]):
        np.testing.assert_array_equal(core_counts(view, -1.0, 1.0, 24), expected_counts(view, -1.0, 1.0, 24))


def test_bins_contain_their_lower_edge_and_outer_ones_all_beyond():
    values = np.float32([-9, 0, 0.999, 1, 2, 2.999, 3, 4, 9, math.nan, math.inf, -math.inf])
    assert core_counts(values, 0.0, 4.0, 4).tolist() == [3, 1, 2, 3]


def test_bounds_of_any_size_are_counted_without_overflow():
    huge = np.array([-1.7e308, -1e308, 0.0, 1e308, 1.7e308])
    assert core_counts(huge, -1.7e308, 1.7e308, 4).tolist() == [2, 0, 1, 2]
    tiny = np.array([0.0, 5e-324, 1e-323, 1.5e-323])
    assert core_counts(tiny, 0.0, 1.5e-323, 3).tolist() == [1, 1, 2]


@pytest.mark.parametrize("size", [0, 1, 7, 1023, 65_536, 300_001])
def test_summary_is_that_of_the_finite_elements(dtype, size):
    values = with_specials(size, dtype)
    summary = Summary()
    for block in np.array_split(values, 3):
        summary.add(block, 2)
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    assert summary.total == size
    assert (summary.count, summary.nan, summary.infinite) == (finite.size, np.isnan(wide).sum(), np.isinf(wide).sum())
    assert summary.zeros == np.count_nonzero(wide == 0)
    if finite.size:
        assert (summary.least, summary.greatest) == (finite.min(), finite.max())
        assert summary.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-12)
        assert summary.std == pytest.approx(finite.std(), rel=1e-9)
    else:
        assert set(summary.numbers().values()) == {None}
        assert math.isnan(summary.std)


def test_summary_of_narrow_types_is_exact_and_independent_of_thread_count():
    values = wf.create((3_000_000,), wf.Normal(mean=100, std=0.5), seed=1, dtype=np.float16)
    number = CORE_DTYPES[values.dtype].number
    one = _core.summarize(values, number, 1, None)
    assert [_core.summarize(values, number, threads, None) for threads in (2, 3)] == [one, one]
    assert one[5] == pytest.approx(values.astype(np.float64).std(), rel=1e-12)


def test_merged_summaries_equal_the_summary_of_all():
    values = wf.create((1000,), wf.Normal(mean=3), seed=1)
    parts, whole = Summary(), Summary()
    whole.add(values, 1)
    for block in (values[:1], values[1:1], values[1:700], values[700:]):
        part = Summary()
        part.add(block, 1)
        parts.merge(part)
    assert (parts.total, parts.least, parts.greatest) == (whole.total, whole.least, whole.greatest)
    assert parts.mean == pytest.approx(whole.mean)
    assert parts.std == pytest.approx(whole.std)


def around_mean(values, bins=24):
    summary = Summary()
    summary.add(values, 1)
    histogram = Histogram.around_mean(summary, bins)
    histogram.add(values, 1)
    return summary, histogram


def test_range_is_four_standard_deviations_around_the_mean_clipped_to_the_elements():
    summary, histogram = around_mean(wf.create((100_000,), wf.Normal(mean=1.0, std=0.1), seed=1))
    assert (histogram.low, histogram.high) == pytest.approx((0.6, 1.4), abs=0.01)
    assert histogram.counts.sum() == summary.count
    summary, histogram = around_mean(wf.create((100_000,), wf.Uniform(), seed=1))
    assert (histogram.low, histogram.high) == (summary.least, summary.greatest)


def test_elements_all_alike_have_one_bin():
    for value in (0.0, 0.1, -3e30):
        _, histogram = around_mean(np.full(1000, value, np.float32))
        assert histogram.low == histogram.high == np.float32(value)
        assert histogram.counts.tolist() == [1000]


def test_range_is_that_of_the_elements_where_moments_overflow():
    _, histogram = around_mean(np.array([1e308, -1e308, 0.0]), bins=3)
    assert (histogram.low, histogram.high) == (-1e308, 1e308)
    assert histogram.counts.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("low", "high", "bins", "message"),
    [
        (math.nan, 1.0, 1, "low must be finite, got nan"),
        (-math.inf, 1.0, 1, "low must be finite, got -inf"),
        (0.0, math.inf, 1, "high must be finite and at least low (0.0), got inf"),
        (1.0, 0.0, 1, "high must be finite and at least low (1.0), got 0.0"),
        (0.0, math.nan, 1, "high must be finite and at least low (0.0), got nan"),
        (0.0, 1.0, 0, "bins must be from 1 to 2^31 - 1, got 0"),
    ],
)
def test_wrong_bounds_and_bins_are_refused(low, high, bins, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Histogram(low, high, bins)
    with pytest.raises(ValueError, match="summary must have a finite element, got none"):
        Histogram.around_mean(Summary(), 24)


def test_only_empty_bins_are_drawn_blank():
    assert drawn(np.array([0, 1, 500, 1000], np.uint64)) == " ▁▄█"
    assert drawn(np.array([0, 1, 500, 1000], np.uint64), ASCII) == " .=@"
    assert drawn(np.array([7], np.uint64)) == "█"
    assert drawn(np.zeros(3, np.uint64)) == "   "
    assert len(BLOCKS) == len(ASCII)


def test_coarser_bins_hold_the_same_elements():
    counts = np.arange(96, dtype=np.uint64)
    assert coarser(counts, 24).tolist() == [16 * i + 6 for i in range(24)]
    assert coarser(np.array([5], np.uint64), 24).tolist() == [5]
