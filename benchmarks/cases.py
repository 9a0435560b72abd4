"""What is timed: laws, dtypes, sizes and numbers of threads."""

from __future__ import annotations

import re
from dataclasses import dataclass

import weightfill as wf

SEED = 42
STREAM = "item_table"

LAWS: dict[str, wf.Initializer] = {
    "constant": wf.Constant(0.02),
    "uniform": wf.Uniform(-0.05, 0.05),
    "normal": wf.Normal(std=0.02),
    "truncated": wf.TruncatedNormal(std=0.02),  # [-2, 2] sigma
    "one-sided": wf.TruncatedNormal(std=0.02, low=0.01),  # [0.5, inf) sigma
    "laplace": wf.Laplace(scale=0.02),
    "log-uniform": wf.LogUniform(1e-3, 1e-1),
}
DTYPES = ("float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")

UNITS = {"KB": 2**10, "MB": 2**20, "GB": 2**30}
SIZES = ("4KB", "256KB", "16MB", "256MB", "1GB")
ALL_THREADS = wf.get_threads()
THREADS = tuple(sorted({1, ALL_THREADS}))


def size_of(text: str) -> int:
    """Return the bytes of a size such as '256MB', in units of 1024.

    Raises:
        ValueError: it is not a positive integer and KB, MB or GB.
    """
    match = re.fullmatch(r"([1-9]\d*)(KB|MB|GB)", text)
    if match is None:
        raise ValueError(f"size must be like '256MB', in KB, MB or GB, got {text!r}")
    return int(match[1]) * UNITS[match[2]]


@dataclass(frozen=True)
class Case:
    """One fill of contiguous memory."""

    law: str
    dtype: str
    size: str
    threads: int

    def __str__(self) -> str:
        return f"{self.law}-{self.dtype}-{self.size}-{self.threads}thread{'s'[: self.threads > 1]}"


def cases(full: bool) -> list[Case]:
    """Return all cases; unless `full`, only those of float32, and those of 256 MB with all threads."""
    return [
        Case(law, dtype, size, threads)
        for size in SIZES
        for threads in THREADS
        for dtype in DTYPES
        if full or dtype == "float32" or (size == "256MB" and threads == ALL_THREADS)
        for law in LAWS
    ]
