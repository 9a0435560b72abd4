"""Compares two versions by the share of the ceiling that each case reached, in runs made in pairs.

OLD and NEW are runs that pytest-benchmark saved, or folders of such runs: the first of OLD and the first of NEW are a
pair, and so on. `python -m benchmarks.pairs` makes such folders. Shares, unlike times, survive a change of machine and
much of the noise of a shared one; the interval says how much noise is left.

A case fell if its whole interval lies below what is allowed, and is too noisy to say if only a part of it does.
Exit code: 0 if all cases hold, 1 if one fell, 2 if the runs cannot be compared, 3 if none fell but some are too noisy.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.tables import text_table
from weightfill.benchmark import Comparison, compare_values

SHARES = {"medians": "share_of_ceiling", "minima": "share_of_ceiling_minima"}
ROUNDS = "shares_of_rounds"
VERDICTS = {"fell": "FELL", "holds": "holds", "too noisy": "too noisy to say"}  # as the table has them


class UnusableRunError(Exception):
    """A file is not a saved run, or two runs have nothing to compare."""


@dataclass(frozen=True)
class Share:
    """What a case reached in one run: a share of the ceiling, and the quartiles of the shares of its rounds."""

    value: float
    low: float
    high: float


Run = dict[str, Share]


def load_runs(path: Path, key: str) -> list[Run]:
    """Return the runs of a file, or of the files of a folder by name.

    Raises:
        UnusableRunError: a file cannot be read or is no saved run, or the folder has none.
    """
    if not path.is_dir():
        return [load_run(path, key)]
    files = sorted(path.glob("*.json"))
    if not files:
        raise UnusableRunError(f"{path} must be a saved run or a folder of such, got a folder without *.json")
    return [load_run(file, key) for file in files]


def load_run(path: Path, key: str) -> Run:
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
    shares: Run = {}
    for entry in benchmarks:
        info = entry.get("extra_info") if isinstance(entry, dict) else None
        name = entry.get("fullname") if isinstance(entry, dict) else None
        if not isinstance(info, dict) or not isinstance(name, str):
            raise UnusableRunError(f"{path} must name every benchmark and its extra_info, got {str(entry)[:80]}")
        if info.get(key) is not None:
            shares[name] = _share(path, name, info, key)
    if not shares:
        raise UnusableRunError(f"{path} must have cases with {key!r} in their extra_info, got none")
    return shares


def _share(path: Path, name: str, info: dict[str, Any], key: str) -> Share:
    def positive(what: str, share: Any) -> float:
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < math.inf:
            raise UnusableRunError(f"{what} of {name} in {path} must be a positive number, got {share!r}")
        return float(share)

    value = positive(key, info[key])
    rounds = info.get(ROUNDS, [])
    if not isinstance(rounds, list):
        raise UnusableRunError(f"{ROUNDS} of {name} in {path} must be a list, got {str(rounds)[:80]}")
    rounds = [positive(ROUNDS, share) for share in rounds]
    if len(rounds) < 2:
        return Share(value, value, value)
    low, _, high = quantiles(rounds, n=4, method="inclusive")
    return Share(value, min(low, value), max(high, value))


def changes(old: list[Run], new: list[Run], allowed: float) -> list[tuple[str, Comparison]]:
    """Return the cases that all runs have, the largest fall first.

    Raises:
        UnusableRunError: OLD and NEW have not as many runs, or no case in common.
    """
    if len(old) != len(new):
        raise UnusableRunError(f"OLD and NEW must have as many runs, a pair each, got {len(old)} and {len(new)}")
    cases = set.intersection(*(set(run) for run in old + new))
    if not cases:
        raise UnusableRunError("OLD and NEW must have cases in common, got none")
    both = [(case, _change([run[case] for run in old], [run[case] for run in new], allowed)) for case in cases]
    return sorted(both, key=lambda change: (change[1].change, change[0]))


def _change(old: list[Share], new: list[Share], allowed: float) -> Comparison:
    """Compare pair by pair: what slows the machine for minutes slows both runs of a pair."""
    if len(old) > 1:
        return compare_values([share.value for share in old], [share.value for share in new], allowed=allowed)
    (a,), (b,) = old, new  # how one run differs from the next is not known; the quartiles of its rounds stand for it
    return Comparison(a.value, b.value, b.value / a.value, b.low / a.high, b.high / a.low, 0.5, 1, allowed)


def report(old: list[Run], new: list[Run], allowed: float) -> tuple[str, int]:
    """Return the text and the exit code.

    Raises:
        UnusableRunError: the runs cannot be compared.
    """
    both = changes(old, new, allowed)
    lines = [comparison_table("share of the ceiling", both), ""]
    in_old, in_new = set().union(*old), set().union(*new)
    for title, only in (("OLD", in_old - in_new), ("NEW", in_new - in_old)):
        lines += [f"only in {title}: {case}" for case in sorted(only)]
    verdicts = [change.verdict for _, change in both]
    fallen, noisy = verdicts.count("fell"), verdicts.count("too noisy")
    lines.append(f"{fallen} of {len(both)} cases fell by more than {allowed:.0%}, {noisy} are too noisy to say")
    if noisy:
        lines.append("To say more: python -m benchmarks.pairs with more --repeats, or a quieter machine.")
    return "\n".join(lines), 1 if fallen else 3 if noisy else 0


def comparison_table(unit: str, cases: Iterable[tuple[str, Comparison]], scale: float = 1.0) -> str:
    """Return a line for each case: what both reached in the unit, the change, its interval, and the verdict."""
    rows = []
    for case, c in cases:
        interval = f"{_percent(c.low)} to {_percent(c.high)}"
        rows.append(
            [case, f"{scale * c.old:.3f}", f"{scale * c.new:.3f}", _percent(c.change), interval, VERDICTS[c.verdict]]
        )
    return text_table([unit, "old", "new", "change", "interval", "verdict"], rows)


def _percent(factor: float) -> str:
    return f"{factor - 1:+.1%}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    about = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.regression",
        description=about[0],
        epilog="\n\n".join(about[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="OLD.json of pytest benchmarks --benchmark-json=OLD.json")
    parser.add_argument("new", type=Path, metavar="NEW")
    add_limits(parser)
    options = parser.parse_args(arguments)
    return compare(options.old, options.new, options)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options that say when a case fell."""

    def percentage(text: str) -> float:
        if not 0 <= (value := float(text)) < 100:
            raise argparse.ArgumentTypeError(f"must be in [0, 100), got {text}")
        return value

    parser.add_argument("--allow", type=percentage, default=10.0, metavar="PERCENT", help="largest fall (default: 10)")
    parser.add_argument(
        "--of", choices=SHARES, default="medians", help="shares by median times, or by shortest (default: medians)"
    )


def compare(old: Path, new: Path, options: argparse.Namespace) -> int:
    """Print the report of two runs, or folders of runs, and return the exit code."""
    try:
        old_runs, new_runs = (load_runs(path, SHARES[options.of]) for path in (old, new))
        text, code = report(old_runs, new_runs, options.allow / 100)
    except UnusableRunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
