"""Figures: what is wanted beside what was reached, and the commands that print them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.cases import ALL_THREADS, size_of
from benchmarks.tables import markdown_table, text_table
from benchmarks.timing import ratio, ratio_of_minima, spread
from weightfill import _core

BUDGET = 2.0  # seconds for each figure


@dataclass(frozen=True)
class Figure:
    """What is wanted and what was reached."""

    name: str
    wanted: str
    reached: str
    minima: str
    spread: str
    met: bool


def at_least(name: str, wanted: float, ours: list[float], theirs: list[float], unit: str = "of the ceiling") -> Figure:
    """Compare rates, given the seconds for the same work."""
    reached, best, (low, high) = ratio(theirs, ours), ratio_of_minima(theirs, ours), spread(theirs, ours)
    spread_text = f"{low:.2f} to {high:.2f}"
    return Figure(name, f">= {wanted:.2f} {unit}", f"{reached:.2f}", f"{best:.2f}", spread_text, reached >= wanted)


def run(
    command: str,
    about: str | None,
    figures: Callable[[int], object],
    groups: Sequence[str],
    size: str = "1GB",
    arguments: Sequence[str] | None = None,
) -> int:
    """Run a command that measures figures and return its exit code; a figure that is not met is no error.

    Args:
        command: the module's name, without the package.
        about: what it measures.
        figures: given the bytes of the float32 table, has a method of figures for each group.
        groups: the names of these methods.
        size: those bytes, unless the command is told otherwise.
        arguments: of the command; those of this process if left out.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{command}", description=(about or "").splitlines()[0])
    parser.add_argument("group", nargs="*", help=f"which: {', '.join(groups)} (default: all)")
    parser.add_argument("--size", default=size, help=f"bytes of the float32 table (default: {size}); others follow it")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args(arguments)
    if unknown := [group for group in options.group if group not in groups]:
        parser.error(f"group must be one of {', '.join(groups)}, got {unknown[0]!r}")
    try:
        measured = figures(size_of(options.size))
    except ValueError as error:
        parser.error(str(error))
    body = []
    for group in options.group or groups:
        print(f"timing {group}", file=sys.stderr)
        body += [
            [f.name, f.wanted, f.reached, f.minima, f.spread, "yes" if f.met else "NO"]
            for f in getattr(measured, group)()
        ]
    header = ["figure", "wanted", "reached", "by minima", "spread", "met"]
    print((markdown_table if options.markdown else text_table)(header, body))
    print(
        f"\n{ALL_THREADS} threads, {_core.active_isa()}, {options.size} tables touched before. Reached: "
        "ratio of the medians of runs that took turns; by minima: of the shortest; spread: quartiles of the ratios."
    )
    return 0
