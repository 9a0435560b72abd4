"""Several processes that write one checkpoint at once: in the end there is one of theirs, whole, and nothing else."""

import fcntl
import os
import subprocess
import sys
import threading

import pytest

import weightfill as wf
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._files.hidden_files import locked
from weightfill._plan import Plan

INDEX = "m.safetensors.index.json"
SHAPES = {"a": 10, "b": (2, 5), "c": 10, "d": 3}
SEEDS = {11: (None, 1), 12: (80, 3), 13: (40, 5), 14: (80, 3)}  # shard_bytes, and the files that this makes

RIVAL = """
import sys
import weightfill as wf
seed, shard_bytes, replace = map(eval, sys.argv[2:])
plan = wf.Plan({"*": wf.Normal()}, seed=seed)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    try:
        plan.write(sys.argv[1], {"a": 10, "b": (2, 5), "c": 10, "d": 3}, shard_bytes=shard_bytes, replace=replace)
    except FileExistsError:
        pass
"""


def race(path, seeds, replace):
    """Let processes write the same name, all at once, many times."""
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", RIVAL, str(path), str(seed), str(SEEDS[seed][0]), str(replace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in seeds
    ]
    for rival in rivals:
        assert rival.stdout.readline() == "ready\n"
    for rival in rivals:
        rival.stdin.write("\n")
        rival.stdin.flush()
    for rival in rivals:
        assert rival.communicate() == ("", "")
        assert rival.returncode == 0


def assert_one_whole_checkpoint(path, seeds):
    names = sorted(file.name for file in path.parent.iterdir())
    file = path.with_name(INDEX) if INDEX in names else path
    (winner,) = [seed for seed in seeds if verify_checkpoint(file, Plan({"*": wf.Normal()}, seed=seed))]
    assert len(names) == SEEDS[winner][1]


@pytest.mark.parametrize("seeds", [(12, 14), (12, 13), (11, 12), (11, 12, 13, 14)], ids=str)
@pytest.mark.parametrize("replace", [True, False])
def test_writers_at_once_leave_one_whole_checkpoint(tmp_path, seeds, replace):
    path = tmp_path / "m.safetensors"
    race(path, seeds, replace)
    assert_one_whole_checkpoint(path, seeds)


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize(("first", "second"), [(12, 14), (12, 13), (13, 12), (11, 12), (12, 11)])
def test_writer_that_comes_while_another_publishes_is_the_next(tmp_path, monkeypatch, first, second, step):
    path = tmp_path / "m.safetensors"
    Plan({"*": wf.Ones()}).write(path, SHAPES, shard_bytes=80)
    calls = 0

    def write(seed):
        Plan({"*": wf.Normal()}, seed=seed).write(path, SHAPES, shard_bytes=SEEDS[seed][0], replace=True)

    rival = threading.Thread(target=write, args=(second,))

    def rivalled(call):
        def wrapped(*arguments):
            nonlocal calls
            calls += 1
            if calls == step + 1 and not rival.is_alive():
                rival.start()
                rival.join(0.1)
            return call(*arguments)

        return wrapped

    for name in ("replace", "link", "rename"):
        monkeypatch.setattr(os, name, rivalled(getattr(os, name)))
    write(first)
    if rival.ident:
        rival.join()
    assert_one_whole_checkpoint(path, [second if rival.ident else first])


def test_writer_waits_for_the_lock_of_the_name(tmp_path):
    path = tmp_path / "m.safetensors"
    writer = threading.Thread(target=Plan({"*": wf.Ones()}).write, args=(path, SHAPES))
    with locked(str(path)):
        writer.start()
        writer.join(0.2)
        assert not path.exists()
    writer.join()
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_lock_of_a_killed_writer_is_none(tmp_path):
    path = tmp_path / "m.safetensors"
    script = """
import os, sys
from weightfill._files.hidden_files import locked
with locked(sys.argv[1]): os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script, str(path)]).returncode == -9
    assert len(os.listdir(tmp_path)) == 1
    Plan({"*": wf.Ones()}).write(path, SHAPES)
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_file_system_without_locks_works_too(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError

    monkeypatch.setattr(fcntl, "flock", refuse)
    for how in ({"shard_bytes": 40}, {}, {"shard_bytes": 80}):
        files = Plan({"*": wf.Ones()}).write(tmp_path / "m.safetensors", SHAPES, replace=True, **how)
        assert sorted(os.listdir(tmp_path)) == sorted(file.name for file in files)
