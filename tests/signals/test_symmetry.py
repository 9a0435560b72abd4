import json
import sys

import numpy as np
import pytest
from matplotlib import image

import weightfill as wf
from weightfill import signals
from weightfill.signals._symmetry import distinct_units

CASES = {"zeros": wf.Zeros(), "equal": wf.Constant(0.1), "random": wf.Normal(std=0.01)}


@pytest.fixture(scope="module")
def found():
    return signals.symmetry(CASES, steps=60, seed=3)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_from_zeros_only_the_last_bias_learns(activation):
    case = signals.symmetry({"zeros": wf.Zeros()}, activation=activation, steps=40, seed=3)
    zeros = case.cases["zeros"]
    assert set(zeros.units) == {1}
    assert set(zeros.rank) == {0}
    assert not zeros.weight.any()
    assert zeros.accuracy[-1] == pytest.approx(case.majority, abs=0.05)


def test_equal_units_stay_equal_and_change_in_one_direction(found):
    equal = found.cases["equal"]
    assert set(equal.units) == {1}
    assert set(equal.rank) == {1}
    assert np.linalg.matrix_rank(equal.weight - 0.1, rtol=1e-9) == 1


def test_logistic_units_from_zeros_stay_equal_but_move():
    zeros = signals.symmetry({"zeros": wf.Zeros()}, activation="logistic", steps=60, seed=3).cases["zeros"]
    assert set(zeros.units) == {1}
    assert zeros.rank[-1] == 1
    assert zeros.weight.any()


def test_random_units_differ_and_learn(found):
    random = found.cases["random"]
    assert set(random.units) == {32}
    assert random.rank[0] == 32
    assert random.accuracy[-1] > 0.8 > 0.4 > found.cases["equal"].accuracy[-1]


def test_random_biases_alone_break_the_symmetry():
    found = signals.symmetry({"biases": (wf.Constant(0.1), wf.Normal(std=0.1))}, steps=5, seed=3)
    assert found.cases["biases"].units[-1] == 32


def test_weights_begin_as_the_tensors_of_their_streams():
    samples = np.arange(12.0).reshape(4, 3)
    found = signals.symmetry(
        {"normal": wf.Normal()}, data=(samples, np.array([0, 1, 0, 1])), hidden=5, steps=1, rate=1e-300, seed=7
    )
    expected = wf.create((5, 3), wf.Normal(), seed=7, stream="layer1.weight", dtype="float64")
    assert found.cases["normal"].weight == pytest.approx(expected)


def test_the_same_seed_gives_the_same_curves(found):
    again = signals.symmetry(CASES, steps=60, seed=3)
    other = signals.symmetry(CASES, steps=60, seed=4)
    assert (again.cases["random"].weight == found.cases["random"].weight).all()
    assert (other.cases["random"].weight != found.cases["random"].weight).any()


def test_report_shows_each_case(found):
    text = str(found)
    assert text.splitlines()[0] == "64,32,10 tanh, 60 steps of 100 samples, rate 0.5"
    assert [line.split()[0] for line in text.splitlines()[2:5]] == list(CASES)
    assert "1, then 1 of 32" in text
    read = json.loads(found.to_json())
    assert read["cases"]["random"]["units"][-1] == 32
    assert found.problems == (
        "zeros: 1 of 32 units differ after 60 steps",
        "equal: 1 of 32 units differ after 60 steps",
    )
    assert "<td>zeros</td>" in found._repr_html_()


def test_default_cases_are_four_initializers_with_two_biases():
    assert list(signals.symmetry(steps=1).cases) == [
        f"{init}, bias {bias}"
        for init in ("Zeros()", "Constant(0.1)", "Normal(std=0.01)", "XavierNormal()")
        for bias in ("0", "0.01")
    ]


def test_progress_counts_steps():
    seen = []
    signals.symmetry(CASES, steps=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 12) for done in range(1, 13)]


def test_units_closer_than_rounding_are_one():
    weight = np.ones((4, 3))
    weight[1] += 1e-13
    weight[2] += 1e-6
    assert distinct_units(weight, np.zeros(4)) == 2
    assert distinct_units(weight, np.array([0, 0, 0, 1.0])) == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cases": {}}, ValueError, "cases must have at least one initializer, got none"),
        ({"cases": {"a": (wf.Zeros(),)}}, ValueError, r"cases\['a'\] must be an initializer or a pair of them"),
        ({"cases": {"a": 3}}, TypeError, r"cases\['a'\] must be an initializer"),
        ({"cases": {"a": wf.Sparse(1000)}}, ValueError, r"cases\['a'\], layer1.weight: "),
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"batch": 0}, ValueError, "batch must be at least 1, got 0"),
        ({"rate": 0}, ValueError, "rate must be finite and greater than 0, got 0"),
        ({"rate": "1"}, TypeError, "rate must be a number, got '1'"),
        ({"rate": 1e300}, FloatingPointError, r"rate must be smaller, got 1e\+300: the weights overflow by step"),
        ({"hidden": [32, 16]}, TypeError, r"hidden must be a number of units, or text such as '32,16', got \[32, 16\]"),
        ({"hidden": 0}, ValueError, "sizes must be at least 1"),
        ({"activation": "tan"}, ValueError, "activation must be one of"),
        ({"data": 3}, TypeError, r"data must be a pair \(samples, classes\), got 3"),
        ({"data": (np.ones((3, 2)), np.ones(2, int))}, ValueError, "data must be of shapes"),
        ({"data": (np.ones((0, 2)), np.ones(0, int))}, ValueError, "data must have samples"),
        ({"data": (np.ones((1, 2)), np.ones(1, int))}, ValueError, "data must have at least 2 samples, got 1"),
        ({"data": (np.ones((3, 2)), np.ones(3))}, TypeError, "data must have classes as integers, got float64"),
        ({"data": (np.full((3, 2), np.nan), np.ones(3, int))}, ValueError, "data must be finite"),
        ({"data": (np.ones((3, 2)), np.array([0, -1, 1]))}, ValueError, "data must have classes from 0"),
        ({"seed": -1}, ValueError, "seed must be"),
    ],
)
def test_symmetry_refuses(options, error, message):
    with pytest.raises(error, match=message):
        signals.symmetry(**options)


def test_without_scikit_learn_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        ImportError, match=r"data must be given without scikit-learn.*pip install 'weightfill\[signals\]'"
    ):
        signals.symmetry()


def test_picture_is_written_once_unless_replaced(tmp_path):
    found = signals.symmetry(CASES, steps=3, hidden=4)
    path = tmp_path / "found.png"
    found.png(path)
    assert image.imread(path).std() > 0.05  # something is drawn
    with pytest.raises(FileExistsError):
        found.png(path)
    found.png(path, replace=True)
    with pytest.raises(ValueError, match=r"path must end in \.png, got"):
        found.png(tmp_path / "found.svg")
    assert [one.name for one in tmp_path.iterdir()] == ["found.png"]
