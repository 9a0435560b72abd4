"""Two versions in one process, or two commands, that take turns."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Sequence
from os import PathLike
from statistics import median
from typing import Any

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill.benchmark._comparison import Comparison, checked_allowed, compare_values
from weightfill.benchmark._turns import Task, many, seconds, take_turns

_CLOCK = 1e-3  # seconds that are long enough for the clock
_LINES = 20  # of what a failed command wrote, in the message


def compare(old: Task, new: Task, *, pairs: int = 10, seconds_a_pair: float = 0.2, allowed: float = 0.1) -> Comparison:
    """Compare how long two functions take, called in turns in this process.

    A value of a pair is the median of several calls. Which of the two begins changes from pair to pair.

    Args:
        old: a function without arguments.
        new: another one that does the same.
        pairs: how many pairs, at least 3.
        seconds_a_pair: how long a pair takes, about.
        allowed: the fall that is not worth mentioning, in [0, 1).

    >>> result = compare(lambda: sorted(range(10**4)), lambda: sorted(range(10**5)), pairs=3, seconds_a_pair=0.01)
    >>> result.pairs, result.low <= result.change <= result.high
    (3, True)

    Raises:
        TypeError: `pairs` is not an integer, or `allowed` is not a number.
        ValueError: `pairs` is less than 3, or `allowed` is not in [0, 1).
    """
    allowed = checked_allowed(allowed)
    calls = [max(1, round(_CLOCK / max(min(seconds(task) for _ in range(3)), 1e-9))) for task in (old, new)]
    loops = [many(task, n) for task, n in zip((old, new), calls, strict=True)]

    def measure(order: Sequence[int]) -> list[float]:
        times = take_turns(*(loops[side] for side in order), budget=seconds_a_pair, at_least=3)
        return [median(t) / calls[side] for side, t in zip(order, times, strict=True)]

    return _in_pairs(measure, checked_pairs(pairs), smaller_is_faster=True, allowed=allowed)


def compare_commands(
    old: Sequence[str | PathLike[str]],
    new: Sequence[str | PathLike[str]],
    *,
    pairs: int = 5,
    prints_speed: bool = False,
    allowed: float = 0.1,
) -> Comparison:
    """Compare two commands, run in turns: by the time they take, or by the speed that they print.

    Args:
        old: the command and its arguments.
        new: another one, for example the same with another Python.
        pairs: how many pairs, at least 3.
        prints_speed: take the number in the last line that a command prints, larger is faster, instead of its time.
        allowed: the fall that is not worth mentioning, in [0, 1).

    >>> import sys
    >>> result = compare_commands([sys.executable, "-c", "print(2.0)"], [sys.executable, "-c", "print(1.0)"], pairs=3,
    ...                           prints_speed=True)
    >>> print(result)
    fell: -50.0% [-50.0% to -50.0%] from 3 pairs

    Raises:
        RuntimeError: a command failed, or printed no speed.
        TypeError: `pairs` is not an integer, or `allowed` is not a number.
        ValueError: `pairs` is less than 3, or `allowed` is not in [0, 1).
    """
    allowed = checked_allowed(allowed)
    commands = (old, new)

    def measure(order: Sequence[int]) -> list[float]:
        return [_measured(commands[side], prints_speed) for side in order]

    return _in_pairs(measure, checked_pairs(pairs), smaller_is_faster=not prints_speed, allowed=allowed)


def checked_pairs(pairs: Any) -> int:
    """Return the number of pairs.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is less than 3: with two pairs the interval is 13 standard errors wide.
    """
    if (n := as_integer(pairs, "pairs")) < 3:
        raise ValueError(f"pairs must be at least 3, got {shown(n)}")
    return n


def _in_pairs(
    measure: Callable[[Sequence[int]], list[float]], pairs: int, *, smaller_is_faster: bool, allowed: float
) -> Comparison:
    """Measure the sides 0 and 1 in each pair, in the order that `measure` is given."""
    sides: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        order = (1, 0) if pair % 2 else (0, 1)
        for side, value in zip(order, measure(order), strict=True):
            sides[side].append(value)
    return compare_values(*sides, smaller_is_faster=smaller_is_faster, allowed=allowed)


def _measured(command: Sequence[str | PathLike[str]], prints_speed: bool) -> float:
    done: list[subprocess.CompletedProcess[str]] = []
    took = seconds(lambda: done.append(subprocess.run(command, capture_output=True, text=True, check=False)))
    (run,) = done
    if run.returncode:
        written = last_lines(f"{run.stdout}{run.stderr}")
        raise RuntimeError(f"command must succeed, got exit code {run.returncode} of {shown(command)}:\n{written}")
    return _speed(run.stdout, command) if prints_speed else took


def _speed(printed: str, command: Sequence[str | PathLike[str]]) -> float:
    last = (printed.splitlines() or [""])[-1]
    try:
        speed = float(last)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise RuntimeError(
            f"command must print its speed, a positive number, in its last line, got {shown(last)} of {shown(command)}"
        )
    return speed


def last_lines(text: str) -> str:
    """Return the end of what a process wrote, for a message."""
    return "\n".join(text.splitlines()[-_LINES:])
