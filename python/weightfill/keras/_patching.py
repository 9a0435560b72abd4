"""Letting Keras's own initializers draw weightfill's values for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from weightfill._arguments.windows import ShapeLike
from weightfill._run.blocks import Blocks
from weightfill.keras._backends import distributed
from weightfill.keras._drawn import Drawn

_NAME = "__call__"


class _Call:
    """`__call__` of a class of Keras: weightfill's where this thread or task is within a block, elsewhere Keras's."""

    def __init__(self, own: Any, ours: Callable[..., Any]) -> None:
        self.own, self.ours = own, ours

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        chosen = self.ours if _blocks.here() else self.own
        return chosen.__get__(instance, owner)


_calls: dict[type, _Call] = {}  # that classes have now
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
    with _blocks.opened(None):
        yield


def _put(_: list[None]) -> None:
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


_blocks = Blocks("weightfill.keras.patched", _put, _remove)
