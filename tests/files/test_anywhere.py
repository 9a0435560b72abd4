"""What files promise on every system: `pytest -p tests.systems.windows tests/files/test_anywhere.py` tries another."""

import errno
import os
import signal
import threading

import numpy as np
import pytest

import weightfill as wf
from tests.folders import names
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._files import system
from weightfill._files.hidden_files import hidden_file, locked, remove_abandoned
from weightfill._files.npy import new_npy, open_npy
from weightfill._files.safetensors_file import open_checkpoint
from weightfill._files.stored import OpenFile
from weightfill._plan import Plan

PLAN = Plan({"o": wf.Orthogonal(), "*": wf.Normal()}, seed=42)
SHAPES = {"a": (300, 701), "b": 10, "o": (70, 90), "c": 3, "s": (), "z": (0, 3)}


def write(path, values, **how):
    with new_npy(path, values.shape, values.dtype, **how) as file:
        system.write_at(file.fd, values.tobytes(), file.offset)


@pytest.fixture
def opened(tmp_path):
    """Gives the descriptor of a new file, open to be read and written."""
    fd = os.open(tmp_path / "file", system.CREATE)
    yield fd
    os.close(fd)


def test_threads_write_and_read_at_their_own_places_of_one_file(opened):
    def work(first):
        for offset in range(first * 100, 40_000, 400):
            system.write_at(opened, bytes([offset // 100 % 256]) * 100, offset)
            buffer = bytearray(100)
            assert system.read_at(opened, memoryview(buffer), offset) == 100
            assert buffer == bytes([offset // 100 % 256]) * 100
            passed.append(offset)

    passed = []
    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(passed) == list(range(0, 40_000, 100))
    assert system.read_at(opened, memoryview(bytearray(7)), 40_000) == 0


def test_large_contents_go_in_several_calls(opened, monkeypatch):
    monkeypatch.setattr(system, "_MOST_BYTES", 7)
    content = bytes(range(100))
    system.write_at(opened, content, 3)
    buffer = bytearray(100)
    assert system.read_at(opened, memoryview(buffer), 3) == 7
    os.lseek(opened, 3, os.SEEK_SET)
    assert os.read(opened, 200) == content


@pytest.mark.parametrize("size", [1, 1 << 20, (1 << 20) + 1])
def test_reserved_file_is_zeros_of_its_size(opened, tmp_path, size):
    system.reserve(opened, size, str(tmp_path))
    assert os.fstat(opened).st_size == size
    os.lseek(opened, 0, os.SEEK_SET)
    assert os.read(opened, 2 * size) == bytes(size)


def test_full_disk_is_an_error_before_the_work_and_stays_as_full_as_it_is(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(system, "write_at", lambda *arguments: pytest.fail("something was written"))
    with pytest.raises(OSError) as caught, new_npy(tmp_path / "t.npy", (2**58,), np.float64):  # noqa: PT011
        pytest.fail("the block ran")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "t.npy"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("replace", [False, True])
def test_table_appears_whole_with_or_without_one_before(tmp_path, replace):
    if replace:
        write(tmp_path / "t.npy", np.zeros(3))
    with new_npy(tmp_path / "t.npy", (1000,), np.float32, replace=replace, sync=True) as file:
        system.write_at(file.fd, np.arange(1000, dtype=np.float32).tobytes(), file.offset)
    np.testing.assert_array_equal(open_npy(tmp_path / "t.npy"), np.arange(1000))
    assert names(tmp_path) == ["t.npy"]


def test_existing_or_appearing_file_is_not_replaced_unless_asked_for(tmp_path):
    for moment in ("before", "meanwhile"):
        path = tmp_path / f"{moment}.npy"
        if moment == "before":
            path.write_bytes(b"old")
        with pytest.raises(FileExistsError), new_npy(path, (3,), np.float32):
            path.write_bytes(b"old")
        assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["before.npy", "meanwhile.npy"]


def test_file_that_is_mapped_is_replaced_or_the_error_names_it_and_it_stays(tmp_path):
    path = tmp_path / "t.npy"
    write(path, np.zeros(3))
    mapped = open_npy(path)
    if system.MOVES_OPEN_FILES:
        write(path, np.ones(4), replace=True)
    else:
        with pytest.raises(PermissionError) as caught:
            write(path, np.ones(4), replace=True)
        assert caught.value.filename == str(path)
    np.testing.assert_array_equal(mapped, np.zeros(3))
    del mapped
    assert open_npy(path).shape == ((4,) if system.MOVES_OPEN_FILES else (3,))
    assert names(tmp_path) == ["t.npy"]


def test_checkpoint_of_which_a_shard_is_mapped_is_replaced_or_stays_whole(tmp_path):
    old, new = (Plan({"*": wf.Constant(value)}) for value in (1.0, 2.0))
    index = old.write(tmp_path / "m.safetensors", SHAPES, shard_bytes=1000)[-1]
    mapped = open_checkpoint(index)
    if system.MOVES_OPEN_FILES:
        index = new.write(tmp_path / "m.safetensors", SHAPES, shard_bytes=2000, replace=True)[-1]
    else:
        with pytest.raises(PermissionError):
            new.write(tmp_path / "m.safetensors", SHAPES, shard_bytes=2000, replace=True)
    assert mapped["b"][0] == 1
    del mapped
    assert verify_checkpoint(index, new if system.MOVES_OPEN_FILES else old)


def test_checkpoint_is_replaced_by_one_of_other_files(tmp_path):
    for shard_bytes in (None, 20_000, 1000, None):
        files = PLAN.write(tmp_path / "m.safetensors", SHAPES, shard_bytes=shard_bytes, replace=True, threads=3)
        assert names(tmp_path) == sorted(file.name for file in files)
        assert verify_checkpoint(files[-1], PLAN)


def test_file_that_is_written_is_not_taken_for_an_abandoned_one(tmp_path):
    path = str(tmp_path / "t.npy")
    abandoned = tmp_path / f".t.npy.{'a' * 16}.weightfill"
    abandoned.touch()
    with hidden_file(path, 10, beside=path, like=path) as living:
        remove_abandoned(path)
        assert names(tmp_path) == [os.path.basename(living.name)]
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_ends_the_writing_leaves_nothing(tmp_path, error):
    def stop(done, total):
        raise error

    with pytest.raises(error):
        PLAN.write(tmp_path / "m.safetensors", SHAPES, progress=stop)
    assert names(tmp_path) == []


def test_ctrl_c_ends_the_writing_and_leaves_the_old_checkpoint(tmp_path):
    (file,) = PLAN.write(tmp_path / "m.safetensors", SHAPES)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            PLAN.write(file, SHAPES, replace=True, progress=lambda done, total: signal.raise_signal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert names(tmp_path) == ["m.safetensors"]
    assert verify_checkpoint(file, PLAN)


def test_writers_of_one_name_wait_for_each_other(tmp_path):
    path = tmp_path / "m.safetensors"
    writer = threading.Thread(target=PLAN.write, args=(path, SHAPES))
    with locked(str(path)):
        writer.start()
        writer.join(0.2)
        assert not path.exists()
    writer.join()
    assert verify_checkpoint(path, PLAN)


@pytest.mark.parametrize("kind", ["table", "checkpoint"])
def test_writers_at_once_leave_one_whole_file(tmp_path, kind):
    def run(value):
        try:
            for _ in range(20):
                if kind == "table":
                    write(tmp_path / "t.npy", np.full(50, value), replace=True)
                else:
                    Plan({"*": wf.Constant(value)}).write(tmp_path / "m.safetensors", SHAPES, replace=True)
        except BaseException as error:
            errors.append(error)

    errors = []
    writers = [threading.Thread(target=run, args=(value,)) for value in (1.0, 2.0, 3.0)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert errors == []
    if kind == "table":
        values = np.array(open_npy(tmp_path / "t.npy"))
    else:
        values = np.array(open_checkpoint(tmp_path / "m.safetensors")["b"])
    assert values.tolist() in ([value] * len(values) for value in (1.0, 2.0, 3.0))


def test_stored_file_is_read_while_it_is_not_mapped(tmp_path):
    content = np.arange(100, dtype=np.uint8)
    (tmp_path / "file").write_bytes(content.tobytes())
    buffer = np.empty(90, np.uint8)
    OpenFile(str(tmp_path / "file")).read(buffer, 10)
    np.testing.assert_array_equal(buffer, content[10:])
    with pytest.raises(ValueError, match="file must stay whole while it is read"):
        OpenFile(str(tmp_path / "file")).read(buffer, 11)


def test_system_without_locks_or_a_second_name_for_a_file_writes_whole_files(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "fcntl", None)
    monkeypatch.setattr(system, "msvcrt", None)
    monkeypatch.delattr(os, "link")
    for how in ({}, {"replace": True}, {"replace": True, "shard_bytes": 1000}):
        files = PLAN.write(tmp_path / "m.safetensors", SHAPES, **how)
        assert names(tmp_path) == sorted(file.name for file in files)
        assert verify_checkpoint(files[-1], PLAN)
