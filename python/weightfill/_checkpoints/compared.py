"""Tensors that are compared with what is in files, in blocks."""

from __future__ import annotations

import math
import threading

from weightfill._checkpoints.ranges import boxes_of
from weightfill._files.blockwise import block_bytes, in_threads
from weightfill._files.direct import Buffer
from weightfill._files.stored import StoredArray
from weightfill._fill import verify
from weightfill._initializers.base import Initializer, WholeTensor
from weightfill._initializers.sparse import drawn_once
from weightfill._run.progress import Tick
from weightfill._run.threads import threads_for
from weightfill._verification import Verification


def verify_stored(
    array: StoredArray,
    init: Initializer,
    *,
    seed: int | None = None,
    stream: str = "",
    shape: tuple[int, ...] | None = None,
    start: tuple[int, ...] | None = None,
    threads: int | None = None,
    tick: Tick | None = None,
) -> Verification:
    """Compare an array with its initial value, as `verify`, in constant memory unless it can only be made as a whole.

    Raises:
        TypeError: as `verify`.
        ValueError: as `verify`; or the file was cut meanwhile.
        OSError: as the system says.
    """
    count = threads_for(array.size, threads)
    step = block_bytes(count) // array.dtype.itemsize
    if isinstance(init, WholeTensor) or array.size <= step:
        result = verify(array.whole(), init, seed=seed, stream=stream, shape=shape, start=start, threads=threads)
        if tick is not None:
            tick(array.size)
        return result
    whole = shape or array.shape
    if whole == array.shape:
        init = drawn_once(init, whole, seed=seed, stream=stream, block=step, threads=count)
    origin = start or (0,) * len(array.shape)
    lock = threading.Lock()
    differing, first = 0, Verification(0, 0)

    def compare(block: int, buffer: Buffer) -> int:
        nonlocal differing, first
        end = min(block + step, array.size)
        elements, compared = array.read(block, end, buffer), 0
        for at, part in boxes_of(array.shape[::-1] if array.fortran else array.shape, block, end):
            target = elements[compared : compared + math.prod(part)].reshape(part)
            compared += target.size
            if array.fortran:
                target, at = target.T, at[::-1]
            place = tuple(map(sum, zip(origin, at, strict=True)))
            found = verify(target, init, seed=seed, stream=stream, shape=whole, start=place, threads=1)
            if found.index is not None:
                index = tuple(map(sum, zip(at, found.index, strict=True)))
                with lock:
                    differing += found.differing
                    if first.index is None or index < first.index:
                        first = Verification(0, 0, index, found.expected, found.found)
        return end - block

    in_threads(iter(range(0, array.size, step)), compare, count, tick)
    return Verification(differing, array.size, first.index, first.expected, first.found)
