"""TorchRec's tables in real processes that talk by gloo; torchrec_ranks.py has what they do."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.repository import ROOT

if find_spec("torchrec") is None:
    pytest.skip("torchrec is not installed", allow_module_level=True)

DEADLINE = 300  # seconds for all groups, whose ranks wait a minute at most for one that failed
RANKS = [(1, 0), (2, 0), (2, 1)]
CHECKS = [
    "the_names_are_those_of_the_model_before_it_is_sharded",
    "every_rank_gets_its_parts_of_the_whole_tables_by_a_plan_after_sharding",
    "tables_of_16_bits_are_filled",
    "one_table_is_filled_after_sharding",
    "a_forward_pass_sees_the_rows_of_the_whole_tables",
    "a_model_is_recorded_before_it_is_sharded",
    "init_fn_fills_whole_tables_while_they_are_sharded",
    "init_fn_refuses_parts_of_tables_and_says_what_to_do",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run all groups, and return the folder of what came of them."""
    folder = tmp_path_factory.mktemp("groups")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.frameworks.torchrec_ranks", str(folder)],
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


@pytest.mark.parametrize("name", CHECKS)
def test_every_rank_finds_it_so(folder, name):
    for world, rank in RANKS:
        file = folder / str(world) / f"{rank}.json"
        assert file.exists(), f"rank {rank} of {world} did not end well: {(folder / 'log').read_text()[-4000:]}"
        outcome = json.loads(file.read_text())
        assert outcome["done"] == CHECKS
        assert name not in outcome["failures"], f"rank {rank} of {world}: {outcome['failures'][name]}"
