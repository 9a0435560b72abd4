"""Whether a checkout is slower than the last recorded release: decided by both, run in turns on this machine.

The record of another day says what to expect, and decides nothing: the machine may be another one today. A case that
seems slower is measured again, with twice as many pairs, and fell only if it fell then.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.history.machine import Machine, this_machine
from benchmarks.history.recording import extra_infos
from benchmarks.history.records import Record
from benchmarks.pairs import run
from benchmarks.regression import comparison_table
from benchmarks.tables import text_table
from weightfill.benchmark import Comparison, compare_pythons

SCRIPT = Path(__file__).with_name("fills.py")
SHOWN = "test_fill and 256MB and float32 and not 1thread"  # beside the record


def check(records: Sequence[Record], repository: Path, allowed: float, pairs: int) -> int:
    """Compare this Python's weightfill with the last record, print what was found, and return the exit code.

    Args:
        records: the history, the latest last.
        repository: has the commit of the record, or not.
        allowed: the fall that is no failure.
        pairs: how many pairs of processes take turns, at first.

    Returns:
        1 if a case fell, and otherwise 0: all hold, some are too noisy to say, or there is nothing to compare with.
    """
    machine = this_machine()
    old = reference(records, machine)
    if old is None:
        print("No release is recorded: nothing to compare with.")
        return 0
    print(f"This machine: {machine}\nCompared with: {old.release}, commit {old.commit}, recorded {old.date}")
    with TemporaryDirectory() as work:
        print(beside_the_record(old, machine, Path(work, "run.json")))
        source = Path(work, "source")
        if not unpacked(repository, old.commit, source):
            print(
                f"\nCommit {old.commit} is not in this clone, so its wheel cannot be built and nothing is decided.\n"
                f"To decide: git fetch --depth=1 origin {old.commit}"
            )
            return 0
        pythons = environment(Path(work, "old"), source), environment(Path(work, "new"), None)
        return in_turns(*pythons, allowed, pairs)


def reference(records: Sequence[Record], machine: Machine) -> Record | None:
    """Return the last record of this machine, or else the last one of any."""
    same = [record for record in records if record.machine == machine]
    return (same or records)[-1] if records else None


def beside_the_record(old: Record, machine: Machine, saved: Path) -> str:
    """Return a table of shares of the ceiling, recorded and now."""
    if old.machine != machine:
        return f"No record of this machine; that one is of {old.machine}."
    if code := run(Path(sys.executable), SHOWN, saved):
        return f"The shares of today could not be measured: pytest benchmarks failed, exit code {code}."
    rows = [
        [name, f"{case.share:.3f} ({case.low:.3f} to {case.high:.3f})", f"{info['share_of_ceiling']:.3f}"]
        for name, info in extra_infos(saved).items()
        if (case := old.cases.get(name))
    ]
    loads = " and ".join(" ".join(map(str, loads)) for loads in old.load.values())
    note = f"Recorded at load averages of {loads}. Today's decides nothing: the machine may be busier than it was then."
    return f"\n{text_table(['share of the ceiling', 'recorded', 'today'], rows)}\n{note}"


def unpacked(repository: Path, commit: str, folder: Path) -> bool:
    """Write the files of a commit into a new folder, unless this clone lacks it."""
    if shutil.which("git") is None:
        return False
    # A CI's checkout may belong to another user.
    git = ["git", "-C", str(repository), "-c", f"safe.directory={repository.absolute()}"]
    known = subprocess.run([*git, "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, check=False)
    if known.returncode:
        return False
    folder.mkdir()
    archive = subprocess.run([*git, "archive", commit], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return True


def environment(folder: Path, source: Path | None) -> Path:
    """Make an environment with all that this Python can import, and before it what is built of `source`.

    Returns:
        Its Python.

    Raises:
        RuntimeError: that Python would import another weightfill.
    """
    builder = venv.EnvBuilder(symlinks=os.name != "nt")
    builder.create(folder)
    python = Path(builder.ensure_directories(folder).env_exe)
    packages = Path(_printed(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    reachable = [os.path.abspath(path) for path in sys.path if path and Path(path).is_dir()]
    (packages / "all_others.pth").write_text("\n".join(reachable), encoding="utf-8")
    if source is not None:
        print(f"building {source.name}", file=sys.stderr)
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages), str(source)]
        subprocess.run(install, check=True)
    found = _printed(python, "import weightfill; print(weightfill.__file__)")
    if (source is not None) != Path(found).is_relative_to(folder):
        raise RuntimeError(f"{python} must import its own weightfill, got {found}")
    return python


def _printed(python: Path, code: str) -> str:
    """Return what a Python prints that sees only what its environment has."""
    command = [str(python), "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def in_turns(old: Path, new: Path, allowed: float, pairs: int) -> int:
    """Let both Pythons take turns, print what was found, and return the exit code."""
    first = _compared(old, new, None, pairs, allowed)
    print(f"\n{_table(first)}")
    doubtful = [name for name, result in first.items() if result.change < 1 - allowed]
    second: dict[str, Comparison] = {}
    if doubtful:
        second = _compared(old, new, doubtful, 2 * pairs, allowed)
        print(f"\nMeasured again, as they seemed slower:\n{_table(second)}")
    fallen = [name for name, result in second.items() if result.verdict == "fell"]
    noisy = [name for name, result in {**first, **second}.items() if result.verdict == "too noisy"]
    print(f"\n{len(fallen)} of {len(first)} cases fell by more than {allowed:.0%}, {len(noisy)} are too noisy to say")
    return 1 if fallen else 0


def _compared(old: Path, new: Path, tasks: Sequence[str] | None, pairs: int, allowed: float) -> dict[str, Comparison]:
    before = os.environ.pop("PYTHONPATH", None)  # what it names would come before what the environments have
    try:
        return compare_pythons(old, new, SCRIPT, tasks=tasks, pairs=pairs, allowed=allowed)
    finally:
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _table(results: dict[str, Comparison]) -> str:
    return comparison_table("milliseconds", sorted(results.items(), key=lambda result: result[1].change), scale=1e3)
