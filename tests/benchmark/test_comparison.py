"""What values that were measured in pairs allow to be said."""

import json
import math
import random

import pytest
from scipy.stats import t

from weightfill.benchmark import Comparison, compare_values
from weightfill.benchmark._comparison import students_t


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 9, 30, 199, 200])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_interval_is_students(freedom, confidence):
    assert students_t(freedom, confidence) == pytest.approx(t.ppf((1 + confidence) / 2, freedom), rel=1e-9)


def test_the_interval_is_that_of_the_logarithms_of_the_ratios():
    result = compare_values([1.0, 2.0, 4.0], [1.1, 1.8, 4.4])
    logarithms = [math.log(1.1), math.log(0.9), math.log(1.1)]
    low, high = t.interval(0.95, 2, loc=sum(logarithms) / 3, scale=math.log(1.1 / 0.9) / 3)
    assert math.log(result.change) == pytest.approx(sum(logarithms) / 3)
    assert [math.log(result.low), math.log(result.high)] == pytest.approx([low, high])
    assert (result.old, result.new, result.pairs, result.confidence, result.allowed) == (2.0, 1.8, 3, 0.95, 0.1)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.5, 0.89, "fell"), (0.5, 0.95, "too noisy"), (0.9, 0.95, "holds"), (1.5, 2.0, "holds"), (0.5, 2.0, "too noisy")],
)
def test_the_verdict_is_about_the_whole_interval(low, high, verdict):
    result = Comparison(1.0, 1.0, (low * high) ** 0.5, low, high, 0.95, 5, 0.1)
    assert result.verdict == verdict
    assert json.loads(result.to_json()) == {
        "old": 1.0,
        "new": 1.0,
        "change": result.change,
        "low": low,
        "high": high,
        "confidence": 0.95,
        "pairs": 5,
        "allowed": 0.1,
        "verdict": verdict,
    }


def test_times_that_grow_are_a_speed_that_falls():
    result = compare_values([1.0, 1.1, 0.9], [2.0, 2.2, 1.8], smaller_is_faster=True)
    assert result.change == pytest.approx(0.5)
    assert result.verdict == "fell"


def test_the_allowed_fall_can_be_chosen():
    old, new = [1.0, 1.0, 1.0], [0.85, 0.85, 0.85]
    assert [compare_values(old, new, allowed=part).verdict for part in (0.1, 0.2)] == ["fell", "holds"]


def test_equal_versions_in_noise_seldom_seem_to_fall():
    source, verdicts = random.Random(1), []
    for _ in range(500):
        drift = [source.uniform(0.5, 1.0) for _ in range(5)]
        old, new = ([d * source.lognormvariate(0, 0.2) for d in drift] for _ in range(2))
        verdicts.append(compare_values(old, new).verdict)
    assert verdicts.count("fell") <= 5  # of 500


def test_twice_the_time_is_seen_through_noise():
    source, verdicts = random.Random(1), []
    for _ in range(500):
        old, new = ([f * source.lognormvariate(0, 0.15) for _ in range(5)] for f in (1.0, 0.5))
        verdicts.append(compare_values(old, new).verdict)
    assert verdicts.count("fell") >= 490  # of 500


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, 2], [1]), ValueError, "new must have as many values as old, a pair each, got 1 and 2"),
        (([1], [1]), ValueError, "old must have at least 2 values, got 1; measure more pairs"),
        (([1, 0], [1, 1]), ValueError, "old must be positive numbers, got 0"),
        (([1, 1], [1, math.nan]), ValueError, "new must be positive numbers, got nan"),
        (([1, 1], [1, "2"]), TypeError, "new must be numbers, got '2'"),
        (([1, 1], [1, True]), TypeError, "new must be numbers, got True"),
    ],
)
def test_values_are_checked(arguments, error, message):
    with pytest.raises(error) as caught:
        compare_values(*arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("allowed", "error", "message"),
    [
        (1, ValueError, "allowed must be in [0, 1), got 1; 0.1 allows a fall of 10 %"),
        (-0.1, ValueError, "allowed must be in [0, 1), got -0.1; 0.1 allows a fall of 10 %"),
        ("10", TypeError, "allowed must be a number in [0, 1), got '10'"),
    ],
)
def test_the_allowed_fall_is_checked(allowed, error, message):
    with pytest.raises(error) as caught:
        compare_values([1, 1], [1, 1], allowed=allowed)
    assert str(caught.value) == message
