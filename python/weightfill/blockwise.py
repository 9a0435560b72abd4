"""Work on files in blocks, each by one of several threads that has a buffer of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

import numpy as np

from weightfill.direct import PAGE, Buffer
from weightfill.interruption import uninterrupted
from weightfill.progress import Tick

_BLOCK_BYTES = 4 << 20  # a thread's buffer, so that a call of the system costs nothing beside its copy
_BUFFERS_BYTES = 64 << 20  # of all threads
_TICK_SECONDS = 0.05

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

    Whatever `work` or `tick` raises ends it, once no thread works any more.
    """
    done = 0
    lock, stop = threading.Lock(), threading.Event()

    def loop() -> None:
        nonlocal done
        try:
            buffer = np.empty(block_bytes(threads) + 2 * PAGE, np.uint8)
            while not stop.is_set():
                with lock:
                    block = next(blocks, None)
                if block is None:
                    return
                elements = work(block, buffer)
                with lock:
                    done += elements
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(threads, "weightfill") as pool:
        workers: list[Future[None]] = []
        try:
            with suppress(RuntimeError):
                for _ in range(threads):
                    workers.append(pool.submit(loop))  # noqa: PERF401, as those before the one that fails are kept
            if not workers:
                loop()
            while wait(workers, _TICK_SECONDS).not_done:
                if tick is not None:
                    tick(done)
            for worker in workers:
                worker.result()
        finally:  # also where the waiting is interrupted: once, or twice, no thread works on files that are closed
            with uninterrupted():
                stop.set()
                wait(workers)
    if tick is not None:
        tick(done)
