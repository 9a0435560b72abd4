"""Whatever ends a writer, and whenever: the old checkpoint, the new one or none, and to write again completes."""

import os
import signal
import subprocess
import sys

import pytest

import weightfill as wf
from weightfill import _core
from weightfill.checkpoint import verify_checkpoint
from weightfill.plan import Plan

FORK_WARNING = r"ignore:.*multi-threaded, use of fork\(\) may lead to deadlocks:DeprecationWarning"
STEPS = ("pwrite", "posix_fallocate", "link", "replace", "unlink", "rename", "open")
OLD, NEW = Plan({"*": wf.Ones()}), Plan({"*": wf.Normal()}, seed=42)
SHAPES = {"a": 10, "b": (2, 5), "c": 10, "d": 3}
WHOLE, TWO, FOUR = {}, {"shard_bytes": 80}, {"shard_bytes": 40}
CASES = {
    "a new file": (None, WHOLE, False),
    "new shards": (None, TWO, False),
    "a file for a file": (WHOLE, WHOLE, True),
    "shards for as many shards": (TWO, TWO, True),
    "more shards for shards": (TWO, FOUR, True),
    "fewer shards for shards": (FOUR, TWO, True),
    "shards for a file": (WHOLE, TWO, True),
    "a file for shards": (TWO, WHOLE, True),
}
INDEX = "m.safetensors.index.json"
FILES = {
    None: ["m.safetensors"],
    80: ["m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", INDEX],
    40: [*(f"m-0000{number}-of-00004.safetensors" for number in (1, 2, 3, 4)), INDEX],
}


def killed_at(step, path, how, replace):
    """Whether a process that writes the checkpoint was killed: before its call number `step` that touches a file."""
    child = os.fork()
    if child == 0:
        left = step

        def dying(call):
            def wrapped(*arguments, **keywords):
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
                return call(*arguments, **keywords)

            return wrapped

        try:
            for name in STEPS:
                if hasattr(os, name):
                    setattr(os, name, dying(getattr(os, name)))
            NEW.write(path, SHAPES, replace=replace, threads=1, **how)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def found(path):
    """Which plans' checkpoints are there, all of them whole and none mixed."""
    plans = set()
    for file in (path, path.with_name(INDEX)):
        if file.exists():
            equal = [name for name, plan in (("old", OLD), ("new", NEW)) if verify_checkpoint(file, plan)]
            assert len(equal) == 1
            plans.update(equal)
    return plans


@pytest.mark.filterwarnings(FORK_WARNING)
@pytest.mark.parametrize(("before", "how", "replace"), CASES.values(), ids=CASES)
def test_killed_writer_leaves_the_old_checkpoint_the_new_one_or_none(tmp_path, before, how, replace):
    seen, step, alive = set(), 0, False
    while not alive:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "m.safetensors"
        if before is not None:
            OLD.write(path, SHAPES, **before)
        alive = not killed_at(step, path, how, replace)
        plans = found(path)
        seen.add(tuple(sorted(plans)))
        if not alive:
            # A file that has appeared, but not lost its hidden name yet, is an existing one.
            NEW.write(path, SHAPES, replace=replace or plans == {"new"}, **how)
            assert found(path) == {"new"}
        assert sorted(file.name for file in folder.iterdir()) == FILES[how.get("shard_bytes")]
        step += 1
    assert ("new",) in seen
    assert (("old",) if replace else ()) in seen
    assert step > 6


@pytest.mark.filterwarnings(FORK_WARNING)
def test_shards_of_somebody_else_are_not_taken_for_those_of_a_killed_writer(tmp_path):
    path, first = tmp_path / "m.safetensors", tmp_path / "m-00001-of-00002.safetensors"
    step = 0
    while not first.exists():  # until it is killed between the first shard and the index
        assert killed_at(step, path, TWO, False)
        step += 1
    assert not path.with_name(INDEX).exists()
    first.unlink()
    first.write_text("somebody else's")
    with pytest.raises(FileExistsError):
        NEW.write(path, SHAPES, **TWO)
    assert first.read_text() == "somebody else's"


WRITE = """
import os, sys
import weightfill as wf
from weightfill.plan import Plan
plan = Plan({"*": wf.TruncatedNormal(low=-1.0, high=3.0)}, seed=1)
try:
    plan.write(sys.argv[1], {"a": (1 << 12, 1 << 13), "b": 5}, "float64", threads=int(sys.argv[2]),
               shard_bytes=eval(sys.argv[3]), progress=lambda *_: print("tick", flush=True))
except KeyboardInterrupt:
    print("interrupted", os.listdir(os.path.dirname(sys.argv[1])))
"""


@pytest.mark.parametrize(("threads", "shard_bytes"), [(1, None), (2, None), (2, 1 << 20)])
def test_ctrl_c_stops_the_writing_and_leaves_nothing(tmp_path, threads, shard_bytes):
    environment = {**os.environ, "WEIGHTFILL_TARGET": _core.built_targets()[0]}
    command = [sys.executable, "-c", WRITE, str(tmp_path / "m.safetensors"), str(threads), str(shard_bytes)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "tick\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().splitlines()[-1] == "interrupted []"
    assert process.returncode == 0
