"""Blocks: weights that several layers share one tensor for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from weightfill._arguments.indices import axis_within
from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Indices, Initializer, WholeTensor, as_initializer, store_integer
from weightfill._initializers.names import named
from weightfill._initializers.parts import check_fits, fill_part, is_range, made_alone


class _Block(NamedTuple):
    init: Initializer
    begin: int  # along the axis
    shape: tuple[int, ...]
    stream: str

    def check(self, dtype: np.dtype[Any]) -> None:
        """Raise ValueError if there is no such block."""
        try:
            check_fits(self.init, self.shape, dtype, self.stream)
        except ValueError as error:
            raise ValueError(f"block {self.stream}, {shown(self.init)}: {error}") from error


@named()
@dataclass(frozen=True, slots=True)
class Blocks(WholeTensor):
    """Blocks of an axis, each a tensor of its own: with the fans of its own shape, its own values and initializer.

    For weights that one tensor holds together: fused query, key and value projections, the gates of an LSTM, experts.
    The scheme of a fused weight would count the outputs of all of them. Block k, from 0, has the values of a tensor of
    the block's shape whose stream is the tensor's with `[k]` added: `layer.qkv.weight[0]` has the queries.

    Args:
        of: the initializer of every block, or its name; or a tuple or list of one for each block.
        sizes: the number of equal blocks; or a tuple of the length of each along the axis, which add up to the axis.
        axis: the axis that is cut; negative numbers count from the end.

    >>> w = create((12, 4), Blocks(XavierUniform(), 3), seed=42, stream="qkv")
    >>> bool((w[4:8] == create((4, 4), XavierUniform(), seed=42, stream="qkv[1]")).all())
    True
    >>> create(8, Blocks((Zeros(), Ones(), Zeros(), Zeros()), 4), seed=42)  # an LSTM's bias in torch: forget gate 1
    array([0., 0., 1., 1., 0., 0., 0., 0.], dtype=float32)

    Raises:
        TypeError: `of` is not an initializer or several, `sizes` is not an integer or several, or `axis` is not one.
        ValueError: a size is less than 1, or there are not as many initializers as blocks. When it is used: the tensor
            has no such axis, the blocks do not add up to it, or an initializer does not fit its block.
    """

    of: Initializer | tuple[Initializer, ...]
    sizes: int | tuple[int, ...]
    axis: int = 0

    def __post_init__(self) -> None:
        several = isinstance(self.of, tuple | list)
        given = self.of if isinstance(self.of, tuple | list) else (self.of,)
        inits = tuple(as_initializer(init, "of") for init in given)
        object.__setattr__(self, "of", inits if several else inits[0])
        object.__setattr__(self, "sizes", _checked_sizes(self.sizes))
        store_integer(self, "axis")
        count = self.sizes if isinstance(self.sizes, int) else len(self.sizes)
        if several and len(inits) != count:
            raise ValueError(f"of must have one initializer for each of {count} blocks, got {len(inits)}")

    def for_stream(self, stream: str) -> Initializer:
        """Return the blocks of a tensor of this name, which also decides for the initializers within."""
        given = self.of if isinstance(self.of, tuple) else (self.of,)
        inits = tuple(init.for_stream(stream) for init in given)
        if all(init is one for init, one in zip(inits, given, strict=True)):
            return self
        return replace(self, of=inits if isinstance(self.of, tuple) else inits[0])

    @property
    def by_parts(self) -> bool:
        """Whether every block's parts can be made alone."""
        return all(map(made_alone, self.of if isinstance(self.of, tuple) else (self.of,)))

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raise ValueError if there is no such tensor; see the class."""
        for block in self._blocks(shape, ""):
            block.check(dtype)

    def fill_part(
        self,
        out: npt.NDArray[Any],
        places: Sequence[Indices],
        shape: tuple[int, ...],
        *,
        seed: int,
        stream: str,
        threads: int,
    ) -> None:
        """Fill memory with the elements at these indices along each axis, block by block."""
        axis = self.axis % len(shape)
        along = places[axis]
        for init, begin, block_shape, block_stream in self._blocks(shape, stream):
            inside = np.flatnonzero((along >= begin) & (along < begin + block_shape[axis]))
            if not inside.size:
                continue
            within = [*places[:axis], along[inside] - np.uint64(begin), *places[axis + 1 :]]
            together = is_range(inside.astype(np.uint64))
            at = (slice(None),) * axis + (slice(inside[0], inside[-1] + 1) if together else inside,)
            memory = out[at]  # of rows here and there a copy
            fill_part(memory, init, within, block_shape, seed=seed, stream=block_stream, threads=threads)
            if not together:
                out[at] = memory

    def _blocks(self, shape: tuple[int, ...], stream: str) -> Iterator[_Block]:
        """Yield the blocks of a tensor; ValueError if it has no such ones."""
        if not shape:
            raise ValueError(f"shape must have at least 1 dimension for {shown(self)}, got ()")
        axis = axis_within(self.axis, shape)
        length = shape[axis]
        if isinstance(self.sizes, int):
            if length % self.sizes:
                raise ValueError(f"sizes must divide the {length} elements of axis {axis} of {shape}, got {self.sizes}")
            sizes: tuple[int, ...] = (length // self.sizes,) * self.sizes
        else:
            sizes = self.sizes
            if sum(sizes) != length:
                raise ValueError(
                    f"sizes must add up to the {length} elements of axis {axis} of {shape}, got {shown(sizes)}"
                )
        begin = 0
        for number, size in enumerate(sizes):
            init = self.of[number] if isinstance(self.of, tuple) else self.of
            yield _Block(init, begin, (*shape[:axis], size, *shape[axis + 1 :]), f"{stream}[{number}]")
            begin += size


def _checked_sizes(given: object) -> int | tuple[int, ...]:
    several = isinstance(given, tuple | list)
    kind = "an integer or a tuple of integers"
    sizes = tuple(
        as_integer(size, "sizes", kind, within=given)
        for size in (given if isinstance(given, tuple | list) else (given,))
    )
    if not sizes or min(sizes) < 1:
        raise ValueError(f"sizes must be at least 1, got {shown(given)}")
    return sizes if several else sizes[0]
