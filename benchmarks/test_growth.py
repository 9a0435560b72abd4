"""From 16 MB to 8 GB: the time of an element should not change. 8 GB only with --full, and only if they are free."""

from typing import Any

import numpy as np
import pytest

from benchmarks.cases import ALL_THREADS, LAWS, size_of
from benchmarks.conftest import Measure
from benchmarks.filling import checked_fill
from benchmarks.memory import Touched, available


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    sizes = ["16MB", "128MB", "1GB"]
    if metafunc.config.getoption("--full") and available() > size_of("12GB"):
        sizes.append("8GB")
    metafunc.parametrize("size", sizes)


@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_growth(law: str, size: str, benchmark: Any, memory: Touched, measure: Measure) -> None:
    benchmark.group = f"growth, {law}"
    out = memory(size_of(size)).view(np.float32)
    measure(checked_fill(out, LAWS[law], ALL_THREADS), out, law=law, threads=ALL_THREADS)
    if not benchmark.disabled:
        benchmark.extra_info["picoseconds_per_element"] = benchmark.stats.stats.median / out.size * 1e12
