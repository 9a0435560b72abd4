"""What is found of the signals in a network: one row a layer, a verdict in words, JSON, a table, a picture."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from weightfill._initializers.base import Initializer
from weightfill._reading.html import table_of
from weightfill.signals._activations import Activation
from weightfill.signals._layers import LayerSignal
from weightfill.signals._picture import report_picture
from weightfill.signals._problems import problems_of
from weightfill.signals._verdict import verdict_of


@dataclass(frozen=True, repr=False)
class Report:
    """What `propagation` found; print it to see a table.

    Attributes:
        layers: one row a layer, from the input on.
        title: what was measured, in a line.
        activation: of all layers; None where they have their own.
        unpredicted: why there is no prediction; None if there is.
        judged: the layers that the verdict is about; all, unless given.
        equal_samples: whether all samples of the batch are the same, so that there is no signal to follow.
    """

    layers: tuple[LayerSignal, ...]
    title: str
    activation: Activation | None = None
    unpredicted: str | None = None
    judged: tuple[LayerSignal, ...] | None = None
    equal_samples: bool = False

    @cached_property
    def verdict(self) -> str:
        """What becomes of the signal, in a sentence."""
        if self.equal_samples:
            return "no signal: all samples of the batch are equal; pass a batch of samples that differ"
        return verdict_of(self.layers if self.judged is None else self.judged, self.activation)

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What is wrong in single layers: equal units, dead or saturated ones, values beyond a format."""
        return problems_of(self.layers)

    def to_json(self) -> str:
        """Return the report as JSON, without histograms; numbers that are not finite are null, or the text "inf"."""
        report = {
            "title": self.title,
            "verdict": self.verdict,
            "problems": self.problems,
            "unpredicted": self.unpredicted,
            "layers": [
                {name: _json(getattr(layer, name)) for name in LayerSignal._fields if "histogram" not in name}
                for layer in self.layers
            ],
        }
        return json.dumps(report)

    def png(self, path: str | os.PathLike[str], *, replace: bool = False) -> None:
        """Write a picture: histograms of outputs and gradients by layer, and their standard deviations by depth.

        The histograms are those of Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
        networks" (AISTATS 2010), figures 6 and 7; of a deep network ten layers are shown. Dots are measured, the line
        is predicted, red lines are the limits of narrow formats, and a triangle at the edge is a 0 or an overflow.

        Args:
            path: of the file, which ends in .png. It appears when it is whole.
            replace: whether an existing file may be replaced.

        Raises:
            ImportError: matplotlib is not installed.
            TypeError: `path` is no path.
            ValueError: `path` does not end in .png.
            OSError: the file cannot be written, or exists and `replace` is false.
        """
        report_picture(path, self, replace=replace)

    def rows(self) -> list[dict[str, str]]:
        """Return the cells of the table, one mapping from column to text for each layer."""
        return [
            {
                "layer": layer.name,
                "mean": _text(layer.mean),
                "std": _text(layer.std),
                "predicted": _text(layer.predicted_std),
                "gradient": _text(layer.grad_std),
                "predicted gradient": _text(layer.predicted_grad_std),
                "weight": _text(layer.weight_std),
                "grad/weight": _text(layer.grad_to_weight),
                "dead": _percent(layer.dead),
                "saturated": _percent(layer.saturated),
                "rank": _text(layer.effective_rank),
                "correlation": _text(layer.correlation),
            }
            for layer in self.layers
        ]

    def notes(self) -> list[str]:
        """Return what is said below the table."""
        why = [f"no prediction: {self.unpredicted}"] if self.unpredicted else []
        return [*self.problems, *why, self.verdict]

    def __str__(self) -> str:
        rows = self.rows()
        columns = [column for column in rows[0] if any(row[column] for row in rows)] if rows else []
        lines = [dict(zip(columns, columns, strict=True)), *rows]
        widths = {column: max(len(line[column]) for line in lines) for column in columns}
        table = [
            "  ".join(
                line[column].ljust(widths[column]) if column == "layer" else line[column].rjust(widths[column])
                for column in columns
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *table, *self.notes()])

    def __repr__(self) -> str:
        return f"<Report of {self.title}: {self.verdict}>"

    def _repr_html_(self) -> str:
        return table_of(self.rows(), [self.title, *self.notes()])


def _text(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.4g}"


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{share:.0%}"


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, Initializer):
        return repr(value)
    return dict(value) if isinstance(value, Mapping) else value
