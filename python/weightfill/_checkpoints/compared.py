"""Tensors that are compared with what is in files, in blocks."""

from __future__ import annotations

import math
import threading

from weightfill._checkpoints.ranges import boxes_of
from weightfill._checkpoints.written import drawn_for_blocks
from weightfill._files.blockwise import block_bytes, in_threads
from weightfill._files.direct import Buffer
from weightfill._files.stored import StoredArray
from weightfill._run.progress import Tick
from weightfill._run.threads import threads_for
from weightfill._tensor import Tensor
from weightfill._verification import Verification


def verify_stored(
    array: StoredArray,
    tensor: Tensor,
    *,
    start: tuple[int, ...] | None = None,
    threads: int | None = None,
    tick: Tick | None = None,
) -> Verification:
    """Compare an array in a file with a tensor of its dtype, or with the part of it that begins at `start`.

    In constant memory, unless the tensor can only be made in one piece.

    Raises:
        ValueError: as of `Tensor.verify`; or the file was cut meanwhile.
        OSError: as the system says.
    """
    count = threads_for(array.size, threads)
    step = block_bytes(count) // array.dtype.itemsize
    if tensor.only_whole or array.size <= step:
        result = tensor.verify(array.whole(), start=start, threads=threads)
        if tick is not None:
            tick(array.size)
        return result
    if tensor.shape == array.shape:
        tensor = drawn_for_blocks(tensor, step, count)
    origin = start or (0,) * len(array.shape)
    lock = threading.Lock()
    differing, first = 0, Verification(0, 0)

    def compare(block: int, buffer: Buffer) -> int:
        nonlocal differing, first
        end = min(block + step, array.size)
        elements, compared = array.read(block, end, buffer), 0
        for at, box in boxes_of(array.shape[::-1] if array.fortran else array.shape, block, end):
            part = elements[compared : compared + math.prod(box)].reshape(box)
            compared += part.size
            if array.fortran:
                part, at = part.T, at[::-1]
            found = tensor.verify(part, start=tuple(map(sum, zip(origin, at, strict=True))), threads=1)
            if found.index is not None:
                index = tuple(map(sum, zip(at, found.index, strict=True)))
                with lock:
                    differing += found.differing
                    if first.index is None or index < first.index:
                        first = Verification(0, 0, index, found.expected, found.found)
        return end - block

    in_threads(iter(range(0, array.size, step)), compare, count, tick)
    return Verification(differing, array.size, first.index, first.expected, first.found)
