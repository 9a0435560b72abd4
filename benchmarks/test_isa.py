"""Every instruction set that this CPU can run, forced."""

from typing import Any

import numpy as np
import pytest

from benchmarks.cases import ALL_THREADS, LAWS
from benchmarks.conftest import Measure
from benchmarks.filling import checked_fill
from benchmarks.memory import Touched
from weightfill import _core


@pytest.mark.parametrize("isa", _core.supported_isas())
@pytest.mark.parametrize("law", LAWS)
def test_forced_isa(law: str, isa: str, benchmark: Any, memory: Touched, measure: Measure) -> None:
    benchmark.group = "forced isa"
    out = memory(2**28).view(np.float32)
    fill = checked_fill(out, LAWS[law], ALL_THREADS, isa)
    measure(fill, out, law=law, threads=ALL_THREADS, isa=isa)
