"""Blocks in which another library's functions are redirected, each for the thread or task that entered it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

T = TypeVar("T")


class _Block(Generic[T]):
    def __init__(self, value: T) -> None:
        self.value = value
        self.thread = threading.get_ident()
        self.is_open = True


class Blocks(Generic[T]):
    """The open blocks of one kind. They may be nested, end in any order, and end by exceptions.

    While any is open, in whichever thread, what `redirect` put in place stays there, and asks `here` whom it concerns.

    Args:
        name: of the kind.
        redirect: called when a block is entered, with the values of all that are open. It may be called again.
        restore: called when the last one has ended.
    """

    def __init__(self, name: str, redirect: Callable[[list[T]], None], restore: Callable[[], None]) -> None:
        self._redirect, self._restore = redirect, restore
        self._here: ContextVar[tuple[_Block[T], ...]] = ContextVar(name, default=())
        self._lock = threading.Lock()
        self._open: set[_Block[T]] = set()  # of all threads; guarded by the lock, as the two functions are
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    @contextmanager
    def opened(self, value: T) -> Iterator[None]:
        """Open a block for this thread or task, and its value with it."""
        block = _Block(value)
        try:
            with self._lock:
                self._open.add(block)
                self._redirect([other.value for other in self._open])
            self._here.set((*(other for other in self._here.get() if other.is_open), block))
            yield
        finally:
            block.is_open = False
            with self._lock:
                self._open.discard(block)
                if not self._open:
                    self._restore()

    def here(self) -> list[T]:
        """Return the values of the blocks that this thread or task is within.

        A context may be another thread's: threads inherit it in free-threaded Python 3.14, and `asyncio.to_thread`
        takes it along.
        """
        blocks = self._here.get()
        if not blocks:  # in most calls
            return []
        thread = threading.get_ident()
        return [block.value for block in blocks if block.is_open and block.thread == thread]

    def _after_fork(self) -> None:
        """Forget, in a child process, the blocks of threads that it does not have, and a lock that one of them held."""
        self._lock = threading.Lock()
        self._open = {block for block in self._open if block.thread == threading.get_ident()}
        if self._open:
            self._redirect([block.value for block in self._open])
        else:
            self._restore()
