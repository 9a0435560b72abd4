"""One call on little memory, beside the calls of other libraries where they are installed."""

from typing import Any

import numpy as np
import pytest

from benchmarks.cases import LAWS
from benchmarks.filling import checked_fill
from benchmarks.memory import Touched
from benchmarks.peers import PEERS, installed

LIBRARIES = [name for name in ("weightfill", "torch.nn.init", "NumPy SFC64") if installed(name)]


@pytest.mark.benchmark(max_time=0.2)
@pytest.mark.parametrize("elements", [2**10, 2**12, 2**14, 2**16, 2**18, 2**20])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_call(law: str, library: str, elements: int, benchmark: Any, memory: Touched) -> None:
    benchmark.group = f"one call, {law}, {elements} elements"
    out, init = memory(4 * elements).view(np.float32), LAWS[law]
    checked_fill(out, init)
    call = PEERS[library](out, init)
    assert call is not None
    benchmark(call)
    benchmark.extra_info.update(library=library, law=law, bytes=out.nbytes)
