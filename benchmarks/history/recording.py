"""A record, made by running `pytest benchmarks` several times."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import weightfill as wf
from benchmarks.history.machine import load_average, this_machine
from benchmarks.history.records import Case, Record
from benchmarks.pairs import ROOT, run

DIGITS = 4  # that a share is worth


class RunFailedError(Exception):
    """`pytest benchmarks` failed, or there is no commit to record."""


def record(runs: int, release: str | None, expression: str = "") -> Record:
    """Run the benchmarks, and return what they reached.

    Raises:
        RunFailedError: a run failed, or reached no share of the ceiling, or this is no checkout of git.
    """
    commit = git("rev-parse", "HEAD")
    before, infos = load_average(), list[dict[str, dict[str, Any]]]()
    with TemporaryDirectory() as folder:
        for number in range(1, runs + 1):
            print(f"run {number} of {runs}", file=sys.stderr)
            saved = Path(folder, f"{number}.json")
            if code := run(Path(sys.executable), expression, saved):
                raise RunFailedError(f"pytest benchmarks failed, exit code {code}")
            infos.append(extra_infos(saved))
    return Record(
        release=release or release_of(commit),
        commit=commit,
        date=datetime.now(timezone.utc).isoformat(timespec="minutes"),
        machine=this_machine(),
        python=platform.python_version(),
        numpy=np.__version__,
        runs=runs,
        load={"before": before, "after": load_average()},
        cases=summary(infos),
    )


def extra_infos(saved: Path) -> dict[str, dict[str, Any]]:
    """Return the extra_info of the cases of a saved run that have a share of the ceiling."""
    document = json.loads(saved.read_text(encoding="utf-8"))
    return {
        case["name"]: case["extra_info"] for case in document["benchmarks"] if "share_of_ceiling" in case["extra_info"]
    }


def summary(infos: Sequence[dict[str, dict[str, Any]]]) -> dict[str, Case]:
    """Return each case that all runs have.

    Raises:
        RunFailedError: there is none.
    """
    names = [name for name in infos[0] if all(name in info for info in infos)]
    if not names:
        raise RunFailedError("pytest benchmarks reached no share of the ceiling")
    return {name: _case([info[name] for info in infos]) for name in names}


def _case(runs: Sequence[dict[str, Any]]) -> Case:
    def middle(key: str) -> float:
        return float(f"{median(info[key] for info in runs):.{DIGITS}g}")

    shares = sorted(float(f"{info['share_of_ceiling']:.{DIGITS}g}") for info in runs)
    return Case(middle("share_of_ceiling"), shares[0], shares[-1], middle("gb_per_s"), middle("ceiling_gb_per_s"))


def release_of(commit: str) -> str:
    """Return the version if the commit has its tag, and otherwise the version and the commit after it."""
    tags = git("tag", "--points-at", commit).split()
    return wf.__version__ if f"v{wf.__version__}" in tags else f"{wf.__version__}+{commit[:7]}"


def git(*arguments: str) -> str:
    """Return what git prints about this checkout.

    Raises:
        RunFailedError: there is no git, or this is no checkout of it.
    """
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise RunFailedError(f"a record must be made in a checkout of git: {error}") from None
