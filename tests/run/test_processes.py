"""Signals, forks, several threads and several processes; targets in files and in shared memory."""

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest

import weightfill as wf
from tests.bits import DTYPES, assert_same_bits
from tests.repository import ROOT
from weightfill import _core

SEED, STREAM = 99, "processes"
FORK_WARNING = r"ignore:.*multi-threaded, use of fork\(\) may lead to deadlocks:DeprecationWarning"
FORK_WARNING_OF_JAX = r"ignore:os.fork\(\) was called:RuntimeWarning"  # where an earlier test has imported it

# Slow enough, on the narrowest target and one thread, for a signal to come long before the end.
LAW, LENGTH = wf.TruncatedNormal(low=-1.0, high=3.0), 2**25


def run(code, *arguments):
    """Start Python on CODE that sees this module's names."""
    environment = {**os.environ, "WEIGHTFILL_ISA": _core.built_isas()[0]}
    program = [sys.executable, "-c", f"from {__name__} import *\n{code}", *arguments]
    return subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def old_and_final(out, old):
    """How many elements are old, how many final, and how many neither."""
    _core.set_active_isa(_core.supported_isas()[-1])
    counts = np.zeros(3, np.int64)
    for begin in range(0, out.size, 2**20):
        found = out[begin : begin + 2**20]
        final = wf.fill(np.empty_like(found), LAW, seed=SEED, stream=STREAM, shape=out.shape, start=begin)
        is_old, is_final = found == old, found == final
        counts += [is_old.sum(), is_final.sum(), (~is_old & ~is_final).sum()]
    return counts.tolist()


INTERRUPTED_FILL = """
out = np.full(LENGTH, -7.0)
try:
    wf.fill(out, LAW, seed=SEED, stream=STREAM, threads=int(sys.argv[1]), progress=lambda *_: print("tick", flush=True))
except KeyboardInterrupt:
    print("interrupted", *old_and_final(out, -7.0))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_a_fill_and_leaves_only_old_and_final_values(threads):
    with run(INTERRUPTED_FILL, str(threads)) as process:
        assert process.stdout.readline() == "tick\n"
        process.send_signal(signal.SIGINT)
        last = process.stdout.read().splitlines()[-1].split()
    assert process.returncode == 0
    assert last[0] == "interrupted"
    old, final, neither = map(int, last[1:])
    assert old > 0
    assert final > 0
    assert neither == 0


WITHOUT_PROGRESS = """
out = np.memmap(sys.argv[1], np.float64, "r+")
try:
    wf.fill(out, LAW, seed=SEED, stream=STREAM, threads=1)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_stops_a_fill_without_progress(tmp_path):
    """The parent sees in the shared file that the child's fill has begun."""
    mapped = np.memmap(tmp_path / "table.bin", np.float64, "w+", shape=(LENGTH,))
    with run(WITHOUT_PROGRESS, str(tmp_path / "table.bin")) as process:
        while mapped[0] == 0:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
    assert process.returncode == 0
    assert not mapped[-1]
    assert old_and_final(mapped, 0)[2] == 0


HANDLED = """
import time
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
out = np.full(LENGTH // 8, np.nan)
print("ready", flush=True)
wf.fill(out, LAW, seed=SEED, stream=STREAM, threads=1)
while not heard:
    time.sleep(0.01)
print("whole", *old_and_final(out, np.nan))
"""


def test_handled_signal_does_not_disturb_a_fill():
    with run(HANDLED) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read() == f"whole 0 {LENGTH // 8} 0\n"
    assert process.returncode == 0


IN_THREAD = """
out = np.full(LENGTH // 4, -7.0)

def tick(done, total):
    if not interrupts:
        interrupts.append(done)
        signal.raise_signal(signal.SIGINT)

def work():
    wf.fill(out, LAW, seed=SEED, stream=STREAM, threads=2, progress=tick)
    ended.append(True)

interrupts, ended = [], []
thread = threading.Thread(target=work)
try:
    thread.start()
    thread.join()
    signal.pause()
except KeyboardInterrupt:
    print("interrupted", flush=True)
thread.join()
print(ended, old_and_final(out, -7.0))
"""


def test_ctrl_c_during_a_fill_of_another_thread_comes_to_the_main_thread():
    with run(IN_THREAD) as process:
        text = process.stdout.read()
    assert text == f"interrupted\n[True] [0, {LENGTH // 4}, 0]\n"
    assert process.returncode == 0


def exit_code_of_child(work):
    """Fork; the child ends with 0 if `work()` is true. A child that hangs is ended by an alarm."""
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings(FORK_WARNING, FORK_WARNING_OF_JAX)
def test_forked_child_fills_while_a_thread_of_the_parent_does():
    law, shape = wf.Normal(), (1000, 1000)
    expected = wf.create(shape, law, seed=SEED, threads=1)
    started, stop = threading.Event(), threading.Event()

    def go_on():
        out = np.empty(shape, np.float32)
        while not stop.is_set():
            wf.fill(out, law, seed=SEED, threads=3, progress=lambda *_: started.set())

    thread = threading.Thread(target=go_on)
    thread.start()
    started.wait()
    try:
        codes = [
            exit_code_of_child(lambda: (wf.create(shape, law, seed=SEED, threads=3) == expected).all())
            for _ in range(20)
        ]
    finally:
        stop.set()
        thread.join()
    assert codes == [0] * 20


