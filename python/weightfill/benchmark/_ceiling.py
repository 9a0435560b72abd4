"""The ceiling: streaming stores into the same memory, by the same number of threads, with the widest instructions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.messages import shown
from weightfill._run import isa
from weightfill._run.threads import checked_threads, get_threads
from weightfill.benchmark._turns import take_turns

SMALLEST = 2**24  # bytes; what is smaller stays in the caches, which streaming stores pass by
FOR_SMALL = 2**28  # bytes whose ceiling stands beside what is smaller


@dataclass(frozen=True)
class Ceiling:
    """How fast memory can be written: what `ceiling` measured.

    Attributes:
        bytes: how many were written in each round.
        threads: how many threads wrote them.
        isa: the instruction set, the widest of this CPU.
        seconds: what each round took.
    """

    bytes: int
    threads: int
    isa: str
    seconds: tuple[float, ...]

    @property
    def gb_per_s(self) -> float:
        """The rate of the median round, in 10^9 bytes per second."""
        return self.bytes / median(self.seconds) / 1e9

    def to_dict(self) -> dict[str, Any]:
        """Return what was measured, and the rate, in types that JSON has."""
        return {
            "bytes": self.bytes,
            "threads": self.threads,
            "isa": self.isa,
            "gb_per_s": self.gb_per_s,
            "seconds": list(self.seconds),
        }

    def to_json(self) -> str:
        """Return the same as a line of JSON."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        return f"{self.gb_per_s:.1f} GB/s, {self.threads} threads, {self.isa}"


def ceiling(out: npt.NDArray[Any], *, threads: int | None = None, seconds: float = 0.5) -> Ceiling:
    """Measure how fast this machine can write an array. Its contents are lost.

    Every byte is written with streaming stores of the widest instruction set, with a pattern without a zero byte: some
    CPUs write zeros several times faster than anything else. An array below 16 MB stays in the caches, so its ceiling
    says little.

    Args:
        out: a C-contiguous NumPy array that was written before (the first write of new memory takes longer).
        threads: how many threads write; by default `weightfill.get_threads()`.
        seconds: how long to measure, about; there are at least 5 rounds.

    >>> import numpy as np
    >>> most = ceiling(np.ones(2**24, np.uint8), threads=2, seconds=0.01)
    >>> most.bytes, most.threads, most.gb_per_s > 0
    (16777216, 2, True)

    Raises:
        TypeError: `out` is not a NumPy array.
        ValueError: `out` is empty, read-only or not C-contiguous, or `threads` is not in [1, 1024].
    """
    threads = get_threads() if threads is None else checked_threads(threads, "threads")
    (times,) = take_turns(partial(write_at_ceiling, out, threads=threads), budget=seconds)
    return ceiling_of(out.nbytes, threads, times)


def write_at_ceiling(out: npt.NDArray[Any], *, threads: int | None = None) -> None:
    """Write a C-contiguous array once, as fast as this machine can: what `ceiling` times. Its contents are lost.

    Raises:
        TypeError: `out` is not a NumPy array.
        ValueError: `out` is empty, read-only or not C-contiguous, or `threads` is not in [1, 1024].
    """
    if not checked_memory(out).flags.c_contiguous:
        raise ValueError(f"out must be C-contiguous, got strides {out.strides}; pass the array that it is a view of")
    threads = get_threads() if threads is None else checked_threads(threads, "threads")
    with isa.forced(_core.supported_isas()[-1]):
        _core.streaming_ceiling(out, threads)


def ceiling_of(size: int, threads: int, seconds: list[float]) -> Ceiling:
    """Return a ceiling whose rounds were timed elsewhere."""
    return Ceiling(size, threads, _core.supported_isas()[-1], tuple(seconds))


def checked_memory(out: Any) -> npt.NDArray[Any]:
    """Return an array that can be written and has elements.

    Raises:
        TypeError: it is no NumPy array.
        ValueError: it is empty or read-only.
    """
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {shown(out)}; of a torch tensor on the CPU, pass .numpy()")
    if not out.size:
        raise ValueError(f"out must have at least 1 element, got shape {out.shape}")
    if not out.flags.writeable:
        raise ValueError(f"out must be writable, got a read-only array of shape {out.shape}")
    return out
