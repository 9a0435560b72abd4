"""Every instruction set that this CPU can run, forced."""

from typing import Any

import numpy as np
import pytest

from benchmarks.cases import ALL_THREADS, LAWS
from benchmarks.conftest import Measure
from benchmarks.filling import checked_fill
from benchmarks.memory import Touched
from weightfill import _core


@pytest.mark.parametrize("target", _core.supported_targets())
@pytest.mark.parametrize("law", LAWS)
def test_forced_target(law: str, target: str, benchmark: Any, memory: Touched, measure: Measure) -> None:
    benchmark.group = "forced target"
    out = memory(2**28).view(np.float32)
    fill = checked_fill(out, LAWS[law], ALL_THREADS, target)
    measure(fill, out, law=law, threads=ALL_THREADS, target=target)
