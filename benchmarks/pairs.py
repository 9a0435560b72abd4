"""Runs `pytest benchmarks` with two versions in turns, and compares them as `benchmarks.regression` does.

OLD and NEW are Python interpreters, of environments in which weightfill's two versions and the extra `bench` are
installed; the benchmarks are those of this checkout. The runs of a pair follow each other, and the one that begins
changes from pair to pair. Exit code as of `benchmarks.regression`, or that of a run that failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.regression import add_limits, compare

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    about = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pairs",
        description=about[0],
        epilog="\n\n".join(about[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="for example old/.venv/bin/python")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="pairs, at least 3 (default: 5)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder, for the runs")
    parser.add_argument("-k", dest="expression", default="", metavar="EXPRESSION", help="which cases, as of pytest")
    add_limits(parser)
    options = parser.parse_args(arguments)
    if options.repeats < 3:  # with two pairs the interval is 13 standard errors wide
        parser.error(f"--repeats must be at least 3, got {options.repeats}")
    if options.out.exists():
        parser.error(f"--out must be a new folder, got {str(options.out)!r}")
    sides = {"old": options.old, "new": options.new}
    for side in sides:
        (options.out / side).mkdir(parents=True)
    for pair in range(1, options.repeats + 1):
        for side in sorted(sides, reverse=pair % 2 == 1):  # old, new; new, old; ...
            print(f"pair {pair} of {options.repeats}: {side}", file=sys.stderr)
            code = run(sides[side], options.expression, options.out / side / f"{pair:03}.json")
            if code:
                return code
    return compare(options.out / "old", options.out / "new", options)


def run(python: Path, expression: str, saved: Path) -> int:
    """Run the benchmarks of this checkout with an interpreter; show what it printed only if it failed."""
    # The interpreter is found from here, as it was named; the benchmarks are found from the root of the checkout.
    command = [str(python.absolute()), "-m", "pytest", "-q", "benchmarks", f"--benchmark-json={saved.absolute()}"]
    if expression:
        command += ["-k", expression]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
