"""Pictures of networks in training: of `symmetry` and `coordinate_check`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from weightfill._files.pictures import check_picture, new_figure, write_picture
from weightfill.signals._measures import Array
from weightfill.signals._training import Case

_WIDTH, _CURVES, _MATRIX, _FOOT = 10.0, 2.6, 1.5, 0.6  # inches: of the picture, of each of its rows
_COLUMNS = 4  # of matrices
_LINES = ("-", "--", "-.", ":")  # so that equal curves are seen as several
_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:red", "tab:brown", "tab:gray", "tab:olive")
_SMALL = 8  # points


class Line(NamedTuple):
    """What is drawn of one layer: a value for each width, and its spread as a part of it."""

    label: str
    values: Array
    spreads: Array


def draw_symmetry(
    title: str, hidden: int, cases: Mapping[str, Case], path: str | os.PathLike[str], replace: bool
) -> None:
    """Draw distinct units, rank and accuracy over steps, and below them the first weight of each case."""
    check_picture(path, replace=replace, extra="signals")
    rows = math.ceil(len(cases) / _COLUMNS)
    heights = [_CURVES, rows * _MATRIX]
    height = sum(heights) + _FOOT
    figure = new_figure(_WIDTH, height)
    around = {"top": 1 - 0.45 / height, "bottom": 0.03, "left": 0.06, "right": 0.99}
    above, below = figure.add_gridspec(2, 1, height_ratios=heights, hspace=0.32, **around)
    curves = above.subgridspec(1, 3, wspace=0.22)
    for number, (name, heading, top) in enumerate(
        (
            ("units", f"units of {hidden} that differ", hidden * 1.05),
            ("rank", "rank of the first weight's gradient", hidden * 1.05),
            ("accuracy", "accuracy on held-out samples", 1.03),
        )
    ):
        axes = figure.add_subplot(curves[number])
        for at, (label, case) in enumerate(cases.items()):
            color, line = _COLORS[at // 2 % len(_COLORS)], _LINES[at % len(_LINES)]
            axes.plot(case.steps, getattr(case, name), label=label, color=color, linestyle=line, linewidth=1.4)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_ylim(0, top)
        _label(axes, heading, "step")
        if not number:
            axes.legend(fontsize=_SMALL - 2, loc="center right")
    matrices = below.subgridspec(rows, _COLUMNS, wspace=0.08, hspace=0.4)
    for at, (label, case) in enumerate(cases.items()):
        axes = figure.add_subplot(matrices[at // _COLUMNS, at % _COLUMNS])
        largest = float(np.abs(case.weight).max()) or 1.0
        axes.imshow(case.weight, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest")
        axes.set_title(label, fontsize=_SMALL - 1, parse_math=False)
        axes.set_xticks([])
        axes.set_yticks([])
        if not at % _COLUMNS:
            axes.set_ylabel("units", fontsize=_SMALL - 1)
    figure.suptitle(f"{title}; below: the first weight after training, a unit a row", fontsize=_SMALL + 1)
    write_picture(path, figure, replace=replace)


def draw_widths(
    title: str,
    widths: Sequence[int],
    panels: Sequence[tuple[str, Sequence[Line]]],
    path: str | os.PathLike[str],
    replace: bool,
) -> None:
    """Draw panels, each of a heading and lines over the width."""
    check_picture(path, replace=replace, extra="signals")
    figure = new_figure(8.0, 3.4)
    for place, (heading, lines) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place, sharey=figure.axes[0] if figure.axes else None)
        for number, line in enumerate(lines):
            seen = np.where(np.isfinite(line.values) & (line.values > 0), line.values, np.nan)
            axes.errorbar(
                widths,
                seen,
                np.nan_to_num(seen * line.spreads),
                label=line.label,
                color=_COLORS[number % len(_COLORS)],
                marker="o",
                markersize=3,
                linewidth=1.2,
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.yaxis.set_major_formatter(_plain)
        axes.yaxis.set_minor_formatter(_plain)
        _label(axes, heading, "width")
        axes.legend(fontsize=_SMALL - 1)
    figure.axes[0].set_ylabel("rms of inputs to activations", fontsize=_SMALL)
    figure.suptitle(title, fontsize=_SMALL + 1)
    figure.subplots_adjust(left=0.1, right=0.98, bottom=0.14, top=0.84, wspace=0.16)
    write_picture(path, figure, replace=replace)


def _plain(value: float, place: int) -> str:
    """Return the label of a tick; only 1, 2 and 5 times a power of ten have one, so that none overlap.

    >>> [_plain(value, 0) for value in (0.05, 0.3, 1.0, 20.0)]
    ['0.05', '', '1', '20']
    """
    return f"{value:g}" if f"{value:e}"[:8] in ("1.000000", "2.000000", "5.000000") else ""


def _label(axes: Any, title: str, below: str) -> None:
    axes.set_title(title, fontsize=_SMALL)
    axes.set_xlabel(below, fontsize=_SMALL)
    axes.tick_params(labelsize=_SMALL - 1, which="both")
    axes.grid(alpha=0.3, linewidth=0.5)