def fill_rows_of_shared_memory(name, shape, dtype, begin, end):
    memory = SharedMemory(name)
    rows = np.ndarray(shape, dtype, memory.buf)[begin:end]
    wf.fill(rows, LAW, seed=SEED, stream=STREAM, shape=shape, start=(begin, 0), threads=2)
    del rows
    memory.close()


@pytest.mark.filterwarnings(FORK_WARNING, FORK_WARNING_OF_JAX)
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("dtype", [np.dtype(np.float64), DTYPES[3]], ids=str)
def test_processes_fill_their_parts_of_shared_memory(method, dtype):
    shape, cuts = (301, 1000), (0, 97, 301)
    expected = wf.create(shape, LAW, seed=SEED, stream=STREAM, dtype=dtype, threads=2)
    context = multiprocessing.get_context(method)
    memory = SharedMemory(create=True, size=expected.nbytes)
    try:
        children = [
            context.Process(target=fill_rows_of_shared_memory, args=(memory.name, shape, dtype, begin, end))
            for begin, end in itertools.pairwise(cuts)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0] * len(children)
        table = np.ndarray(shape, dtype, memory.buf)
        assert_same_bits(table, expected)
        assert wf.verify(table, LAW, seed=SEED, stream=STREAM)
        del table
    finally:
        memory.close()
        memory.unlink()


PART_OF_FILE = """
begin, end = map(int, sys.argv[2:])
table = np.memmap(sys.argv[1], np.float32, "r+", shape=(3000, 500))
wf.fill(table[begin:end], LAW, seed=SEED, stream=STREAM, shape=table.shape, start=(begin, 0), threads=2)
"""


def test_processes_fill_their_parts_of_a_memory_map(tmp_path):
    path = tmp_path / "table.bin"
    table = np.memmap(path, np.float32, "w+", shape=(3000, 500))
    children = [run(PART_OF_FILE, str(path), str(begin), str(begin + 1000)) for begin in (0, 1000, 2000)]
    for child in children:
        child.communicate()
        assert child.returncode == 0
    assert_same_bits(table, wf.create(table.shape, LAW, seed=SEED, stream=STREAM))
    part = np.memmap(path, np.float32, "r", offset=2000 * 500 * 4 + 12)
    assert_same_bits(part, table.ravel()[2000 * 500 + 3 :])


def by_threads(count, work):
    """Run work(k) in `count` threads at once, and raise what one of them raised."""
    barrier, errors = threading.Barrier(count), []

    def one(k):
        try:
            barrier.wait()
            work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_eight_threads_fill_parts_of_one_table(dtype):
    shape = (800, 1001)
    expected = wf.create(shape, LAW, seed=SEED, stream=STREAM, dtype=dtype)
    out = np.zeros(shape, dtype)

    def fill_part(k):
        rows = slice(k * 100, (k + 1) * 100)
        wf.fill(out[rows], LAW, seed=SEED, stream=STREAM, shape=shape, start=(rows.start, 0), threads=2)

    by_threads(8, fill_part)
    assert_same_bits(out, expected)


def test_eight_threads_fill_the_same_table():
    shape = (700, 1001)
    expected = wf.create(shape, LAW, seed=SEED, stream=STREAM)
    out = np.zeros(shape, np.float32)
    by_threads(8, lambda k: wf.fill(out, LAW, seed=SEED, stream=STREAM, threads=1 + k % 3))
    assert_same_bits(out, expected)


def test_eight_threads_use_different_laws_streams_and_verbs():
    laws = [wf.Normal(std=1 + k) if k % 2 else wf.TruncatedNormal(low=-k - 1.0, high=2.0) for k in range(8)]
    expected = [wf.create((300, 401), law, seed=k, stream=str(k), threads=1) for k, law in enumerate(laws)]

    def work(k):
        for _ in range(10):
            out = wf.create((300, 401), laws[k], seed=k, stream=str(k), threads=2)
            assert_same_bits(out, expected[k])
            assert wf.verify(out, laws[k], seed=k, stream=str(k), threads=2)
            rows = wf.fill_rows(
                np.empty((3, 401), np.float32), laws[k], [7, 0, 299], seed=k, stream=str(k), shape=out.shape
            )
            assert_same_bits(rows, out[[7, 0, 299]])

    by_threads(8, work)


def test_exception_of_one_threads_progress_stops_no_other():
    expected = wf.create(2_000_000, LAW, seed=SEED)
    out = [np.zeros(expected.size, np.float32) for _ in range(4)]

    def stop(done, total):
        raise LookupError

    def work(k):
        if k:
            wf.fill(out[k], LAW, seed=SEED, threads=2)
            return
        with pytest.raises(LookupError):
            wf.fill(out[k], LAW, seed=SEED, threads=2, progress=stop)

    by_threads(4, work)
    for values in out[1:]:
        assert_same_bits(values, expected)
