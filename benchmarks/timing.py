"""Times of tasks that take turns, so that whatever slows the machine for a while slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat
from statistics import median, quantiles

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


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Return the ratio of the medians."""
    return median(numerator) / median(denominator)


def ratio_of_minima(numerator: list[float], denominator: list[float]) -> float:
    """Return the ratio of the shortest times: what is left of a machine that others use, too."""
    return min(numerator) / min(denominator)


def spread(numerator: list[float], denominator: list[float]) -> tuple[float, float]:
    """Return the lower and the upper quartile of the ratios within the rounds."""
    ratios = [a / b for a, b in zip(numerator, denominator, strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0]
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    return low, high
