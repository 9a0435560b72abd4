"""Contiguous memory, touched before: law x dtype x size x threads."""

from typing import Any

from benchmarks.cases import LAWS, Case, size_of
from benchmarks.conftest import Measure
from benchmarks.filling import checked_fill
from benchmarks.memory import Touched


def test_fill(case: Case, benchmark: Any, memory: Touched, measure: Measure) -> None:
    benchmark.group = f"{case.size}, {case.threads} threads"
    out = memory(size_of(case.size)).view(case.dtype)
    fill = checked_fill(out, LAWS[case.law], case.threads)
    measure(fill, out, law=case.law, threads=case.threads)
