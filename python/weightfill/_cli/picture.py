"""A picture of tensors: a small panel with a histogram for each kind, and below them the deviation by depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weightfill._arguments.messages import printable, shortened
from weightfill._cli.inspected import Inspected
from weightfill._cli.reports import counted
from weightfill._files import pictures
from weightfill._initializers.base import Floats, Law, PlainLaw

LawOf = Callable[[Inspected], "Law | None"]  # what a plan gives a tensor, if there is a plan

MOST_PANELS = 64
_COLUMNS = 8
_LONGEST_TITLE = 34
_FAR, _CELLS = 7.0, 401  # how far from the mean a density is drawn, in standard deviations, and in how many cells
_COMPARABLE = 8.0  # of tensors on one axis, the widest beside the narrowest
_PANEL_WIDTH, _PANEL_HEIGHT, _DEPTH_HEIGHT, _HEAD = 2.6, 2.0, 3.2, 0.35  # inches
_FOUND, _PLANNED = "tab:blue", "tab:red"
_LINES = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:gray", "tab:olive", "tab:cyan")
_MARKS = "os^Dv*<>"


def write_picture(
    path: str, tensors: Sequence[Inspected], kinds: Sequence[Inspected], law_of: LawOf, replace: bool
) -> int:
    """Write a PNG file; return how many tensors have no panel though they vary.

    Args:
        path: of the file.
        tensors: those that get a panel each, the first `MOST_PANELS` of them, unless all their elements are alike.
        kinds: the tensors with equal layers together, of which the deviations are drawn by depth.
        law_of: gives the law that a plan has for a tensor; its density is drawn in red.
        replace: whether an existing file may be replaced.
    """
    varying = [tensor for tensor in tensors if _varies(tensor)]
    deep = [kind for kind in kinds if _varies(kind) and len(kind.layers) > 1]
    shown = varying[:MOST_PANELS]
    columns = min(_COLUMNS, max(1, math.ceil(math.sqrt(len(shown)))))
    columns = max(columns, min(3, len(shown))) if deep else columns
    rows = math.ceil(len(shown) / columns)
    depth = _DEPTH_HEIGHT if deep else 0.0
    figure = pictures.new_figure(_PANEL_WIDTH * max(columns, 2), _PANEL_HEIGHT * max(rows, 1) + depth + _HEAD)
    width, height = figure.get_size_inches()
    figure.text(0.5, 1 - 0.6 * _HEAD / height, _heading(tensors, varying, shown, law_of), fontsize=8, ha="center")
    # One pair of axes for all panels, each a unit square: axes of their own would take seconds.
    axes = figure.add_axes((0, depth / height, 1, 1 - (depth + _HEAD) / height))
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(-max(rows, 1), 0)
    ends = _axes_of(shown)
    for number, tensor in enumerate(shown):
        _panel(axes, number % columns, -1 - number // columns, tensor, ends[number], law_of)
    if deep:
        _by_depth(figure.add_axes((0.75 / width, 0.55 / height, 1 - 3.3 / width, (depth - 1.0) / height)), deep, law_of)
    pictures.write_picture(path, figure, replace=replace)
    return sum(max(1, len(tensor.layers)) for tensor in varying[MOST_PANELS:])


def deviation(law: Law | None) -> float | None:
    """Return the standard deviation of a law; None for one that is not drawn, or not for every element."""
    return law.moments()[1] if isinstance(law, PlainLaw) and law.random else None


def density(law: Law | None) -> tuple[Floats, Floats] | None:
    """Return values and their densities, which a line joins; None for a law without them.

    The densities are those in the middle of narrow cells, as a density may have no bound where the values end.
    """
    if not isinstance(law, PlainLaw):
        return None
    mean, std = law.moments()
    low, high = law.span(32)
    with np.errstate(all="ignore"):
        ends = np.linspace(max(low, mean - _FAR * std), min(high, mean + _FAR * std), _CELLS + 1)
        middle = (ends[1:] + ends[:-1]) / 2
        y = law.density(middle)
    if y is None or not np.isfinite(ends).all() or not np.isfinite(y).all():  # of parameters beyond all measure
        return None
    x = np.concatenate([ends[:1], ends[:1], middle, ends[-1:], ends[-1:]])
    return x, np.concatenate([[0], y[:1], y, y[-1:], [0]])


def _varies(tensor: Inspected) -> bool:
    return tensor.histogram is not None and tensor.histogram.low < tensor.histogram.high


def _heading(
    tensors: Sequence[Inspected], varying: Sequence[Inspected], shown: Sequence[Inspected], law_of: LawOf
) -> str:
    parts = []
    if len(shown) < len(varying):
        parts.append(f"{len(shown)} of {counted(len(varying), 'panel')}")
    alike = [tensor for tensor in tensors if tensor.summary is not None and not _varies(tensor)]
    constant = sum(max(1, len(tensor.layers)) for tensor in alike)
    if constant:
        parts.append(f"{counted(constant, 'tensor')} of equal elements left out")
    if any(law_of(tensor) is not None for tensor in shown):
        parts.append("red: as planned")
    return "; ".join(parts)


def _axes_of(tensors: Sequence[Inspected]) -> list[tuple[float, float]]:
    """Return the ends of the axis of each tensor: one for all whose widths are comparable."""
    found = [tensor.histogram for tensor in tensors if tensor.histogram is not None]
    reach = [max(abs(histogram.low), abs(histogram.high)) for histogram in found]
    result = [(0.0, 0.0)] * len(found)
    left = sorted(range(len(found)), key=lambda number: -reach[number])
    while left:
        together = [number for number in left if reach[number] * _COMPARABLE >= reach[left[0]]]
        ends = (min(found[number].low for number in together), max(found[number].high for number in together))
        for number in together:
            result[number] = ends
        left = left[len(together) :]
    return result


def _panel(axes: Any, x: int, y: int, tensor: Inspected, ends: tuple[float, float], law_of: LawOf) -> None:
    assert tensor.histogram is not None
    assert tensor.summary is not None
    histogram, law = tensor.histogram, law_of(tensor)
    unit = max(abs(ends[0]), abs(ends[1]))  # the distance between the ends may be beyond floats
    low, high, first, last = (end / unit for end in (*ends, histogram.low, histogram.high))
    left, right, base, height = x + 0.06, x + 0.94, y + 0.16, 0.52

    def at(values: Any) -> Any:  # of numbers in units
        return left + (np.asarray(values) - low) / (high - low) * (right - left)

    many = f"x{len(tensor.layers)}   " if tensor.layers else ""
    shape = " x ".join(f"{n:,}" for n in tensor.shape) or "scalar"
    title = shortened(printable(tensor.name), _LONGEST_TITLE)
    axes.text(x + 0.5, y + 0.87, title, fontsize=7.5, ha="center", parse_math=False)
    text = f"{many}{shape}   std {tensor.summary.std:.3g}"
    axes.text(x + 0.5, y + 0.775, text, fontsize=6.5, ha="center", color="0.35")
    axes.plot([left, right], [base, base], color="0.3", linewidth=0.6)
    heights = histogram.counts / (histogram.counts.sum() * ((last - first) / len(histogram.counts)))
    line = density(law)
    values, likely = (line[0] / unit, line[1] * unit) if line else (np.zeros(0), np.zeros(0))
    most = max(float(heights.max()), float(likely.max(initial=0)))
    edges = at(np.linspace(first, last, len(heights) + 1))
    axes.stairs(base + height * heights / most, edges, baseline=base, fill=True, color=_FOUND, alpha=0.75)
    inside = (values >= low - (high - low) * 0.05) & (values <= high + (high - low) * 0.05)
    if inside.any():
        axes.plot(at(values[inside]), base + height * likely[inside] / most, color=_PLANNED, linewidth=1)
    for x_end, side, value in ((left, "left", ends[0]), (right, "right", ends[1])):
        axes.text(x_end, base - 0.03, f"{value:.2g}", fontsize=6.5, ha=side, va="top", color="0.35")
    if 0.2 < -low / (high - low) < 0.8:
        axes.plot([at(0)] * 2, [base, base - 0.02], color="0.3", linewidth=0.6)
        axes.text(at(0), base - 0.03, "0", fontsize=6.5, ha="center", va="top", color="0.35")


def _by_depth(axes: Any, kinds: Sequence[Inspected], law_of: LawOf) -> None:
    """Draw the deviations of equal layers over their number: dots as found, lines as planned."""
    from matplotlib.ticker import LogFormatter  # optional, as above

    stds: list[float] = []
    planned_line = None
    for number, kind in enumerate(kinds):
        found = [layer.summary.std if layer.summary is not None else math.nan for layer in kind.layers]
        planned = [deviation(law_of(layer)) for layer in kind.layers]
        stds += found
        axes.plot(
            found,
            color=_LINES[number % len(_LINES)],
            marker=_MARKS[number % len(_MARKS)],
            markersize=5,
            fillstyle="none",  # so that equal lines are seen as several
            linewidth=0.8,
            label=shortened(printable(kind.name), _LONGEST_TITLE),
        )
        if all(std is not None for std in planned):
            (planned_line,) = axes.plot(planned, color=_PLANNED, linewidth=1, linestyle="--", zorder=9)
    if planned_line is not None:
        planned_line.set_label("as planned")
    positive = [std for std in stds if std > 0]
    if positive and max(positive) > 3 * min(positive):
        axes.set_yscale("log")
        axes.set_ylim(min(positive) / 1.5, max(positive) * 1.5)
        for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            which(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.4)))
    else:
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    axes.set_title("Standard deviation by layer", fontsize=8)
    axes.set_xlabel("layer", fontsize=7)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=7, which="both")
    axes.grid(alpha=0.3, linewidth=0.5)
    axes.legend(fontsize=6.5, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
