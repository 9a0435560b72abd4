"""The verb that compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.memory import is_tensor, plain_array, readable_target
from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import checked_seed, stream_number
from weightfill._arguments.windows import INDICES, ShapeLike, strides_of, window
from weightfill._initializers.base import InitializerLike, WholeTensor, as_initializer
from weightfill._initializers.core_laws import core_law
from weightfill._run.progress import Progress, check_progress, ticking
from weightfill._run.threads import threads_for
from weightfill._whole import part_of_whole

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found; true if every element is as expected.

    Attributes:
        differing: how many elements differ.
        total: how many were compared.
        index: where the target differs first, in C order; `target[index]` is that element. None if nothing differs.
        expected: the value that `fill` writes there, of the target's dtype; None if nothing differs.
        found: the value that is there; None if nothing differs.
    """

    differing: int
    total: int
    index: tuple[int, ...] | None = None
    expected: Any = None
    found: Any = None

    @property
    def equal(self) -> bool:
        """Whether every element is as expected."""
        return self.differing == 0

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        if self.equal:
            return f"all {self.total} elements are as expected"
        return (
            f"{self.differing} of {self.total} elements differ, "
            f"the first at {self.index}: expected {self.expected}, found {self.found}"
        )


@explained
def verify(
    target: npt.NDArray[Any] | Tensor,
    init: InitializerLike,
    *,
    seed: int | None = None,
    stream: str = "",
    shape: ShapeLike | None = None,
    start: ShapeLike | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> Verification:
    """Compare an array, bit by bit, with what `fill` writes for the same arguments, without a second array.

    Args:
        target: the array or tensor; it may be read-only. Otherwise as `out` of `fill`.
        init: what it should hold.
        seed: as for `fill`.
        stream: as for `fill`.
        shape: as for `fill`.
        start: as for `fill`.
        threads: as for `fill`.
        progress: as for `fill`.

    >>> table = create((4, 3), Uniform(), seed=42)
    >>> verify(table, Uniform(), seed=42)
    Verification(differing=0, total=12, index=None, expected=None, found=None)
    >>> table[2, 1] = 7
    >>> result = verify(table, Uniform(), seed=42)
    >>> result.equal, result.differing, result.index, float(result.found)
    (False, 1, (2, 1), 7.0)

    Raises:
        TypeError: an argument is of the wrong kind, or `seed` is missing.
        ValueError: an argument has a wrong value.
    """
    if is_tensor(target):
        from weightfill.torch._fill import array_to_read, torch_threads

        target = array_to_read(target, "target")
        threads = torch_threads(target.size, threads)
    seen = plain_array(target)
    dtype = readable_target(seen, "target")
    assert isinstance(target, np.ndarray)
    part, kind, size = seen.shape, seen.dtype, seen.size
    init = as_initializer(init)
    seed = checked_seed(seed, init)
    number = stream_number(stream)
    if shape is None and start is None:
        whole, first, strides = part, 0, strides_of(part)
    else:
        whole, first, strides = window(part, shape, start, "target")
    count = threads_for(size, threads)
    check_progress(progress)
    if isinstance(init, WholeTensor):
        expected = part_of_whole(init, whole, kind, part, first, seed=seed, stream=stream, threads=count)
        return compared_with(np.ndarray.view(target, np.ndarray), expected)
    law = core_law(init, whole, kind, stream)
    with ticking(progress, size) as tick:
        differing, position = _core.verify(
            target, part, dtype.number, law, seed, number, first, strides, None, count, tick
        )
    if not differing:
        return Verification(0, size)
    index = tuple(map(int, np.unravel_index(position, part)))
    expected = np.empty((1,) * len(part), kind)
    element = (first + sum(i * stride for i, stride in zip(index, strides, strict=True))) % INDICES
    _core.fill(expected, expected.shape, dtype.number, law, seed, number, element, strides, None, 1, None)
    return Verification(differing, size, index, expected[(0,) * len(part)], target[index])


def compared_with(target: npt.NDArray[Any], expected: npt.NDArray[Any]) -> Verification:
    """Compare two arrays bit by bit."""
    bits = f"u{target.dtype.itemsize}"
    apart = np.ascontiguousarray(target).view(bits) != np.ascontiguousarray(expected).view(bits)
    differing = int(np.count_nonzero(apart))
    if not differing:
        return Verification(0, target.size)
    index = tuple(map(int, np.unravel_index(int(apart.argmax()), target.shape)))
    return Verification(differing, target.size, index, expected[index], target[index])
