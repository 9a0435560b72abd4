"""Pictures of reports: what is drawn is what was measured, and files are whole or not there."""

import importlib.util
import os

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

import weightfill as wf
from weightfill import signals
from weightfill.signals._picture import chosen, report_picture


@pytest.fixture
def figures(monkeypatch):
    """Keeps the figures that are drawn."""
    kept = []
    drawn = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **o: (kept.append(self), drawn(self, *a, **o))[1])
    return kept


def report_of(init, sizes="60x8", activation="tanh"):
    return signals.propagation(sizes, activation, init, samples=40, seed=1)


def lines_of(axes):
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in axes.get_lines()}


def test_dots_are_measured_and_the_line_is_predicted(tmp_path, figures):
    report = report_of(wf.Normal(std=0.02))
    report.png(tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    upper, lower, _, gradients = figures[0].axes
    assert report.verdict in [text.get_text().replace("\n", " ") for text in figures[0].texts]
    assert [label.get_text() for label in upper.get_yticklabels()] == [layer.name for layer in report.layers]
    assert lower.get_yscale() == gradients.get_yscale() == "log"
    np.testing.assert_array_equal(lines_of(lower)["measured"], [layer.std for layer in report.layers])
    np.testing.assert_array_equal(lines_of(lower)["predicted"], [layer.predicted_std for layer in report.layers])
    np.testing.assert_array_equal(lines_of(gradients)["measured"], [layer.grad_std for layer in report.layers])
    assert "0 in float8 e4m3" in [text.get_text() for text in lower.texts]


def test_what_changes_little_has_a_plain_axis_from_zero(tmp_path, figures):
    report_of(wf.XavierNormal()).png(tmp_path / "p.png")
    lower = figures[0].axes[1]
    assert lower.get_yscale() == "linear"
    assert lower.get_ylim()[0] == 0


@pytest.mark.parametrize(
    ("init", "sizes", "activation"),
    [
        (wf.Zeros(), "30x4", "tanh"),
        (wf.Normal(std=1e4), "30x20", "relu"),
        (wf.Normal(std=1e-9), "30x20", "linear"),
        (wf.XavierNormal(), "1,1", "tanh"),
        (wf.KaimingNormal(), "2@5x5,3c3,4", "gelu"),
    ],
)
def test_any_network_has_a_picture(init, sizes, activation, tmp_path):
    report = report_of(init, sizes, activation)
    report.png(tmp_path / "p.png")
    signals.compare({"a": report, "b$^": report}).png(tmp_path / "c.png")
    for name in ("p.png", "c.png"):
        pixels = matplotlib.image.imread(tmp_path / name)
        assert 0.01 < np.mean(pixels[..., :3].min(-1) < 0.9) < 0.5


def test_deep_networks_show_layers_evenly():
    layers = list(range(1, 52))
    assert chosen(layers, 10) == [1, 7, 12, 18, 23, 29, 34, 40, 45, 51]
    assert chosen(layers[:4], 10) == [1, 2, 3, 4]


def test_layers_without_gradients_and_histograms_have_a_picture(tmp_path, figures):
    layer = signals.LayerSignal("fc", 0.0, 1.0, 1.0)
    report_picture(tmp_path / "p.png", signals.Report((layer,), "by hand"), replace=False)
    assert len(figures[0].axes) == 2


def test_comparison_draws_all_in_common_axes(tmp_path, figures):
    reports = {name: report_of(name) for name in ("xavier_normal", "Normal(std=0.02)", "zeros")}
    signals.compare(reports).png(tmp_path / "c.png")
    *panels, forward, backward = figures[0].axes
    assert len(panels) == 6
    assert [axes.get_title() for axes in panels[:3]] == list(reports)
    for axes, what in ((forward, "std"), (backward, "grad_std")):
        for name, report in reports.items():
            expected = np.array([getattr(layer, what) for layer in report.layers])
            np.testing.assert_array_equal(lines_of(axes)[name], np.where(expected > 0, expected, np.nan))
    assert "60,60x7 tanh: does the signal survive?" in [text.get_text() for text in figures[0].texts]


def test_files_of_pictures_are_replaced_only_if_asked(tmp_path, monkeypatch):
    report = report_of(wf.XavierNormal(), "9x3")
    for thing in (report, signals.compare({"a": report})):
        path = tmp_path / f"{type(thing).__name__}.png"
        thing.png(path)
        with pytest.raises(FileExistsError):
            thing.png(path)
        thing.png(str(path), replace=True)
        with pytest.raises(ValueError, match="path must end in .png, got 'p.jpg'"):
            thing.png("p.jpg")
        with pytest.raises(FileNotFoundError):
            thing.png(tmp_path / "none" / "p.png")
    assert sorted(os.listdir(tmp_path)) == ["Comparison.png", "Report.png"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pictures need matplotlib: pip install 'weightfill\[signals\]'"):
        report.png(tmp_path / "q.png")


def test_long_names_lose_their_middle(tmp_path, figures):
    layers = tuple(signals.LayerSignal(f"model.layers.{n}.mlp.down_proj", 0.0, 1.0, 1.0) for n in range(3))
    report_picture(tmp_path / "p.png", signals.Report(layers, "by hand"), replace=False)
    assert figures[0].axes[0].get_yticklabels()[2].get_text() == "model.l...wn_proj"
