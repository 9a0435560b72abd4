"""DTensors and modules in real processes that talk by gloo; the folder `ranks` has what they do."""

import json
import os
import signal
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from tests.frameworks.ranks import groups  # noqa: E402
from tests.repository import ROOT  # noqa: E402

DEADLINE = 300  # seconds for all groups, whose ranks wait for one another for groups.TIMEOUT at most


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run all groups, and return the folder of what came of them."""
    folder = tmp_path_factory.mktemp("groups")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", groups.__name__, str(folder)],
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
    return folder


@pytest.mark.parametrize(
    ("world", "name"), [(world, name) for world in groups.WORLDS for name in groups.checks_of(world)]
)
def test_every_rank_of_a_group_finds_it_so(folder, world, name):
    failures = []
    for rank in range(world):
        file = folder / str(world) / f"{rank}.json"
        assert file.exists(), f"rank {rank} of {world} did not end well: {(folder / 'log').read_text()[-4000:]}"
        outcome = json.loads(file.read_text())
        assert name in outcome["done"]
        failures += [
            f"rank {rank} of {world}: {text}" for failed, text in outcome["failures"].items() if failed == name
        ]
    assert not failures, "\n".join(failures)
