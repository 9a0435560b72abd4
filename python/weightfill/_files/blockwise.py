"""Work on files in blocks, each by one of several threads that has a buffer of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

import numpy as np

from weightfill._files.direct import PAGE, Buffer
from weightfill._run.interruption import uninterrupted
from weightfill._run.progress import TICK_SECONDS, Tick

_BLOCK_BYTES = 4 << 20  # a thread's buffer, so that a call of the system costs nothing beside its copy
_BUFFERS_BYTES = 64 << 20  # of all threads

Block = TypeVar("Block")


def block_bytes(threads: int) -> int:
    """Return the size of a block, where so many threads work."""
    return min(_BLOCK_BYTES, _BUFFERS_BYTES // threads)


def in_threads(
    blocks: Iterator[Block], work: Callable[[Block, Buffer], int], threads: int, tick: Tick | None = None
) -> None:
    """Have up to `threads` threads, those that can be started, do `work` on all blocks, in any order.

    Args:
        blocks: what to work on.
        work: gets a block and the thread's buffer, of `block_bytes` and two pages; returns the number of elements done.
        threads: at least 1.
        tick: told, by the calling thread, how many elements are done.

    Whatever `work` or `tick` raises ends it, once no thread works any more. So does Ctrl-C, at any moment: threads
    start and end uninterrupted, and between that the calling thread waits in C code, with no lock that a worker needs.
    """
    done, stopped, lock = 0, False, threading.Lock()
    outcomes: SimpleQueue[BaseException | None] = SimpleQueue()  # one of each thread that ended

    def loop() -> None:
        nonlocal done
        buffer = np.empty(block_bytes(threads) + 2 * PAGE, np.uint8)
        while not stopped:
            with lock:
                block = next(blocks, None)
            if block is None:
                return
            elements = work(block, buffer)
            with lock:
                done += elements

    def run() -> None:
        nonlocal stopped
        outcome = None
        try:
            loop()
        except BaseException as error:
            outcome, stopped = error, True
        outcomes.put(outcome)

    workers: list[threading.Thread] = []
    try:
        with uninterrupted(), suppress(RuntimeError):
            for _ in range(threads):
                worker = threading.Thread(target=run, name="weightfill")
                worker.start()
                workers.append(worker)
        if not workers:
            loop()
        for _ in workers:
            if (error := _next(outcomes, tick and (lambda: tick(done)))) is not None:
                raise error
    finally:  # also where the waiting is interrupted: once, or twice, no thread works on files that are closed
        with uninterrupted():
            stopped = True
            for worker in workers:
                worker.join()
    if tick is not None:
        tick(done)


def _next(outcomes: SimpleQueue[BaseException | None], tick: Callable[[], object] | None) -> BaseException | None:
    while True:
        with suppress(Empty):
            return outcomes.get(timeout=TICK_SECONDS)
        if tick is not None:
            tick()
