"""What the benchmarks share: the memory, the measurement against the ceiling, and the table at the end."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy.typing as npt
import pytest

from benchmarks.cases import cases
from benchmarks.ceiling import FOR_SMALL, SMALLEST, ceiling, rate
from benchmarks.memory import Touched
from benchmarks.timing import Task, many, seconds, take_turns
from weightfill import _core

BUDGET = 0.4  # seconds a case is timed for, about
RESULTS = pytest.StashKey[list[tuple[str, dict[str, Any]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="every law x dtype x size x threads, and tables of 8 GB")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", cases(metafunc.config.getoption("--full")), ids=str)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[RESULTS]
    if not rows:
        return
    terminalreporter.section("share of the ceiling")
    width = max(len(name) for name, _ in rows)
    terminalreporter.line(f"{'':<{width}}      GB/s  10^9 elements/s  ceiling  share  (minima)")
    for name, info in rows:
        terminalreporter.line(
            f"{name:<{width}}  {info['gb_per_s']:8.2f}  {info['elements_per_s'] / 1e9:15.2f}"
            f"  {info['ceiling_gb_per_s']:7.1f}  {info['share_of_ceiling']:5.2f}"
            f"  {info['share_of_ceiling_minima']:8.2f}"
        )


@pytest.fixture(scope="session")
def memory() -> Touched:
    return Touched()


class Measure:
    """Times a fill in turns with its ceiling and writes both into `extra_info`."""

    def __init__(self, benchmark: Any, memory: Touched, results: list[tuple[str, dict[str, Any]]]) -> None:
        self._benchmark = benchmark
        self._memory = memory
        self._results = results

    def __call__(self, fill: Task, out: npt.NDArray[Any], *, law: str, threads: int, isa: str | None = None) -> None:
        """Time `fill`, which writes all of `out`.

        A round is the ceiling, in memory of the same size, and then the fill. Less than 16 MB, which streaming stores
        do not suit, is filled many times in a round, and its ceiling is that of 256 MB.
        """
        if self._benchmark.disabled:
            self._benchmark(fill)
            return
        size = FOR_SMALL if out.nbytes < SMALLEST else out.nbytes
        bare = ceiling(self._memory(size), threads)
        once, highest = (min(seconds(task) for _ in range(3)) for task in (fill, bare))
        if size > out.nbytes:
            calls = max(1, round(highest / once))
            self._benchmark.pedantic(fill, rounds=10, iterations=calls, warmup_rounds=1)  # for the table of the plugin
            ceilings, times = take_turns(bare, many(fill, calls), budget=BUDGET)
            times = [t / calls for t in times]
        else:
            ceilings = []
            rounds = min(100, max(5, round(BUDGET / (once + highest))))
            self._benchmark.pedantic(fill, setup=lambda: ceilings.append(seconds(bare)), rounds=rounds)
            times = self._benchmark.stats.stats.data
        self.record(out, times, ceilings, size, law=law, threads=threads, isa=isa)

    def record(
        self,
        out: npt.NDArray[Any],
        times: list[float],
        ceilings: list[float],
        ceiling_bytes: int,
        *,
        law: str,
        threads: int,
        isa: str | None = None,
    ) -> None:
        """Write what was measured into `extra_info`: seconds for `out` and for `ceiling_bytes`, round by round."""
        took, highest = median(times), ceiling_bytes / median(ceilings) / 1e9
        scale = out.nbytes / ceiling_bytes
        info = {
            "law": law,
            "dtype": out.dtype.name,
            "bytes": out.nbytes,
            "threads": threads,
            "isa": isa or _core.active_isa(),
            "gb_per_s": rate(out, took),
            "elements_per_s": out.size / took,
            "ceiling_gb_per_s": highest,
            "ceiling_bytes": ceiling_bytes,
            "share_of_ceiling": scale * median(ceilings) / took,
            "share_of_ceiling_minima": scale * min(ceilings) / min(times),
            "shares_of_rounds": [scale * bare / time for bare, time in zip(ceilings, times, strict=True)],
        }
        self._benchmark.extra_info.update(info)
        self._results.append((self._benchmark.name, info))


@pytest.fixture
def measure(benchmark: Any, memory: Touched, request: pytest.FixtureRequest) -> Measure:
    return Measure(benchmark, memory, request.config.stash[RESULTS])
