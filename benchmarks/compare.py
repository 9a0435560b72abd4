"""weightfill beside torch.nn.init, NumPy, JAX and MKL: one table, and a picture of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.cases import ALL_THREADS, LAWS, size_of
from benchmarks.ceiling import ceiling, rate
from benchmarks.filling import checked_fill
from benchmarks.memory import Touched
from benchmarks.peers import ONE_THREAD, PEERS, installed
from benchmarks.speeds import Comparison, Speed
from benchmarks.tables import markdown_table, text_table
from benchmarks.timing import ratio
from weightfill.benchmark import Task, seconds, take_turns

BUDGET = 1.0  # seconds for each law and library
LONG = 5.0  # seconds; what takes longer runs once, and nothing takes so long to compile


def compare(size: str) -> Comparison:
    """Measure every installed library on the same `size` bytes of float32, in turns with the ceiling."""
    out = Touched()(size_of(size))
    table, bare = out.view(np.float32), ceiling(out, ALL_THREADS)
    for init in LAWS.values():
        checked_fill(table, init)
    ceilings: list[float] = []
    speeds: dict[str, dict[str, Speed]] = {}
    for name in filter(installed, PEERS):
        print(f"timing {name}", file=sys.stderr)
        speeds[name] = {}
        for law, init in LAWS.items():
            task = PEERS[name](table, init)
            if task is None:
                continue
            bare_times, times = _in_turns(bare, task)
            ceilings += bare_times
            took = median(times)
            speeds[name][law] = Speed(rate(table, took), table.size / took, ratio(bare_times, times))
    return Comparison(size, rate(table, median(ceilings)), speeds)


def _in_turns(bare: Task, task: Task) -> list[list[float]]:
    first = seconds(task)
    if first > LONG:
        return [[seconds(bare)], [first]]
    return take_turns(bare, task, budget=BUDGET, at_least=3, at_most=50)


def rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the table."""
    speeds = comparison.speeds
    body = [[name, *(str(speeds[name].get(law, "-")) for law in LAWS)] for name in speeds]
    return ["GB/s / 10^9 elements/s / share of the ceiling", *LAWS], body


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="256MB", help="bytes of float32 to fill, in KB, MB or GB (default: 256MB)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw it, too (needs matplotlib)")
    options = parser.parse_args(arguments)
    try:
        size_of(options.size)
    except ValueError as error:
        parser.error(str(error))
    comparison = compare(options.size)
    header, body = rows(comparison)
    print((markdown_table if options.markdown else text_table)(header, body))
    print(
        f"\n{comparison.size} of float32; the ceiling, streaming stores by {ALL_THREADS} threads into the same memory, "
        f"was {comparison.ceiling_gb_per_s:.1f} GB/s.\n{ONE_THREAD}"
    )
    missing = [name for name in PEERS if not installed(name)]
    if missing:
        print(f"Not installed: {', '.join(missing)}.")
    if options.png:
        from benchmarks.picture import draw

        draw(comparison, options.png)
        print(f"Drawn as {options.png}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
