"""What there is no memory for is a MemoryError; where threads cannot be started, the others do the work."""

import os
import subprocess
import sys
import threading

import pytest

import weightfill as wf


def run(code):
    """Run CODE in a process of its own; return what it prints."""
    process = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


# Only so many bytes more than the process has now; a thread's stack takes 8 MB.
LIMITED = """
import resource, threading
import numpy as np, weightfill as wf
from weightfill import _core
out, many = np.zeros(2**22, np.float32), np.zeros(3 * 2**20, np.float32)
expected = wf.create(2**22, wf.Normal(), seed=1, threads=1)
def limit(more):
    used = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (used + more, resource.RLIM_INFINITY))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_no_memory_in_a_thread_is_a_memory_error(threads):
    """The 32 MB of the result are there, the 128 MB of counters of each thread are not."""
    call = f"limit(100 << 20)\n_core.histogram(many, 0, 0.0, 1.0, 2**22, {threads}, None)"
    printed = run(f"{LIMITED}\ntry:\n  {call.replace(chr(10), '; ')}\nexcept MemoryError as error:\n  print(error)")
    assert printed == (
        "no memory for what a thread notes beside the array that it works on; use fewer threads or a smaller part\n"
    )


WIDE, TALL = (8, 2**30), (2**30, 8)
NEEDY = {
    "fill": f"wf.fill(out.reshape(8, -1), across, seed=1, shape={WIDE}, start=(0, 0), threads=2)",
    "verify": f"wf.verify(out.reshape(8, -1), across, seed=1, shape={WIDE}, start=(0, 0), threads=2)",
    "fill_rows": f"wf.fill_rows(out[:8000].reshape(-1, 8), down, range(1000), seed=1, shape={TALL}, threads=2)",
    "draw_slices": "_core.draw_slices(count=2**30, stride=1, kept=10**7, number=7, seed=1, slices=8, threads=2)",
}


@pytest.mark.parametrize("call", NEEDY.values(), ids=NEEDY)
def test_no_memory_for_the_connections_of_a_slice_is_a_memory_error(call):
    """Each thread needs 256 MB for 10 million connections."""
    sparse = "across, down = (wf.Sparse(connections=10**7, axis=axis) for axis in (1, 0))"
    printed = run(f"{LIMITED}\n{sparse}\nlimit(100 << 20)\ntry:\n  {call}\nexcept MemoryError:\n  print('none')")
    assert printed == "none\n"


def test_threads_that_cannot_be_started_are_done_without():
    code = "limit(1 << 20)\ntry:\n  threading.Thread(target=print).start()\nexcept RuntimeError:\n  print('none')\n"
    code += "wf.fill(out, wf.Normal(), seed=1, threads=8); limit(1 << 30)\nprint(bool((out == expected).all()))"
    assert run(LIMITED + code) == "none\nTrue\n"


@pytest.mark.parametrize("startable", [0, 1, 2])
def test_a_checkpoint_is_written_by_the_threads_that_can_be_started(tmp_path, monkeypatch, startable):
    plan, shapes = wf.Plan({"*": wf.Normal()}, seed=1), {"a": (3000, 1000), "b": 7}
    (expected,) = plan.write(tmp_path / "expected.safetensors", shapes, "float32", threads=1)
    start, started = threading.Thread.start, []

    def limited(thread):
        if len(started) == startable:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    told = []
    (file,) = plan.write(
        tmp_path / "m.safetensors", shapes, "float32", threads=4, progress=lambda done, _: told.append(done)
    )
    assert len(started) == startable
    assert told[-1] == 3_000_007
    assert file.read_bytes() == expected.read_bytes()


def test_no_memory_for_a_buffer_of_a_checkpoint_leaves_no_file(tmp_path, monkeypatch):
    def no_buffer(*_):
        raise MemoryError("no buffer")

    monkeypatch.setattr("weightfill._checkpoints.written._write_block", no_buffer)
    with pytest.raises(MemoryError, match="no buffer"):
        wf.Plan({"*": wf.Normal()}, seed=1).write(tmp_path / "m.safetensors", {"a": 5}, "float32", threads=3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(2**64, 1), (2**32, 2**32), (2**63,), (0, 2**64), (2**63, 0)])
def test_an_array_larger_than_the_address_space_is_a_memory_error(shape):
    with pytest.raises(MemoryError, match="no memory for an array of shape"):
        wf.create(shape, wf.Zeros())


@pytest.mark.parametrize(("shape", "axis"), [((2**62, 4), 0), ((2**60, 4), 0), ((2**62, 4), 1)])
def test_a_sparse_matrix_of_too_many_rows_is_a_memory_error(shape, axis):
    with pytest.raises(MemoryError, match="no memory for where"):
        wf.create_csr(shape, wf.Sparse(connections=2, axis=axis), seed=1)
