"""The pytest plugin: the fixture `fill_benchmark`. Each run of pytest loads it, so it imports nothing until it is used.

`-p no:weightfill_pytest` switches it off.
"""

from typing import Any

import pytest


@pytest.fixture
def fill_benchmark(request: pytest.FixtureRequest) -> Any:
    """Time what writes memory by pytest-benchmark, and record its share of the ceiling: `weightfill.benchmark`."""
    try:
        benchmark = request.getfixturevalue("benchmark")
    except pytest.FixtureLookupError:
        raise pytest.UsageError(
            "fill_benchmark must have pytest-benchmark, got a run of pytest without it; pip install pytest-benchmark"
        ) from None
    from weightfill.benchmark import FillBenchmark

    return FillBenchmark(benchmark)
