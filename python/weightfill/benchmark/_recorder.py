"""What the fixture `fill_benchmark` gives to a test: pytest-benchmark's own, with the ceiling beside it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy.typing as npt

from weightfill._run.threads import checked_threads, get_threads
from weightfill.benchmark._ceiling import SMALLEST, ceiling_of, checked_memory, write_at_ceiling
from weightfill.benchmark._share import Share, calls_in_a_round, memory_for_ceiling, share_of, share_of_ceiling
from weightfill.benchmark._turns import Task, seconds

_BUDGET = 0.4  # seconds a case is timed for, about


class FillBenchmark:
    """Times what writes memory by pytest-benchmark, in turns with the ceiling, and records the share of it.

    The fixture `fill_benchmark` is one of these, around pytest-benchmark's `benchmark`. The attribute `benchmark` is
    that one, for its `group` and `extra_info`.
    """

    def __init__(self, benchmark: Any) -> None:
        self.benchmark = benchmark

    def __call__(
        self,
        write: Task,
        out: npt.NDArray[Any],
        *,
        threads: int | None = None,
        ceiling_in: npt.NDArray[Any] | None = None,
    ) -> Share | None:
        """Time `write`, which writes all of `out`, and record what `Share.to_dict` has in `extra_info`.

        The arguments are those of `share_of_ceiling`. Where pytest-benchmark measures nothing (`--benchmark-disable`,
        and in the processes of pytest-xdist), `write` is called once and None is returned.

        Raises:
            TypeError: `out` is not a NumPy array.
            ValueError: `out` is empty or read-only, or `threads` is not in [1, 1024].
        """
        checked_memory(out)
        threads = get_threads() if threads is None else checked_threads(threads, "threads")
        if self.benchmark.disabled:
            self.benchmark(write)
            return None
        memory = memory_for_ceiling(out) if ceiling_in is None else ceiling_in
        bare = partial(write_at_ceiling, memory, threads=threads)
        if out.nbytes < SMALLEST:  # pytest-benchmark has no setup between rounds of many calls
            calls = calls_in_a_round(write, bare)
            self.benchmark.pedantic(write, rounds=10, iterations=calls, warmup_rounds=1)  # for its own table
            return self._noted(share_of_ceiling(write, out, threads=threads, seconds=_BUDGET, ceiling_in=memory))
        ceilings: list[float] = []
        once, highest = (min(seconds(task) for _ in range(3)) for task in (write, bare))
        rounds = min(100, max(5, round(_BUDGET / (once + highest))))
        self.benchmark.pedantic(write, setup=lambda: ceilings.append(seconds(bare)), rounds=rounds)
        return self.record(out.nbytes, ceilings, memory.nbytes, threads=threads)

    def record(self, size: int, ceilings: list[float], ceiling_bytes: int, *, threads: int) -> Share:
        """Record the share of rounds that the test has timed by `benchmark.pedantic` itself.

        Args:
            size: the bytes that each call wrote.
            ceilings: the seconds of the ceiling, one for each round.
            ceiling_bytes: the bytes that it wrote.
            threads: how many threads wrote it.
        """
        times = list(self.benchmark.stats.stats.data)
        return self._noted(share_of(size, times, ceiling_of(ceiling_bytes, threads, ceilings)))

    def _noted(self, share: Share) -> Share:
        self.benchmark.extra_info.update(share.to_dict())
        return share
