"""What something that writes memory reaches, as a share of the ceiling."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._run.allocation import empty
from weightfill._run.threads import checked_threads, get_threads
from weightfill.benchmark._ceiling import (
    FOR_SMALL,
    SMALLEST,
    Ceiling,
    ceiling_of,
    checked_memory,
    write_at_ceiling,
)
from weightfill.benchmark._turns import Task, many, take_turns
from weightfill.benchmark._turns import seconds as seconds_of


@dataclass(frozen=True)
class Share:
    """How fast memory was written, beside the ceiling: what `share_of_ceiling` measured.

    Attributes:
        bytes: how many each call wrote.
        seconds: what a call took, round by round.
        ceiling: the ceiling, measured in the same rounds.
    """

    bytes: int
    seconds: tuple[float, ...]
    ceiling: Ceiling

    @property
    def of_ceiling(self) -> float:
        """The rate of the median call over the median ceiling: 1 is as fast as the machine can write memory."""
        return self._scale * median(self.ceiling.seconds) / median(self.seconds)

    @property
    def of_minima(self) -> float:
        """The same of the shortest times: what is left of a machine that others use, too."""
        return self._scale * min(self.ceiling.seconds) / min(self.seconds)

    @property
    def of_rounds(self) -> tuple[float, ...]:
        """The share in each round."""
        return tuple(self._scale * b / s for b, s in zip(self.ceiling.seconds, self.seconds, strict=True))

    @property
    def gb_per_s(self) -> float:
        """The rate of the median call, in 10^9 bytes per second."""
        return self.bytes / median(self.seconds) / 1e9

    @property
    def _scale(self) -> float:
        return self.bytes / self.ceiling.bytes

    def to_dict(self) -> dict[str, Any]:
        """Return what `fill_benchmark` records in `extra_info`."""
        return {
            "bytes": self.bytes,
            "threads": self.ceiling.threads,
            "gb_per_s": self.gb_per_s,
            "ceiling_gb_per_s": self.ceiling.gb_per_s,
            "ceiling_bytes": self.ceiling.bytes,
            "share_of_ceiling": self.of_ceiling,
            "share_of_ceiling_minima": self.of_minima,
            "shares_of_rounds": list(self.of_rounds),
        }

    def to_json(self) -> str:
        """Return the same as a line of JSON."""
        return json.dumps(self.to_dict())

    def __str__(self) -> str:
        return f"{self.gb_per_s:.1f} GB/s, {self.of_ceiling:.2f} of the ceiling of {self.ceiling.gb_per_s:.1f} GB/s"


def share_of_ceiling(
    write: Task,
    out: npt.NDArray[Any],
    *,
    threads: int | None = None,
    seconds: float = 0.5,
    ceiling_in: npt.NDArray[Any] | None = None,
) -> Share:
    """Measure how fast `write()` writes all of `out`, in turns with the ceiling of the same memory.

    A round is the ceiling and then a call, so at the end `out` holds what `write` wrote. Less than 16 MB stays in the
    caches, which streaming stores pass by: then the ceiling is that of 256 MB of other memory, a round has many calls,
    and the share is only a scale, which may exceed 1. Memory that is not C-contiguous is compared with other memory of
    the same size.

    Args:
        write: any function without arguments that writes `out`: a fill of weightfill, of torch, a copy.
        out: the NumPy array that it writes.
        threads: how many threads write the ceiling; by default `weightfill.get_threads()`.
        seconds: how long to measure, about; there are at least 5 rounds.
        ceiling_in: other C-contiguous memory for the ceiling. Its contents are lost.

    >>> import numpy as np
    >>> table = np.zeros((2048, 2048), np.float32)
    >>> share = share_of_ceiling(lambda: table.fill(0.5), table, seconds=0.01)
    >>> share.of_ceiling > 0, sorted(share.to_dict())[-1], table[0, 0]
    (True, 'threads', np.float32(0.5))

    Raises:
        TypeError: `out` is not a NumPy array.
        ValueError: `out` is empty or read-only, or `threads` is not in [1, 1024].
    """
    checked_memory(out)
    threads = get_threads() if threads is None else checked_threads(threads, "threads")
    memory = memory_for_ceiling(out) if ceiling_in is None else ceiling_in
    bare = partial(write_at_ceiling, memory, threads=threads)
    calls = calls_in_a_round(write, bare) if out.nbytes < SMALLEST else 1
    ceilings, times = take_turns(bare, many(write, calls) if calls > 1 else write, budget=seconds)
    return share_of(out.nbytes, [time / calls for time in times], ceiling_of(memory.nbytes, threads, ceilings))


def share_of(size: int, seconds: list[float], highest: Ceiling) -> Share:
    """Return a share whose rounds were timed elsewhere."""
    return Share(size, tuple(seconds), highest)


def memory_for_ceiling(out: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the memory itself, if its own ceiling is the one to compare with, and otherwise other memory, touched."""
    if out.nbytes >= SMALLEST and out.flags.c_contiguous:
        return out
    memory = empty((max(out.nbytes, FOR_SMALL) if out.nbytes < SMALLEST else out.nbytes,), np.dtype(np.uint8))
    memory.fill(1)
    return memory


def calls_in_a_round(write: Task, bare: Task) -> int:
    """Return how many calls take about as long as the ceiling."""
    once, highest = (min(seconds_of(task) for _ in range(3)) for task in (write, bare))
    return max(1, round(highest / once))
