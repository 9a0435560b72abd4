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
from weightfill._files.hidden_files import errors_naming, write_at
from weightfill._fill import fill
from weightfill._initializers.base import Initializer, WholeTensor
from weightfill._initializers.sparse import drawn_once
from weightfill._run.progress import Tick

Seen: TypeAlias = Callable[[npt.NDArray[Any], int], object]


class Written(NamedTuple):
    """Elements [begin, end) of a tensor, in C order, and their place in a file."""

    stream: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    init: Initializer
    begin: int
    end: int
    file: str  # what errors name
    fd: int
    direct: int  # as of `opened_directly`; `fd` to write through the page cache
    offset: int  # of element `begin` in the file


def write_tensors(
    tensors: list[Written], seed: int | None, threads: int, tick: Tick | None = None, seen: Seen | None = None
) -> None:
    """Write all tensors: those made as a whole one by one, by all threads; the others in blocks, a thread each.

    Args:
        tensors: what to write; the initializers fit.
        seed: as for `fill`.
        threads: at least 1.
        tick: told how many elements are written.
        seen: gets every block while it is in memory, and the index of its first element; in any order, by any thread.
    """
    done = 0
    for tensor in tensors:
        if isinstance(tensor.init, WholeTensor):  # first: what does not fit is found early
            whole = np.empty(tensor.shape, tensor.dtype)
            fill(whole, tensor.init, seed=seed, stream=tensor.stream, threads=threads)
            elements = whole.reshape(-1)[tensor.begin : tensor.end]
            if seen is not None:
                seen(elements, tensor.begin)
            with errors_naming(tensor.file):
                write_at(tensor.fd, elements.view(np.uint8).data, tensor.offset)
            done += elements.size
            if tick is not None:
                tick(done)

    def write(block: tuple[Written, int, int], buffer: Buffer) -> int:
        tensor, begin, end = block
        _write_block(tensor, begin, end, seed, buffer, seen)
        return end - begin

    blocks = _blocks(tensors, seed, block_bytes(threads), threads)
    in_threads(blocks, write, threads, tick and (lambda more: tick(done + more)))


def _blocks(tensors: list[Written], seed: int | None, size: int, threads: int) -> Iterator[tuple[Written, int, int]]:
    """Yield ranges of elements, in the order of the files, of those tensors that are not made as a whole."""
    for tensor in tensors:
        if isinstance(tensor.init, WholeTensor):
            continue
        step = size // tensor.dtype.itemsize
        init = tensor.init
        if (tensor.begin, tensor.end) == (0, math.prod(tensor.shape)):  # a part may be small beside its slices
            init = drawn_once(init, tensor.shape, seed=seed, stream=tensor.stream, block=step, threads=threads)
        drawn = tensor._replace(init=init)
        for begin in range(tensor.begin, tensor.end, step):
            yield drawn, begin, min(begin + step, tensor.end)


def _write_block(tensor: Written, begin: int, end: int, seed: int | None, buffer: Buffer, seen: Seen | None) -> None:
    """Write elements [begin, end) of a tensor: they are filled in the buffer and copied into the file.

    That is faster than to fill a mapping of the file, whose every page is zeroed in a fault first, and a full disk is
    an error, never a SIGBUS.
    """
    item = tensor.dtype.itemsize
    offset = tensor.offset + (begin - tensor.begin) * item
    content = placed(buffer, (end - begin) * item, offset)
    elements, filled = content.view(tensor.dtype), 0
    for start, part in boxes_of(tensor.shape, begin, end):
        size = math.prod(part)
        out = elements[filled : filled + size].reshape(part)
        fill(out, tensor.init, seed=seed, stream=tensor.stream, shape=tensor.shape, start=start, threads=1)
        filled += size
    if seen is not None:
        seen(elements, begin)
    with errors_naming(tensor.file):
        write_directly(tensor.fd, tensor.direct, content, offset)
