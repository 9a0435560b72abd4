"""What was found in a tensor, or in several equal layers, and how it is shown in a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import printable
from weightfill._cli.names import layered
from weightfill._cli.tables import Column, Row
from weightfill._reading.histogram import ASCII, BLOCKS, Histogram, coarser, drawn
from weightfill._reading.summary import Summary

DRAWN_BINS = 24
BINS = 4 * DRAWN_BINS  # in a picture
_ALIKE = 1.1  # deviations that are shown as one number


@dataclass
class Inspected:
    """A tensor; without summary if it holds no floats of a known type, without histogram if none is finite.

    For several equal layers, `layers` has each of them.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    elements: int
    bytes: int
    summary: Summary | None = None
    histogram: Histogram | None = None
    layers: tuple[Inspected, ...] = ()


def grouped(tensors: Sequence[Inspected]) -> list[Inspected]:
    """Return one entry for all layers whose names differ in a number only, of one shape and dtype."""
    groups: dict[tuple[str, tuple[int, ...], str], list[Inspected]] = {}
    for tensor in tensors:
        groups.setdefault((layered(tensor.name), tensor.shape, tensor.dtype), []).append(tensor)
    return [_together(name, layers) if len(layers) > 1 else layers[0] for (name, *_), layers in groups.items()]


def _together(name: str, layers: list[Inspected]) -> Inspected:
    first = layers[0]
    result = Inspected(name, first.shape, first.dtype, sum(t.elements for t in layers), sum(t.bytes for t in layers))
    result.layers = tuple(layers)
    if first.summary is not None:
        result.summary = Summary()
        for layer in layers:
            assert layer.summary is not None
            result.summary.merge(layer.summary)
    histograms = [layer.histogram for layer in layers if layer.histogram is not None]
    if histograms:
        low, high = min(h.low for h in histograms), max(h.high for h in histograms)
        result.histogram = Histogram(low, high, BINS)
        for histogram in histograms:
            result.histogram.counts += rebinned(histogram, low, high, len(result.histogram.counts))
    return result


def rebinned(histogram: Histogram, low: float, high: float, bins: int) -> npt.NDArray[np.uint64]:
    """Return the counts in bins from `low` to `high`, between which all are; a divided bin is shared by its width.

    >>> histogram = Histogram(0.0, 4.0, bins=2)
    >>> histogram.counts[:] = 8, 4
    >>> rebinned(histogram, 0.0, 8.0, 8).tolist()
    [4, 4, 2, 2, 0, 0, 0, 0]
    """
    if low == high:
        return np.array([histogram.counts.sum()], np.uint64)
    wide = max(histogram.high, float(np.nextafter(histogram.low, np.inf)))  # elements all alike: a bin without width
    edges = np.linspace(histogram.low, wide, len(histogram.counts) + 1)
    below = np.interp(np.linspace(low, high, bins + 1), edges, np.concatenate([[0], np.cumsum(histogram.counts)]))
    below[-1] = histogram.counts.sum()
    counts: npt.NDArray[np.uint64] = np.diff(np.rint(below)).astype(np.uint64)
    return counts


def columns_of(tensors: Sequence[Inspected], rows: Sequence[Row]) -> list[Column]:
    """Return the columns of a table of tensors; counts that are all zero go first where the width is short."""

    def rank(heading: str, drop: int) -> int:
        return 1 if all(row[heading] in ("", "0") for row in rows) else drop

    layers = [Column("layers", right=True, drop=9)] if any(tensor.layers for tensor in tensors) else []
    return [
        Column("name"),
        *layers,
        Column("shape", right=True),
        Column("dtype", drop=5),
        Column("mean", right=True, drop=7),
        Column("std", right=True),
        Column("min", right=True, drop=6),
        Column("max", right=True, drop=6),
        Column("zeros", right=True, drop=rank("zeros", 4)),
        Column("NaN", right=True, drop=rank("NaN", 8)),
        Column("inf", right=True, drop=rank("inf", 8)),
        Column("from", right=True, drop=3),
        Column("histogram", narrow=_half),
        Column("to", drop=3),
    ]


def style(heading: str, row: Row) -> str:
    """Return how a cell looks on a terminal: what is not finite stands out, what does not vary steps back."""
    if heading in ("NaN", "inf") and row[heading] not in ("", "0"):
        return "bold red"
    if not row["histogram"] or row["std"] == "0":
        return "dim"
    return {"layers": "cyan", "histogram": "blue", "std": "green"}.get(heading, "")


def row_of(tensor: Inspected) -> Row:
    """Return the cells of a tensor, all empty but the first for one without summary."""
    row = dict.fromkeys(("mean", "std", "min", "max", "zeros", "NaN", "inf", "from", "histogram", "to"), "")
    row["name"], row["dtype"] = printable(tensor.name), printable(tensor.dtype)
    row["layers"] = f"x{len(tensor.layers)}" if tensor.layers else ""
    row["shape"] = " x ".join(f"{n:,}" for n in tensor.shape) or "scalar"
    if tensor.summary is None:
        return row
    summary = tensor.summary
    for name, number in summary.numbers().items():
        row[name] = "-" if number is None else f"{number:.4g}"
    spreads = [layer.summary.std for layer in tensor.layers if layer.summary and layer.summary.count]
    if spreads and max(spreads) > _ALIKE * min(spreads):
        row["std"] = f"{min(spreads):.3g} to {max(spreads):.3g}"
    row["zeros"], row["NaN"], row["inf"] = (f"{n:,}" for n in (summary.zeros, summary.nan, summary.infinite))
    if histogram := tensor.histogram:
        row["from"], row["to"] = f"{histogram.low:.3g}", f"{histogram.high:.3g}"
        row["histogram"] = drawn(coarser(histogram.counts, DRAWN_BINS), _marks())
    return row


def _half(line: str) -> str:
    """Return a drawn histogram of half as many bins."""
    marks = _marks()
    return "".join(max(line[i : i + 2], key=marks.index) for i in range(0, len(line), 2))


def _marks() -> str:
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ASCII
    return BLOCKS
