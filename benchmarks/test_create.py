"""A fresh array: `create` against the same threads touching fresh huge pages with streaming stores."""

from typing import Any

import pytest

import weightfill as wf
from benchmarks.cases import ALL_THREADS, LAWS, SEED, STREAM, size_of
from benchmarks.ceiling import first_touch
from benchmarks.conftest import Measure
from benchmarks.memory import available

ROUNDS = 5


@pytest.mark.parametrize("size", ["4GB" if available() > size_of("6GB") else "1GB"])
@pytest.mark.parametrize("law", ["constant", "uniform", "normal"])
def test_create(law: str, size: str, benchmark: Any, measure: Measure) -> None:
    init, total = LAWS[law], size_of(size)
    shape = (total // 512, 128)
    kept, touches = [wf.create(shape, init, seed=SEED, stream=STREAM)], list[float]()
    assert wf.verify(kept[0], init, seed=SEED, stream=STREAM)

    def touch() -> None:
        kept.clear()  # gives the pages back outside of the time
        touches.append(first_touch(total, ALL_THREADS))

    def create() -> None:
        kept.append(wf.create(shape, init, seed=SEED, stream=STREAM))

    benchmark.group = f"create {size}"
    benchmark.pedantic(create, setup=touch, rounds=ROUNDS)
    if not benchmark.disabled:
        measure.record(kept[0], touches, total, law=law, threads=ALL_THREADS)
