"""Tensors that are drawn into files, in blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._checkpoints.ranges import boxes_of
from weightfill._files.blockwise import block_bytes, in_threads
from weightfill._files.direct import Buffer, placed, write_directly
from weightfill._files.hidden_files import errors_naming
from weightfill._files.system import write_at
from weightfill._initializers.sparse import drawn_once
from weightfill._run.progress import Tick
from weightfill._tensor import Tensor

Seen: TypeAlias = Callable[[npt.NDArray[Any], int], object]


class Written(NamedTuple):
    """Elements [begin, end) of a tensor, in C order, and their place in a file."""

    tensor: Tensor
    begin: int
    end: int
    file: str  # what errors name
    fd: int
    direct: int  # as of `opened_directly`; `fd` to write through the page cache
    offset: int  # of element `begin` in the file


def write_tensors(parts: list[Written], threads: int, tick: Tick | None = None, seen: Seen | None = None) -> None:
    """Write all parts: tensors made in one piece one after the other, by all threads; all others in blocks.

    Args:
        parts: what to write.
        threads: at least 1.
        tick: told how many elements are written.
        seen: gets every block while it is in memory, and the index of its first element; in any order, by any thread.
    """
    done = 0
    for part in parts:
        if part.tensor.only_whole:  # first: what does not fit is found early
            whole = part.tensor.fill(np.empty(part.tensor.shape, part.tensor.dtype), threads=threads)
            elements = whole.reshape(-1)[part.begin : part.end]
            if seen is not None:
                seen(elements, part.begin)
            with errors_naming(part.file):
                write_at(part.fd, elements.view(np.uint8).data, part.offset)
            done += elements.size
            if tick is not None:
                tick(done)

    def write(block: tuple[Written, int, int], buffer: Buffer) -> int:
        part, begin, end = block
        _write_block(part, begin, end, buffer, seen)
        return end - begin

    blocks = _blocks(parts, block_bytes(threads), threads)
    in_threads(blocks, write, threads, tick and (lambda more: tick(done + more)))


def _blocks(parts: list[Written], size: int, threads: int) -> Iterator[tuple[Written, int, int]]:
    """Yield ranges of elements, in the order of the files, of those tensors that need not be made in one piece."""
    for part in parts:
        tensor = part.tensor
        if tensor.only_whole:
            continue
        step = size // tensor.dtype.itemsize
        if (part.begin, part.end) == (0, tensor.size):  # a part may be small beside its slices
            tensor = drawn_for_blocks(tensor, step, threads)
        drawn = part._replace(tensor=tensor)
        for begin in range(part.begin, part.end, step):
            yield drawn, begin, min(begin + step, part.end)


def _write_block(part: Written, begin: int, end: int, buffer: Buffer, seen: Seen | None) -> None:
    """Write elements [begin, end) of a tensor: they are filled in the buffer and copied into the file.

    That is faster than to fill a mapping of the file, whose every page is zeroed in a fault first, and a full disk is
    an error, never a SIGBUS.
    """
    item = part.tensor.dtype.itemsize
    offset = part.offset + (begin - part.begin) * item
    content = placed(buffer, (end - begin) * item, offset)
    elements, filled = content.view(part.tensor.dtype), 0
    for start, box in boxes_of(part.tensor.shape, begin, end):
        size = math.prod(box)
        part.tensor.fill(elements[filled : filled + size].reshape(box), start=start, threads=1)
        filled += size
    if seen is not None:
        seen(elements, begin)
    with errors_naming(part.file):
        write_directly(part.fd, part.direct, content, offset)


def drawn_for_blocks(tensor: Tensor, block: int, threads: int) -> Tensor:
    """Return a tensor of the same values whose blocks of so many elements are made without drawing anything twice."""
    init = drawn_once(tensor.init, tensor.shape, seed=tensor.seed, stream=tensor.stream, block=block, threads=threads)
    return tensor if init is tensor.init else tensor._with(init)
