"""Targets that are not a plain array: transposed, strided, rows by their ids."""

from typing import Any

import numpy as np
import pytest

from benchmarks.cases import ALL_THREADS, LAWS
from benchmarks.conftest import Measure
from benchmarks.filling import checked_fill, checked_fill_rows
from benchmarks.memory import Touched

BYTES = 2**28
TABLE = 10**9  # rows


@pytest.mark.parametrize("dim", [16, 64, 128, 1024])
@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_fill_rows(law: str, dim: int, benchmark: Any, memory: Touched, measure: Measure) -> None:
    benchmark.group = "rows by ids"
    out = memory(BYTES).view(np.float32).reshape(-1, dim)
    ids = np.random.default_rng(1).integers(0, TABLE, len(out))
    measure(checked_fill_rows(out, LAWS[law], ids), out, law=law, threads=ALL_THREADS)


@pytest.mark.parametrize("layout", ["transposed", "columns", "every second"])
@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_fill_strided(law: str, layout: str, benchmark: Any, memory: Touched, measure: Measure) -> None:
    benchmark.group = "strided"
    table = memory(BYTES).view(np.float32).reshape(-1, 4096)
    out = {"transposed": table.T, "columns": table[:, 1024:3072], "every second": table[:, ::2]}[layout]
    measure(checked_fill(out, LAWS[law], ALL_THREADS), out, law=law, threads=ALL_THREADS)
