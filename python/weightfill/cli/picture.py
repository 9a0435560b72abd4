"""Histograms as a picture: a grid of small panels, one a tensor."""

from __future__ import annotations

import importlib.util
import math
import os
from contextlib import suppress
from io import BytesIO

import numpy as np

from weightfill.hidden_files import reserved_file
from weightfill.histogram import Histogram

MOST_PANELS = 64
_COLUMNS = 8
_LONGEST_TITLE = 42
_HEAD = 0.3  # inches


def check_picture(path: str, replace: bool) -> None:
    """Find out, before the work, whether `write_picture` can write this file.

    Raises:
        OSError: it cannot, as `reserved_file` says.
        ValueError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError("--png must be left out without matplotlib; pip install 'weightfill[plot]' gives it")
    with suppress(_NotYetError), reserved_file(path, 1, replace=replace):
        raise _NotYetError


def write_picture(path: str, histograms: list[tuple[str, Histogram]], replace: bool) -> int:
    """Write a PNG file with a panel for each of the first `MOST_PANELS` histograms; return how many were left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = histograms[:MOST_PANELS]
    columns = max(1, min(_COLUMNS, math.ceil(math.sqrt(len(shown)))))
    rows = max(1, math.ceil(len(shown) / columns))
    left_out = len(histograms) - len(shown)
    figure = Figure(figsize=(2.6 * columns, 1.8 * rows + _HEAD), dpi=120)
    FigureCanvasAgg(figure)
    # One pair of axes for all panels, each a unit square: axes of their own would take seconds.
    axes = figure.add_axes((0, 0, 1, 1 - _HEAD / figure.get_figheight()))
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(0, rows)
    for number, (name, histogram) in enumerate(shown):
        x, y = number % columns, rows - 1 - number // columns
        short = name if len(name) <= _LONGEST_TITLE else f"...{name[3 - _LONGEST_TITLE :]}"
        axes.text(x + 0.5, y + 0.87, short, fontsize=7, ha="center", parse_math=False)
        left, right, base, height = x + 0.06, x + 0.94, y + 0.2, 0.63
        axes.plot([left, right], [base, base], color="black", linewidth=0.6)
        share = histogram.counts / max(1, int(histogram.counts.max()))
        if histogram.low < histogram.high:
            edges = np.linspace(left, right, len(share) + 1)
            ends = [(left, "left", histogram.low), (right, "right", histogram.high)]
        else:
            edges = np.array([x + 0.49, x + 0.51])
            ends = [(x + 0.5, "center", histogram.low)]
        axes.stairs(base + height * share, edges, baseline=base, fill=True, color="tab:blue")
        for at, side, value in ends:
            axes.text(at, base - 0.03, f"{value:.3g}", fontsize=7, ha=side, va="top")
    if left_out:
        figure.suptitle(f"{len(shown)} of {len(histograms):,} tensors", fontsize=8, y=0.995)
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    data = picture.getvalue()
    with reserved_file(path, len(data), replace=replace) as fd:
        written = 0
        while written < len(data):
            written += os.pwrite(fd, data[written:], written)
    return left_out


class _NotYetError(Exception):
    """Ends the writing of a file that could be written."""
