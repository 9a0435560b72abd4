"""How long imports take: of weightfill beside NumPy, and of what weightfill depends on.

    python -m benchmarks.import_figures

Each line is a program of its own. They take turns, so that whatever slows the machine for a while slows all of them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from functools import partial
from statistics import median

from benchmarks.tables import markdown_table, text_table
from benchmarks.timing import ratio, ratio_of_minima
from weightfill.benchmark import take_turns

NUMPY = "import numpy"
PROGRAMS = (
    "pass",
    NUMPY,
    "import weightfill",
    "import weightfill as wf; wf.fill, wf.Normal",
    "import weightfill as wf; wf.Plan",
    "from weightfill import *",
    "import numpy, ml_dtypes",
    "import tomlkit",
    "import safetensors",
    "import rich.console, rich.progress",
    "import typer",
    "import scipy.linalg.cython_lapack",
    "import scipy.sparse",
    "import scipy.special, scipy.optimize",
)


def run(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_figures", description="How long imports take.")
    parser.add_argument("--seconds", type=float, default=30, help="for all of it (default: 30)")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args(arguments)
    tasks = [partial(subprocess.run, [sys.executable, "-c", program], check=True) for program in PROGRAMS]
    times = dict(zip(PROGRAMS, take_turns(*tasks, budget=options.seconds), strict=True))
    body = [
        [program, f"{1e3 * median(own):.0f}", f"{1e3 * min(own):.0f}"]
        + [f"{of(own, times[NUMPY]):.2f}" for of in (ratio, ratio_of_minima)]
        for program, own in times.items()
    ]
    header = ["program", "ms, median", "ms, shortest", "of NumPy's, medians", "of NumPy's, shortest"]
    print((markdown_table if options.markdown else text_table)(header, body))
    print(f"\nMedians and shortest of {len(times[NUMPY])} runs.")


if __name__ == "__main__":
    run()
