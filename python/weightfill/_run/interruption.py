"""Pieces of work that no signal's handler cuts in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Signals that ask a process to end, of those that its system has.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Have signals wait until the block ends, and then do what they do: Ctrl-C is a KeyboardInterrupt behind it.

    For what takes milliseconds. Python's handlers run in the main thread, whichever thread the system has told; so they
    are exchanged, as blocked signals would still come by way of other threads. Elsewhere there is nothing to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
    holding = True

    def hold(number: int, frame: FrameType | None) -> None:
        if holding:
            waiting.append(number)
        else:  # a handler raised while others were still to be put back
            handlers[number](number, frame)

    try:
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            if callable(handler):
                handlers[number] = handler
                signal.signal(number, hold)
        yield
    finally:
        holding = False
        for held, handler in handlers.items():
            signal.signal(held, handler)
        for come in waiting:
            signal.raise_signal(come)
