import json

import numpy as np
import pytest
from matplotlib import image

import weightfill as wf
from weightfill import signals
from weightfill.signals import Parametrization
from weightfill.signals._widths import _Adam

QUICK = {"widths": (32, 256), "seeds": 2, "steps": 3, "seed": 1}


def test_standard_parametrization_grows_with_the_width_under_adam():
    found = signals.coordinate_check("standard", widths=(64, 512), seeds=1, steps=4, seed=1)
    assert np.abs(found.exponents[0]).max() < 0.2
    assert found.exponents[-1].max() > 0.3
    assert "grows like width^" in found.verdict


def test_maximal_update_parametrization_stays_flat():
    found = signals.coordinate_check("mup", **QUICK)
    assert np.abs(found.exponents[-1]).max() < 0.2
    assert found.verdict.startswith("flat: no layer changes by more than width^")
    assert found.exponents[0, -1] == pytest.approx(-0.5, abs=0.2)  # the output begins small, and grows to one size


def test_a_rule_of_ones_own_is_used():
    def rule(width):
        plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.Normal(std=1 / width)}, seed=5)
        return Parametrization([10, width, 4], plan, {"layer1": 0.0, "layer2": 0.0})

    found = signals.coordinate_check(rule, widths=[128, 32], seeds=1, steps=1, optimizer="sgd")
    assert found.widths == (32, 128)
    assert found.sizes[0] == pytest.approx(found.sizes[1])
    assert found.exponents[0] == pytest.approx([-1.0, -1.5], abs=0.25)


def test_adam_moves_by_the_rate_at_first():
    adam = _Adam()
    assert adam.step(np.array([3.0, -1e-3])) == pytest.approx([1, -1], rel=1e-4)
    second = (0.9 * 0.1 * 3 + 0.1 * 1) / (1 - 0.9**2) / np.sqrt((0.999 * 0.001 * 9 + 0.001 * 1) / (1 - 0.999**2))
    assert adam.step(np.array([1.0, 1e-3]))[0] == pytest.approx(second)


def test_report_shows_layers_before_and_after():
    found = signals.coordinate_check("mup", **QUICK)
    lines = str(found).splitlines()
    assert lines[0] == "64,32x3,10 to 64,256x3,10 relu, 3 steps of adam"
    assert [line.split()[:2] for line in lines[2:10]] == [[s, f"layer{n}"] for s in "03" for n in (1, 2, 3, 4)]
    read = json.loads(found.to_json())
    assert np.shape(read["sizes"]) == (4, 4, 2)
    assert read["verdict"] == found.verdict == lines[-1]


def test_no_power_is_minus_zero():
    sizes = np.array([[[1.0, 0.999]], [[1.0, 0.98]]])
    found = signals.CoordinateCheck("title", (64, 128), ("layer1",), sizes, np.zeros_like(sizes))
    assert [row["grows like"] for row in found.rows()] == ["width^0.00", "width^-0.03"]


def test_overflow_is_said():
    def rule(width):
        return Parametrization([4, width, width, 2], wf.Normal(std=1e25), 1.0)

    found = signals.coordinate_check(rule, widths=(8, 16), seeds=1, steps=1)
    assert found.verdict.endswith("is 0 or overflows after 1 steps")
    json.loads(found.to_json())


@pytest.mark.parametrize(
    ("rule", "options", "error", "message"),
    [
        ("mupp", {}, ValueError, "rule must be one of 'standard', 'mup', got 'mupp'"),
        (3, {}, TypeError, r"rule must be a callable\(width\), 'standard' or 'mup', got 3"),
        (lambda width: 3, {}, TypeError, "rule must return a Parametrization, got 3 for a width of 64"),
        ("mup", {"widths": (64,)}, ValueError, r"widths must be at least 2 different ones, .* got \(64,\)"),
        ("mup", {"widths": 64}, TypeError, "widths must be a sequence of integers, got 64"),
        ("mup", {"widths": "64,128"}, TypeError, "widths must be a sequence of integers, got '64,128'"),
        ("mup", {"seed": 1.5}, TypeError, "seed must be an integer, got 1.5"),
        ("mup", {"widths": (0, 64)}, ValueError, "widths must be at least 2 different ones"),
        ("mup", {"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ("mup", {"seeds": 0}, ValueError, "seeds must be at least 1, got 0"),
        ("mup", {"optimizer": "lion"}, ValueError, "optimizer must be one of 'adam', 'sgd', got 'lion'"),
        (lambda w: Parametrization([4, w], "normal", {}), {}, ValueError, "rate must have one for each of layer1, got"),
        (lambda w: Parametrization([4, w], "normal", -1), {}, ValueError, "rate must be finite and at least 0, got -1"),
        (lambda w: Parametrization([4] * (w // 32), "normal", 1), {}, ValueError, "rule must give networks of one"),
    ],
)
def test_coordinate_check_refuses(rule, options, error, message):
    with pytest.raises(error, match=message):
        signals.coordinate_check(rule, **options)


def test_picture_is_written_once_unless_replaced(tmp_path):
    found = signals.coordinate_check("mup", widths=(8, 16), seeds=1, steps=1)
    path = tmp_path / "found.png"
    found.png(path)
    assert image.imread(path).std() > 0.05  # something is drawn
    with pytest.raises(FileExistsError):
        found.png(path)
    found.png(path, replace=True)
    with pytest.raises(ValueError, match=r"path must end in \.png, got"):
        found.png(tmp_path / "found.svg")
    assert [one.name for one in tmp_path.iterdir()] == ["found.png"]
