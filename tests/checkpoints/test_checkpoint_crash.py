"""Whatever ends a writer, and whenever: the old checkpoint, the new one or none, and to write again completes."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import weightfill as wf
from tests.checkpoints.stopping import NEW, SHAPES, Stopper
from weightfill import _core
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._files.blockwise import in_threads
from weightfill._plan import Plan

OLD = Plan({"*": wf.Ones()})
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


@pytest.fixture(scope="module")
def stopped_at():
    """Whether a process that writes the checkpoint was stopped before a call; see Stopper."""
    stopper = Stopper()
    yield stopper
    stopper.close()


def files_of(how):
    return [] if how is None else FILES[how.get("shard_bytes")]


def found(path):
    """Which plans' checkpoints are there, all of them whole and none mixed."""
    plans = set()
    for file in (path, path.with_name(INDEX)):
        if file.exists():
            equal = [name for name, plan in (("old", OLD), ("new", NEW)) if verify_checkpoint(file, plan)]
            assert len(equal) == 1
            plans.update(equal)
    return plans


@pytest.mark.parametrize(("before", "how", "replace"), CASES.values(), ids=CASES)
def test_killed_writer_leaves_the_old_checkpoint_the_new_one_or_none(stopped_at, tmp_path, before, how, replace):
    seen, step, alive = set(), 0, False
    while not alive:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "m.safetensors"
        if before is not None:
            OLD.write(path, SHAPES, **before)
        alive = not stopped_at(step, path, how, replace)
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


def test_shards_of_somebody_else_are_not_taken_for_those_of_a_killed_writer(stopped_at, tmp_path):
    path, first = tmp_path / "m.safetensors", tmp_path / "m-00001-of-00002.safetensors"
    step = 0
    while not first.exists():  # until it is killed between the first shard and the index
        assert stopped_at(step, path, TWO, False)
        step += 1
    assert not path.with_name(INDEX).exists()
    first.unlink()
    first.write_text("somebody else's")
    with pytest.raises(FileExistsError):
        NEW.write(path, SHAPES, **TWO)
    assert first.read_text() == "somebody else's"


@pytest.mark.parametrize(("before", "how", "replace"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("times", [1, 2])
def test_interrupted_writer_leaves_the_whole_old_checkpoint_or_the_whole_new_one(
    stopped_at, tmp_path, before, how, replace, times
):
    stopped_with, step, stopped = set(), 0, True
    while stopped:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "m.safetensors"
        if before is not None:
            OLD.write(path, SHAPES, **before)
        stopped = stopped_at(step, path, how, replace, "interrupt", times=times)
        (plan,) = found(path) or {None}
        stopped_with.add(plan)
        expected = files_of(how if plan == "new" else before)
        if times == 1:
            assert sorted(file.name for file in folder.iterdir()) == expected
        else:  # the second may come while hidden files are removed, which the next writer then does
            assert sorted(file.name for file in folder.iterdir() if file.name[0] != ".") == expected
        step += 1
    assert stopped_with == {None if before is None else "old", "new"}


@pytest.mark.parametrize(("before", "how", "replace"), CASES.values(), ids=CASES)
def test_error_of_the_system_while_files_appear_leaves_what_was_there_before(
    stopped_at, tmp_path, before, how, replace
):
    step, stopped = 0, True
    while stopped:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "m.safetensors"
        if before is not None:
            OLD.write(path, SHAPES, **before)
        stopped = stopped_at(step, path, how, replace, "fail", ("link", "replace", "rename"))
        assert found(path) == ({"new"} if not stopped else set() if before is None else {"old"})
        expected = files_of(before if stopped else how)
        assert sorted(file.name for file in folder.iterdir()) == expected
        step += 1
    assert step > 1


@pytest.mark.parametrize("how", [WHOLE, TWO], ids=["a file", "shards"])
def test_hidden_files_of_a_killed_writer_go_even_if_the_next_one_may_not_replace(stopped_at, tmp_path, how):
    step, stopped, left = 0, True, 0
    while stopped:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "m.safetensors"
        stopped = stopped_at(step, path, how, False)
        if found(path):
            left += any(file.name[0] == "." for file in folder.iterdir())
            with pytest.raises(FileExistsError):
                NEW.write(path, SHAPES, **how)
        else:
            NEW.write(path, SHAPES, **how)
        assert sorted(file.name for file in folder.iterdir()) == FILES[how.get("shard_bytes")]
        step += 1
    assert left


def test_shards_whose_index_did_not_come_go_before_another_number_of_shards(stopped_at, tmp_path):
    step, stopped, left = 0, True, 0
    while stopped:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "m.safetensors"
        stopped = stopped_at(step, path, FOUR, False)
        if not found(path):
            left += (folder / FILES[40][0]).exists()
            NEW.write(path, SHAPES, **TWO)
            assert sorted(file.name for file in folder.iterdir()) == FILES[80]
        step += 1
    assert left


WRITE = """
import os, sys
import weightfill as wf
from weightfill._plan import Plan
plan = Plan({"*": wf.TruncatedNormal(low=-1.0, high=3.0)}, seed=1)
try:
    plan.write(sys.argv[1], {"a": (1 << 12, 1 << 13), "b": 5}, "float64", threads=int(sys.argv[2]),
               shard_bytes=eval(sys.argv[3]), progress=lambda *_: print("tick", flush=True))
except KeyboardInterrupt:
    print("interrupted", os.listdir(os.path.dirname(sys.argv[1])))
"""


@pytest.mark.parametrize(("threads", "shard_bytes"), [(1, None), (2, None), (2, 1 << 20)])
def test_ctrl_c_stops_the_writing_and_leaves_nothing(tmp_path, threads, shard_bytes):
    environment = {**os.environ, "WEIGHTFILL_ISA": _core.built_isas()[0]}
    command = [sys.executable, "-c", WRITE, str(tmp_path / "m.safetensors"), str(threads), str(shard_bytes)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "tick\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().splitlines()[-1] == "interrupted []"
    assert process.returncode == 0


def test_second_ctrl_c_does_not_close_files_that_threads_still_write(tmp_path, monkeypatch):
    writing, told, states = threading.Event(), threading.Event(), []

    def write_block(target, *_):
        writing.set()
        told.wait()
        time.sleep(0.1)  # the first one is being dealt with
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.1)
        states.append(os.fstat(target.fd).st_nlink)

    def interrupt_once(done, total):
        writing.wait()
        told.set()
        raise KeyboardInterrupt

    monkeypatch.setattr("weightfill._checkpoints.written._write_block", write_block)
    with pytest.raises(KeyboardInterrupt):
        NEW.write(tmp_path / "m.safetensors", {"a": 10}, threads=1, progress=interrupt_once)
    assert states == [1]
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_threads_start_stops_those_that_have_started(monkeypatch):
    start, working, done = threading.Thread.start, threading.Event(), []

    def interrupted(thread):
        if working.is_set():
            raise KeyboardInterrupt
        start(thread)
        working.wait()

    def work(block, buffer):
        working.set()
        time.sleep(0.05)  # longer than it takes to deal with the interrupt
        done.append(block)
        return 1

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_threads(iter(range(100)), work, threads=2)
    assert len(done) < 100
