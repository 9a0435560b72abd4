"""Compares two saved benchmark runs by the share of the ceiling that each case reached.

Shares, unlike times, survive a change of machine and much of the noise of a shared one.
Exit code: 0 if no case fell by more than is allowed, 1 if one did, 2 if the runs cannot be compared.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.tables import text_table

SHARES = {"medians": "share_of_ceiling", "minima": "share_of_ceiling_minima"}


class UnusableRunError(Exception):
    """A file is not a saved run, or two runs have nothing to compare."""


@dataclass(frozen=True)
class Change:
    """A case of both runs."""

    case: str
    old: float
    new: float

    @property
    def fall(self) -> float:
        """The part of the old share that is gone; negative if the share rose."""
        return 1 - self.new / self.old


def load_shares(path: Path, key: str) -> dict[str, float]:
    """Return the share of the ceiling, `key` in its extra_info, of every case of a saved run that has one.

    Raises:
        UnusableRunError: the file cannot be read, is not a run that pytest-benchmark saved, or a share is not positive.
    """
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnusableRunError(f"{path} must be a saved run: {error}") from None
    benchmarks = run.get("benchmarks") if isinstance(run, dict) else None
    if not isinstance(benchmarks, list):
        raise UnusableRunError(f"{path} must be a run saved by pytest --benchmark-json, got no list of benchmarks")
    shares: dict[str, float] = {}
    for entry in benchmarks:
        name, share = _share(path, entry, key)
        if share is not None:
            shares[name] = share
    if not shares:
        raise UnusableRunError(f"{path} must have cases with {key!r} in their extra_info, got none")
    return shares


def _share(path: Path, entry: Any, key: str) -> tuple[str, float | None]:
    info = entry.get("extra_info") if isinstance(entry, dict) else None
    name = entry.get("fullname") if isinstance(entry, dict) else None
    if not isinstance(info, dict) or not isinstance(name, str):
        raise UnusableRunError(f"{path} must name every benchmark and its extra_info, got {str(entry)[:80]}")
    share = info.get(key)
    if share is None:
        return name, None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < math.inf:
        raise UnusableRunError(f"{key} of {name} in {path} must be a positive number, got {share!r}")
    return name, float(share)


def changes(old: dict[str, float], new: dict[str, float]) -> list[Change]:
    """Return the cases of both runs, the largest fall first."""
    return sorted(
        (Change(case, old[case], new[case]) for case in old.keys() & new.keys()), key=lambda c: (-c.fall, c.case)
    )


def report(old: dict[str, float], new: dict[str, float], allowed: float) -> tuple[str, bool]:
    """Return the text and whether no case fell by more than `allowed`, a part of its old share.

    Raises:
        UnusableRunError: no case is in both runs.
    """
    both = changes(old, new)
    if not both:
        raise UnusableRunError("OLD and NEW must have cases in common, got none")
    rows = [
        [c.case, f"{c.old:.3f}", f"{c.new:.3f}", f"{c.new / c.old - 1:+.1%}", "FELL" if c.fall > allowed else ""]
        for c in both
    ]
    lines = [text_table(["share of the ceiling", "old", "new", "change", ""], rows), ""]
    for title, only in (("OLD", old.keys() - new.keys()), ("NEW", new.keys() - old.keys())):
        lines += [f"only in {title}: {case}" for case in sorted(only)]
    fallen = sum(c.fall > allowed for c in both)
    lines.append(f"{fallen} of {len(both)} cases fell by more than {allowed:.0%}")
    return "\n".join(lines), fallen == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.regression", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "old", type=Path, metavar="OLD.json", help="saved by pytest benchmarks --benchmark-json=OLD.json"
    )
    parser.add_argument("new", type=Path, metavar="NEW.json")
    parser.add_argument("--allow", type=float, default=10.0, metavar="PERCENT", help="largest fall (default: 10)")
    parser.add_argument(
        "--of", choices=SHARES, default="medians", help="shares by median times, or by shortest (default: medians)"
    )
    options = parser.parse_args(arguments)
    if not 0 <= options.allow < 100:
        parser.error(f"--allow must be in [0, 100), got {options.allow:g}")
    try:
        old, new = (load_shares(path, SHARES[options.of]) for path in (options.old, options.new))
        text, passed = report(old, new, options.allow / 100)
    except UnusableRunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
