"""What the benchmarks share: the memory, the measurement against the ceiling, and the table at the end."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy.typing as npt
import pytest

from benchmarks.cases import cases
from benchmarks.memory import Touched
from weightfill import _core
from weightfill.benchmark import FillBenchmark, Share, Task
from weightfill.benchmark._ceiling import FOR_SMALL, SMALLEST

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
    """Times a fill in turns with its ceiling, as `fill_benchmark` does, and writes more about it into `extra_info`."""

    def __init__(self, recorder: FillBenchmark, memory: Touched, results: list[tuple[str, dict[str, Any]]]) -> None:
        self._recorder = recorder
        self._memory = memory
        self._results = results

    def __call__(self, fill: Task, out: npt.NDArray[Any], *, law: str, threads: int, isa: str | None = None) -> None:
        """Time `fill`, which writes all of `out`; the ceiling is that of as much of the memory that all cases share."""
        size = FOR_SMALL if out.nbytes < SMALLEST else out.nbytes
        share = self._recorder(fill, out, threads=threads, ceiling_in=self._memory(size))
        if share is not None:
            self._note(share, out, law=law, isa=isa)

    def record(
        self, out: npt.NDArray[Any], ceilings: list[float], ceiling_bytes: int, *, law: str, threads: int
    ) -> None:
        """Write what the test has timed itself: the seconds of `ceiling_bytes`, round by round."""
        self._note(self._recorder.record(out.nbytes, ceilings, ceiling_bytes, threads=threads), out, law=law)

    def _note(self, share: Share, out: npt.NDArray[Any], *, law: str, isa: str | None = None) -> None:
        benchmark = self._recorder.benchmark
        benchmark.extra_info |= {
            "law": law,
            "dtype": out.dtype.name,
            "isa": isa or _core.active_isa(),
            "elements_per_s": out.size / median(share.seconds),
        }
        self._results.append((benchmark.name, benchmark.extra_info))


@pytest.fixture
def measure(benchmark: Any, memory: Touched, request: pytest.FixtureRequest) -> Measure:
    return Measure(FillBenchmark(benchmark), memory, request.config.stash[RESULTS])
