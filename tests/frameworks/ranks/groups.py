"""Groups of processes: `python -m tests.frameworks.ranks.groups FOLDER` runs all checks in groups of every size.

What came of them is in FOLDER/WORLD/RANK.json.
"""

import json
import os
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from tests.frameworks.ranks import dtensors, modules, scaling, states, tables  # noqa: F401  # their checks are registered
from tests.frameworks.ranks.registry import CHECKS, WORLDS, checks_of

TIMEOUT = 60  # seconds that a rank waits for one that failed


def run_checks(rank, world, folder):
    """Be one rank of a group, and write what came of its checks to FOLDER/RANK.json."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", f"file://{folder}/store", rank=rank, world_size=world, timeout=timedelta(seconds=TIMEOUT)
    )
    done, failures = [], {}
    for name in checks_of(world):
        try:
            CHECKS[name][0]()
        except BaseException:
            failures[name] = traceback.format_exc()
        done.append(name)
    (folder / f"{rank}.json").write_text(json.dumps({"done": done, "failures": failures}))
    dist.destroy_process_group()


def forked(function, *args):
    pid = os.fork()
    if pid:
        return pid
    try:
        function(*args)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def main(folder):
    """Run one group after the other; forking saves their ranks the imports, which take longer than the checks."""
    for world in WORLDS:
        (folder / str(world)).mkdir()
        ranks = [forked(run_checks, rank, world, folder / str(world)) for rank in range(world)]
        for pid in ranks:
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
