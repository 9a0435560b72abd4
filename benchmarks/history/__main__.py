"""The speed of each release on each machine.

record  runs `pytest benchmarks` and writes what it reached as a record of this machine
draw    writes the page of the history and its picture, out of the records
check   compares this checkout with the last record, by both in turns; fails if something fell
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.history.check import check
from benchmarks.history.page import draw
from benchmarks.history.recording import RunFailedError, record
from benchmarks.history.records import FOLDER, UnusableRecordError, load_all
from benchmarks.pairs import ROOT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.history",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--records", type=Path, default=FOLDER, metavar="FOLDER", help="(default: those of the checkout)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run the benchmarks and write a record")
    recording.add_argument("--runs", type=int, default=3, metavar="N", help="how often they run (default: 3)")
    recording.add_argument(
        "--release", metavar="NAME", help="(default: the version, and the commit unless it is tagged)"
    )
    recording.add_argument("-k", dest="expression", default="", metavar="EXPRESSION", help="which cases, as of pytest")
    drawing = commands.add_parser("draw", help="write the page and its picture")
    drawing.add_argument("--docs", type=Path, default=ROOT / "docs", metavar="FOLDER", help="(default: docs)")
    checking = commands.add_parser("check", help="compare this checkout with the last record")
    checking.add_argument("--repository", type=Path, default=ROOT, metavar="FOLDER", help="has the record's commit")
    checking.add_argument("--allow", type=float, default=10.0, metavar="PERCENT", help="largest fall (default: 10)")
    checking.add_argument("--pairs", type=int, default=5, metavar="N", help="pairs of processes (default: 5)")
    options = parser.parse_args(arguments)
    if options.command == "record" and options.runs < 1:
        parser.error(f"--runs must be at least 1, got {options.runs}")
    try:
        if options.command == "record":
            print(record(options.runs, options.release, options.expression).save(options.records))
            return 0
        records = load_all(options.records)
        if options.command == "check":
            return check(records, options.repository, options.allow / 100, options.pairs)
        for path in draw(records, options.docs):
            print(path)
    except (RunFailedError, UnusableRecordError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
