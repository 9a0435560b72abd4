"""Letting Keras's own initializers draw weightfill's values for a while."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from weightfill._arguments.windows import ShapeLike
from weightfill.keras._backends import distributed
from weightfill.keras._drawn import Drawn

_NAME = "__call__"


class _Block:
    """An open `patched`."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.is_open = True


class _Call:
    """`__call__` of a class of Keras: weightfill's where this thread or task is within a block, elsewhere Keras's."""

    def __init__(self, own: Any, ours: Callable[..., Any]) -> None:
        self.own, self.ours = own, ours

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        chosen = self.ours if any(block.is_open for block in _blocks.get()) else self.own
        return chosen.__get__(instance, owner)


_blocks: ContextVar[tuple[_Block, ...]] = ContextVar("weightfill.keras.patched", default=())
_lock = threading.Lock()
_open: set[_Block] = set()  # of all threads; guarded by the lock, as are the calls that classes have now
_calls: dict[type, _Call] = {}
_twins: dict[type, type[Drawn]] = {}  # weightfill's class for each of Keras's that draws


def redirects(twins: Mapping[type, type[Drawn]]) -> None:
    """Name weightfill's class for each class of Keras whose calls `patched` redirects."""
    _twins.update(twins)


@contextmanager
def patched() -> Iterator[None]:
    """Inside the block, weightfill draws the values of Keras's own random initializers.

    These are RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Orthogonal, and all that derive from them,
    such as GlorotUniform: as objects, made before or within the block, and by name, "glorot_uniform". Layers draw when
    they are built, so build the model within the block. It gets the values that it would have with weightfill.keras's
    classes and the same seeds, and `keras.utils.set_random_seed` repeats it. Its configuration stays Keras's.

    Keras still draws what weightfill cannot, such as values beyond the dtype, and all of keras.random.

    The block affects only the thread or asyncio task that entered it. Threads started within do not inherit it. Blocks
    may be nested and may end in any order. When the last one ends, also by an exception, everything is restored.
    `patched()` can also be used as a decorator.

    >>> import keras, weightfill.keras
    >>> with weightfill.keras.patched():
    ...     values = keras.initializers.TruncatedNormal(stddev=0.02, seed=42)((784, 256))
    >>> values.tolist() == create((784, 256), TruncatedNormal(std=0.02), seed=42).tolist()
    True
    """
    block = _Block()
    try:
        with _lock:
            _open.add(block)
            _put()
        _blocks.set((*(other for other in _blocks.get() if other.is_open), block))
        yield
    finally:
        block.is_open = False
        with _lock:
            _open.discard(block)
            if not _open:
                _remove()


def _put() -> None:
    for theirs, ours in _twins.items():
        if theirs not in _calls:
            own = vars(theirs)[_NAME]
            _calls[theirs] = _Call(own, _drawing(ours, own))
            setattr(theirs, _NAME, _calls[theirs])


def _remove() -> None:
    for theirs, call in list(_calls.items()):
        if vars(theirs).get(_NAME) is call:  # not what another library has put in its place
            setattr(theirs, _NAME, call.own)
        del _calls[theirs]


def _drawing(ours: type[Drawn], own: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that draws weightfill's values, or Keras's where weightfill has none."""

    def call(self: Any, shape: ShapeLike, dtype: Any = None, layout: Any = None) -> Any:
        twin = object.__new__(ours)
        twin.__dict__ = self.__dict__
        try:
            tensor = twin._tensor(shape, dtype)
        except (TypeError, ValueError):
            return distributed(own(self, shape, dtype), layout)
        return twin._made(tensor, layout)

    return call


def _after_fork() -> None:
    """Forget, in a child process, the blocks of threads that it does not have, and a lock that one of them held."""
    global _lock
    _lock = threading.Lock()
    for block in [block for block in _open if block.thread != threading.get_ident()]:
        _open.discard(block)
    if _open:
        _put()
    else:
        _remove()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
