"""Several reports beside each other: a row each, with what becomes of the signal drawn in a line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from weightfill._arguments.messages import shown
from weightfill._reading.html import table_of
from weightfill.signals._layers import LayerSignal
from weightfill.signals._picture import chosen, comparison_picture
from weightfill.signals._report import Report

_MARKS = "▁▂▃▄▅▆▇█"  # a decade each
_LONGEST = 16  # layers of a line
_NEAR_ONE = 4  # the number of the mark


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` was given; print it to see a table.

    In it `forward` and `backward` draw the std of activations and of gradients from the first to the last layer: ▅ is
    near 1, each step up or down is a factor of 10, and beyond that . is almost nothing and ! far too much.

    Attributes:
        reports: by label.
    """

    reports: Mapping[str, Report]

    def rows(self) -> list[dict[str, str]]:
        """Return the cells of the table, one mapping from column to text for each report."""
        return [
            {
                "init": label,
                **dict(zip(("first", "middle", "last"), map(_text, _three(report)), strict=True)),
                "forward": sparkline([layer.std for layer in chosen(judged(report), _LONGEST)]),
                "backward": sparkline([layer.grad_std for layer in chosen(judged(report), _LONGEST)]),
                "verdict": report.verdict,
            }
            for label, report in self.reports.items()
        ]

    def __str__(self) -> str:
        rows = self.rows()
        lines = [dict(zip(rows[0], rows[0], strict=True)), *rows]
        widths = {column: max(len(line[column]) for line in lines) for column in rows[0]}
        return "\n".join("  ".join(line[column].ljust(widths[column]) for column in widths).rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.reports)}>"

    def _repr_html_(self) -> str:
        return table_of(self.rows())

    def to_json(self) -> str:
        """Return an object of all reports, as `Report.to_json` gives them, by label."""
        return json.dumps({label: json.loads(report.to_json()) for label, report in self.reports.items()})

    def png(self, path: str | os.PathLike[str], *, replace: bool = False) -> None:
        """Write a picture: a column of histograms for each report, and below all standard deviations in common axes.

        Within the green band a std is within a factor of 10 of 1. A triangle at the edge is a 0 or an overflow.

        Args:
            path: of the file, which ends in .png. It appears when it is whole.
            replace: whether an existing file may be replaced.

        Raises:
            ImportError: matplotlib is not installed.
            TypeError: `path` is no path.
            ValueError: `path` does not end in .png.
            OSError: the file cannot be written, or exists and `replace` is false.
        """
        comparison_picture(path, self.reports, replace=replace)


def compare(reports: Mapping[str, Report]) -> Comparison:
    """Put reports of several networks, or of several initializers of one, beside each other.

    Args:
        reports: what `propagation` found, by the label that it shall have; at least one.

    >>> found = {name: propagation("300x9", "tanh", name) for name in ("xavier_normal", "Normal(std=0.01)")}
    >>> print(compare(found))  # doctest: +ELLIPSIS
    init              first   middle     last       forward   backward  verdict
    xavier_normal     0.6275  0.3208     0.2518     ▅▅▅▅▅▄▄▄  ▅▅▅▅▅▅▅▅  holds: std 0.628 in the first layer, 0.252 ...
    Normal(std=0.01)  0.1684  0.0001514  7.739e-07  ▄▃▃▂▁...  ..▁▂▃▃▄▅  vanishes 0.17x a layer: std 0.01 is too ...

    Raises:
        TypeError: `reports` is not a mapping from text to reports.
        ValueError: it is empty.
    """
    if not isinstance(reports, Mapping) or not all(isinstance(label, str) for label in reports):
        raise TypeError(f"reports must be a mapping from labels to reports, got {shown(reports)}")
    for label, report in reports.items():
        if not isinstance(report, Report):
            raise TypeError(f"reports[{label!r}] must be a Report, got {shown(report)}; propagation(...) makes one")
    if not reports:
        raise ValueError("reports must have at least one report, got none")
    return Comparison(MappingProxyType(dict(reports)))


def sparkline(stds: Sequence[float]) -> str:
    """Return a mark for each deviation: ▅ near 1, a step for a factor of 10, . and ! beyond; nothing if all are NaN.

    >>> sparkline([2.0, 0.9, 0.1, 0.01, 1e-3, 1e-4, 0.0, 30.0, 1e4, float("inf"), float("nan")])
    '▅▅▄▃▂▁.▆!!!'
    """
    return "" if all(map(math.isnan, stds)) else "".join(map(_mark, stds))


def _mark(std: float) -> str:
    if not math.isfinite(std):
        return "!"
    place = -1 if std == 0 else _NEAR_ONE + round(math.log10(std))
    return "." if place < 0 else "!" if place >= len(_MARKS) else _MARKS[place]


def judged(report: Report) -> Sequence[LayerSignal]:
    """Return the layers of a report that are comparable, which its verdict is about."""
    return report.layers if report.judged is None else report.judged


def _three(report: Report) -> tuple[float, float, float]:
    layers = judged(report)
    if not layers:
        return math.nan, math.nan, math.nan
    return layers[0].std, layers[len(layers) // 2].std, layers[-1].std


def _text(std: float) -> str:
    return "" if math.isnan(std) else f"{std:.4g}"
