"""Times of tasks that take turns, so that whatever slows the machine for a while slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat

Task = Callable[[], object]


def seconds(task: Task) -> float:
    """Return how long one call takes."""
    began = time.perf_counter()
    task()
    return time.perf_counter() - began


def many(task: Task, calls: int) -> Task:
    """Return a task of `calls` calls, for tasks that are too short for the clock."""

    def loop() -> None:
        for _ in repeat(None, calls):
            task()

    return loop


def take_turns(
    *tasks: Task, budget: float = 1.0, at_least: int = 5, at_most: int = 200, before: Task | None = None
) -> list[list[float]]:
    """Return the seconds of each task in each round; in a round every task runs once, in the order given.

    A first round is not counted. Rounds end after `budget` seconds, but there are at least and at most so many. What is
    to be done `before` each task is not timed.

    >>> ours, theirs = take_turns(lambda: sum(range(1000)), lambda: sorted(range(1000)), at_most=7)
    >>> len(ours), len(theirs)
    (7, 7)
    """
    rounds: list[list[float]] = []
    prepare = before or (lambda: None)

    def prepared(task: Task) -> float:
        prepare()
        return seconds(task)

    for task in tasks:
        task()
    ends = time.perf_counter() + budget
    while len(rounds) < at_most and (len(rounds) < at_least or time.perf_counter() < ends):
        rounds.append([prepared(task) for task in tasks])
    return [list(times) for times in zip(*rounds, strict=True)]
