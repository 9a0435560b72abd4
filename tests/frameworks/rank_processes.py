"""Groups of processes that talk by gloo, and what each rank of them wrote of its checks."""

import json
import os
import signal
import subprocess
import sys

from tests.repository import ROOT

DEADLINE = 300  # seconds for all groups, whose ranks wait a minute at most for one that failed


def run_groups(module, folder):
    """Run a module that starts its groups itself; it gets the folder in which each rank leaves a file."""
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            process.wait(DEADLINE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def failures_of(folder, world, name):
    """Return what failed in a check on any rank of a group, each of which must have done it."""
    failures = []
    for rank in range(world):
        file = folder / str(world) / f"{rank}.json"
        assert file.exists(), f"rank {rank} of {world} did not end well: {(folder / 'log').read_text()[-4000:]}"
        outcome = json.loads(file.read_text())
        assert name in outcome["done"]
        failures += [
            f"rank {rank} of {world}: {text}" for failed, text in outcome["failures"].items() if failed == name
        ]
    return failures
