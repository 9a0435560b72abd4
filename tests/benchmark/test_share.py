"""The ceiling, and what a function that writes memory reaches of it."""

import json
import re

import numpy as np
import pytest

import weightfill as wf
from weightfill import _core, benchmark
from weightfill.benchmark import Ceiling, Share


def test_the_ceiling_is_measured_by_writes_without_a_zero_byte():
    out = np.zeros(2**20, np.float32)
    most = benchmark.ceiling(out, threads=1, seconds=0.001)
    assert (most.bytes, most.threads, most.isa) == (out.nbytes, 1, _core.supported_isas()[-1])
    assert len(most.seconds) >= 5
    written = out.view(np.uint8)[64:-64]  # whole cache lines
    assert written.all()


def test_a_ceiling_says_its_rate():
    most = Ceiling(bytes=10**9, threads=2, isa="avx2", seconds=(0.05, 0.1, 0.2))
    assert most.gb_per_s == 10
    assert str(most) == "10.0 GB/s, 2 threads, avx2"
    assert json.loads(most.to_json()) == {
        "bytes": 10**9,
        "threads": 2,
        "isa": "avx2",
        "gb_per_s": 10.0,
        "seconds": [0.05, 0.1, 0.2],
    }


def test_a_share_is_that_of_the_medians_and_of_each_round():
    share = Share(bytes=10**9, seconds=(0.1, 0.2, 0.4), ceiling=Ceiling(2 * 10**9, 2, "avx2", (0.1, 0.1, 0.2)))
    assert share.gb_per_s == 5
    assert share.of_ceiling == pytest.approx(0.25)  # 5 of 20 GB/s
    assert share.of_minima == pytest.approx(0.5)
    assert share.of_rounds == pytest.approx((0.5, 0.25, 0.25))
    assert str(share) == "5.0 GB/s, 0.25 of the ceiling of 20.0 GB/s"
    assert json.loads(share.to_json()) == {
        "bytes": 10**9,
        "threads": 2,
        "gb_per_s": 5.0,
        "ceiling_gb_per_s": 20.0,
        "ceiling_bytes": 2 * 10**9,
        "share_of_ceiling": share.of_ceiling,
        "share_of_ceiling_minima": share.of_minima,
        "shares_of_rounds": list(share.of_rounds),
    }


def test_memory_of_16_mb_is_compared_with_itself_and_holds_what_was_written():
    table = np.zeros((2**11, 2**11), np.float32)
    share = benchmark.share_of_ceiling(lambda: wf.fill(table, wf.Normal(), seed=1), table, threads=2, seconds=0.001)
    assert wf.verify(table, wf.Normal(), seed=1)
    assert (share.bytes, share.ceiling.bytes, share.ceiling.threads) == (2**24, 2**24, 2)
    assert len(share.seconds) == len(share.ceiling.seconds) >= 5


def test_less_memory_is_compared_with_that_of_256_mb_and_never_written_by_the_ceiling():
    table = np.zeros(1000, np.float32)
    share = benchmark.share_of_ceiling(lambda: None, table, threads=1, seconds=0.001)
    assert not table.any()
    assert (share.bytes, share.ceiling.bytes) == (4000, 2**28)


def test_strided_memory_is_compared_with_other_memory_of_its_size():
    table = np.zeros((2**11, 2**12), np.float32)[:, ::2]
    share = benchmark.share_of_ceiling(lambda: None, table, threads=1, seconds=0.001)
    assert not table.any()
    assert share.ceiling.bytes == table.nbytes


def test_the_memory_of_the_ceiling_can_be_given():
    other = np.zeros(2**16, np.uint8)
    share = benchmark.share_of_ceiling(lambda: None, np.zeros(10), threads=1, seconds=0.001, ceiling_in=other)
    assert share.ceiling.bytes == 2**16
    assert other[64:-64].all()


@pytest.mark.parametrize(
    "measure", [benchmark.ceiling, lambda out, **more: benchmark.share_of_ceiling(int, out, **more)]
)
@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([1.0], TypeError, "out must be a NumPy array, got [1.0]; of a torch tensor on the CPU, pass .numpy()"),
        (np.empty((0, 3)), ValueError, "out must have at least 1 element, got shape (0, 3)"),
        (np.broadcast_to(1.0, 3), ValueError, "out must be writable, got a read-only array of shape (3,)"),
    ],
)
def test_memory_that_cannot_be_written_is_refused(measure, out, error, message):
    with pytest.raises(error) as caught:
        measure(out)
    assert str(caught.value) == message


@pytest.mark.parametrize("measure", [benchmark.ceiling, benchmark.write_at_ceiling])
def test_the_ceiling_of_strided_memory_is_refused(measure):
    message = "out must be C-contiguous, got strides (32, 16); pass the array that it is a view of"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        measure(np.empty((4, 4))[:, ::2])


def test_threads_are_checked():
    with pytest.raises(ValueError, match=r"^threads must be in \[1, 1024\], got 0"):
        benchmark.ceiling(np.zeros(100), threads=0)


def test_the_active_instruction_set_stays_as_it_was(each_isa):
    for isa in each_isa():
        benchmark.ceiling(np.zeros(1000), threads=1, seconds=0)
        assert _core.active_isa() == isa
