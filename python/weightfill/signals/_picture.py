"""Pictures of signals: histograms by layer, and standard deviations by depth, measured beside predicted."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from weightfill._arguments.messages import printable, shortened
from weightfill._files.pictures import check_picture, new_figure, write_picture
from weightfill.signals._layers import LayerSignal
from weightfill.signals._measures import LIMITS, Histogram
from weightfill.signals._verdict import KEPT

_EXTRA = "signals"
_MOST_RIDGES = 10
_MOST_DECADES = 40.0  # of an axis
_SMALLEST = 1e-50  # below all float32: an axis of zeros
_SPIKE = 3.0  # times as many values as in any other bin have a bin cut off, as that of the zeros of rectified units
_LABELS = 20  # that have room beside an axis
_PREDICTED, _LIMIT, _BAND = "0.25", "tab:red", "tab:green"
_LINES = ("tab:blue", "tab:orange", "tab:purple", "tab:red", "tab:brown", "tab:cyan", "tab:olive", "tab:gray")
_MARKS = "osD^v*<>"
_SHORT = {"float8_e4m3fn": "float8 e4m3", "float8_e5m2": "float8 e5m2"}

Stds = Sequence["float | None"]


class Pictured(Protocol):
    """What a picture needs of a report."""

    @property
    def layers(self) -> tuple[LayerSignal, ...]: ...
    @property
    def title(self) -> str: ...
    @property
    def verdict(self) -> str: ...


def report_picture(path: str | os.PathLike[str], report: Pictured, *, replace: bool) -> None:
    """Write a picture of one network: histograms of outputs and gradients, and below them their deviations.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: `path` does not end in .png.
        OSError: the file cannot be written, or exists and `replace` is false.
    """
    check_picture(path, replace=replace, extra=_EXTRA)
    layers = report.layers
    shown = chosen(layers, _MOST_RIDGES)
    gradients = any(not math.isnan(layer.grad_std) for layer in layers)
    columns = 2 if gradients else 1
    ridges = 0.5 + 0.3 * max(len(shown), 3)
    figure = new_figure(5.5 * columns, 3.6 + ridges + 1.2)
    width, height = figure.get_size_inches()
    _headings(figure, report.verdict, report.title)
    for column, (what, histogram, std, predicted) in enumerate(_WHAT[:columns]):
        left, wide = (0.95 + 5.5 * column) / width, 4.0 / width
        upper = figure.add_axes((left, 3.6 / height, wide, ridges / height))
        _ridges(upper, shown, histogram, std, f"{what} by layer", longest=17)
        lower = figure.add_axes((left, 0.6 / height, wide, 2.3 / height))
        measured = [std(layer) for layer in layers]
        theory = [predicted(layer) for layer in layers]
        ends = _axis(lower, [measured, theory])
        _by_depth(lower, measured, theory)
        _off_axis(lower, measured, ends, "0.3")
        _limits(lower, ends)
        _depth_labels(lower, len(layers), f"std of {what.lower()}")
        lower.legend(fontsize=7, frameon=False, loc="best")
    write_picture(path, figure, replace=replace)


def comparison_picture(path: str | os.PathLike[str], reports: Mapping[str, Pictured], *, replace: bool) -> None:
    """Write a picture of several networks: their histograms in columns, and their deviations in common axes.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: `path` does not end in .png.
        OSError: the file cannot be written, or exists and `replace` is false.
    """
    check_picture(path, replace=replace, extra=_EXTRA)
    columns = len(reports)
    most = max(len(chosen(report.layers, _MOST_RIDGES)) for report in reports.values())
    ridges = 0.3 + 0.17 * max(most, 3)
    figure = new_figure(max(8.5, 2.5 * columns + 0.4), 5.3 + 2 * ridges)
    width, height = figure.get_size_inches()
    top = height - 0.85
    for row, (what, histogram, std, _) in enumerate(_WHAT):
        bottom = top - (row + 1) * ridges - row * 0.75
        for column, (label, report) in enumerate(reports.items()):
            room = (width - 0.75) / columns
            place = ((0.7 + column * room) / width, bottom / height, (room - 0.65) / width, ridges / height)
            axes = figure.add_axes(place)
            title = _wrapped(label, round(room * 9)) if row == 0 else ""
            _ridges(axes, chosen(report.layers, _MOST_RIDGES), histogram, std, title, longest=0 if column else 12)
            axes.set_xlabel(what.lower(), fontsize=7)
    for column, (_, _, std, _) in enumerate(_WHAT):
        wide = (width - 1.6) / 2
        axes = figure.add_axes(((0.75 + column * (wide + 0.7)) / width, 0.9 / height, wide / width, 2.0 / height))
        lines = [[std(layer) for layer in report.layers] for report in reports.values()]
        ends = _axis(axes, lines, least=(KEPT / 10, 10 / KEPT), most_decades=16)
        axes.axhspan(KEPT, 1 / KEPT, color=_BAND, alpha=0.12, linewidth=0)
        for number, (label, line) in enumerate(zip(reports, lines, strict=True)):
            colour, mark = _LINES[number % len(_LINES)], _MARKS[number % len(_MARKS)]
            axes.plot(
                range(1, len(line) + 1),
                [_drawable(value) for value in line],
                color=colour,
                marker=mark,
                markersize=3.5,
                linewidth=1.2,
                label=_wrapped(label, 40),
                fillstyle="none" if len(line) < 30 else "full",
            )
            _off_axis(axes, line, ends, colour, number, columns)
        arrow = "forward: std of activations" if column == 0 else "backward: std of gradients"
        _depth_labels(axes, max(len(report.layers) for report in reports.values()), arrow)
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7.5, ncols=min(columns, 4), loc="lower center", frameon=False)
    titles = {report.title.partition(", ")[0] for report in reports.values()}
    heading = f"{titles.pop()}: does the signal survive?" if len(titles) == 1 else "Does the signal survive?"
    figure.text(0.5, 1 - 0.25 / height, heading, fontsize=11, ha="center", va="center", parse_math=False)
    write_picture(path, figure, replace=replace)


def chosen(layers: Sequence[LayerSignal], most: int) -> list[LayerSignal]:
    """Return at most so many layers, evenly chosen, with the first and the last."""
    if len(layers) <= most:
        return list(layers)
    return [layers[round(number * (len(layers) - 1) / (most - 1))] for number in range(most)]


_WHAT: tuple[
    tuple[
        str,
        Callable[[LayerSignal], Histogram | None],
        Callable[[LayerSignal], float],
        Callable[[LayerSignal], float | None],
    ],
    ...,
] = (
    ("Activations", lambda layer: layer.histogram, lambda layer: layer.std, lambda layer: layer.predicted_std),
    (
        "Gradients",
        lambda layer: layer.grad_histogram,
        lambda layer: layer.grad_std,
        lambda layer: layer.predicted_grad_std,
    ),
)


def _headings(figure: Any, verdict: str, title: str) -> None:
    width, height = figure.get_size_inches()
    lines = _wrapped(verdict, round(width * 10.5))
    figure.text(0.5, 1 - 0.18 / height, lines, fontsize=10.5, ha="center", va="top", parse_math=False)
    below = 0.45 + 0.2 * lines.count("\n")
    figure.text(0.5, 1 - below / height, title, fontsize=8, ha="center", va="top", color="0.35", parse_math=False)


def _wrapped(text: str, characters: int) -> str:
    return "\n".join(textwrap.wrap(text, max(characters, 12), max_lines=2, placeholder=" ..."))


def _ridges(
    axes: Any,
    layers: Sequence[LayerSignal],
    histogram: Callable[[LayerSignal], Histogram | None],
    std: Callable[[LayerSignal], float],
    title: str,
    *,
    longest: int,
) -> None:
    """Draw a histogram for each layer, the first on top, on one axis; beside each its deviation.

    Names have at most `longest` characters; there are none if that is 0.
    """
    from matplotlib import colormaps  # here, as matplotlib is optional

    found = [histogram(layer) for layer in layers]
    seen = [one for one in found if one is not None and one.counts.any()]
    reach = max((float(np.abs(one.edges).max()) for one in seen), default=1.0)
    reach = 1.0 if reach < _SMALLEST else reach
    low = -1.05 * reach if any(one.edges[0] < 0 for one in seen) else -0.05 * reach
    colours = colormaps["viridis"](np.linspace(0.0, 0.85, len(layers)))
    for number, (layer, one) in enumerate(zip(layers, found, strict=True)):
        base, colour = -1.0 - number, colours[number]
        axes.plot([low, 1.05 * reach], [base, base], color="0.8", linewidth=0.5)
        if one is not None and one.counts.any():
            edges, heights = _visible(one, (1.05 * reach - low) / 300)
            axes.stairs(base + 0.92 * heights, edges, baseline=base, fill=True, color=colour, alpha=0.8, zorder=number)
        text = f"{std(layer):.2g}" if math.isfinite(std(layer)) else "overflows"
        axes.annotate(
            text, (1.0, base + 0.25), (3, 0), axes.get_yaxis_transform(), "offset points", fontsize=6.5, color="0.35"
        )
    axes.annotate("std", (1.0, 1.0), (3, 2), "axes fraction", "offset points", fontsize=6.5, color="0.35")
    axes.set_xlim(low, 1.05 * reach)
    axes.set_ylim(-len(layers) - 0.1, 0.1)
    axes.set_yticks([-1.0 - number + 0.2 for number in range(len(layers))])
    texts = [shortened(printable(layer.name), longest) if longest else "" for layer in layers]
    axes.set_yticklabels(texts, fontsize=7, parse_math=False)
    axes.tick_params(length=0, axis="y")
    axes.tick_params(labelsize=6.5, axis="x")
    axes.locator_params(nbins=4, axis="x")
    axes.ticklabel_format(axis="x", scilimits=(-2, 3))
    axes.xaxis.get_offset_text().set_fontsize(6.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_title(title, fontsize=9, parse_math=False)


def _visible(histogram: Histogram, narrowest: float) -> tuple[Any, Any]:
    """Return edges and heights, of which the largest is 1; a bar where the whole would be too narrow to be seen."""
    edges, counts = histogram.edges, histogram.counts
    if edges[-1] - edges[0] >= 4 * narrowest:
        second, largest = np.sort(counts)[-2:]
        return edges, np.minimum(counts / (second if 0 < _SPIKE * second < largest else largest), 1.0)
    middle = (edges[0] + edges[-1]) / 2
    return np.array([middle - narrowest, middle + narrowest]), np.ones(1)


def _drawable(value: float | None) -> float:
    return math.nan if value is None or not 0 < value < math.inf else value


def _axis(
    axes: Any, lines: Sequence[Stds], least: tuple[float, float] | None = None, most_decades: float = _MOST_DECADES
) -> tuple[float, float]:
    """Set the scale and the ends of the axis for these deviations; `least` is shown in any case.

    It is logarithmic where they span more than a decade.
    """
    seen = [value for line in lines for value in map(_drawable, line) if value == value]
    low, high = min(seen, default=1.0), max(seen, default=1.0)
    if least is not None:
        low, high = min(low, least[0]), max(high, least[1])
    if high < 10 * low:
        axes.set_ylim(0, high * 1.25)
        return 0.0, high * 1.25
    centre = 1.0 if low <= 1.0 <= high else low if low > 1.0 else high
    low, high = max(low, centre / 10**most_decades), min(high, centre * 10**most_decades)
    room = (high / low) ** 0.06
    ends = (low / room, high * room)
    axes.set_yscale("log")
    axes.set_ylim(*ends)
    return ends


def _by_depth(axes: Any, measured: Stds, predicted: Stds) -> None:
    numbers = range(1, len(measured) + 1)
    if any(value is not None for value in predicted):
        axes.plot(
            numbers,
            [_drawable(value) for value in predicted],
            color=_PREDICTED,
            linewidth=1,
            label="predicted",
            zorder=2,
        )
    size = 5 if len(measured) <= 20 else 3
    values = [_drawable(value) for value in measured]
    axes.plot(numbers, values, "o", color="tab:blue", markersize=size, label="measured", zorder=3)


def _off_axis(axes: Any, measured: Stds, ends: tuple[float, float], colour: str, number: int = 0, of: int = 1) -> None:
    """Mark layers whose deviation is 0, or is not finite, at the ends of the axis."""
    for mark, place, wanted in (
        ("v", 0.03, lambda value: value is not None and value <= 0),
        ("^", 0.97, lambda value: value is not None and not value < math.inf),
    ):
        layers = [layer for layer, value in enumerate(measured, 1) if wanted(value)]
        if layers:
            shift = (number - (of - 1) / 2) * 0.012  # so that those of several do not hide each other
            heights = [place + shift] * len(layers)
            axes.plot(layers, heights, mark, color=colour, markersize=4, transform=axes.get_xaxis_transform(), zorder=4)
            text = "0" if mark == "v" else "overflow"
            if number == 0:
                offset = (0, 5) if mark == "v" else (0, -11)
                axes.annotate(
                    text,
                    (layers[0], place),
                    offset,
                    axes.get_xaxis_transform(),
                    "offset points",
                    fontsize=6.5,
                    ha="center",
                )


def _limits(axes: Any, ends: tuple[float, float]) -> None:
    """Draw where values become 0 or overflow in narrow formats, as far as the axis reaches."""
    if ends[0] == 0:
        return
    for end, word in ((0, "0 in"), (1, "largest of")):
        near: dict[int, tuple[float, list[str]]] = {}  # a label for limits that cannot be told apart
        for name, limits in LIMITS.items():
            limit = limits[0] / 2 if end == 0 else limits[1]
            if ends[0] < limit < ends[1]:
                axes.axhline(limit, color=_LIMIT, linewidth=0.6, alpha=0.7, linestyle=":")
                place = round(_LABELS * math.log(limit / ends[0]) / math.log(ends[1] / ends[0]))
                near.setdefault(place, (limit, []))[1].append(_SHORT.get(name, name))
        for limit, names in near.values():
            axes.annotate(
                f"{word} {', '.join(names)}",
                (1.0, limit),
                (-2, 1.5),
                axes.get_yaxis_transform(),
                "offset points",
                fontsize=6,
                ha="right",
                color=_LIMIT,
            )


def _depth_labels(axes: Any, layers: int, title: str) -> None:
    axes.set_xlim(0.5, layers + 0.5)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("layer", fontsize=7.5)
    axes.locator_params(integer=True, axis="x")
    axes.tick_params(labelsize=7, which="both")
    axes.grid(alpha=0.25, linewidth=0.5)
