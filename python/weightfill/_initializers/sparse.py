"""Sparse connections: few weights of every slice are drawn, the others are zero."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, replace

from weightfill import _core
from weightfill._arguments.messages import shown
from weightfill._arguments.streams import positions_number
from weightfill._initializers.base import Initializer, Masked, Shape, store_integer, store_number
from weightfill._initializers.laws import Normal
from weightfill._initializers.masks import Connections, countable
from weightfill._initializers.names import named
from weightfill._run.float_mode import in_float_mode

CONNECTIONS = 10
_SIGNED = 2**63  # a slice has fewer elements


@named()
@dataclass(frozen=True, slots=True)
class Sparse(Initializer):
    """Each row (or column) has exactly `connections` weights from Normal(std); all others are zero.

    With the default axis=-1 every row of an (outputs, inputs) matrix has the same number of weights, so every output
    has the same number of inputs (Martens, "Deep learning via Hessian-free optimization", 2010, section 5.3, uses 15).
    `axis=0` does this for every column, as `torch.nn.init.sparse_` does. Every choice of positions is equally likely,
    and rows are independent of each other. The value at a position is the one that Normal(std) has there. In 16-bit and
    8-bit dtypes it may round to zero.

    To fill any part of a row, all connections of that row have to be drawn. So fill whole rows where you can. A thread
    keeps the connections of several rows, in at most 16 MB, or those of one row: a bit for each of its weights, or 40
    bytes for each connection (or zero) if that is less.

    Args:
        connections: the number of weights per row, 10 by default.
        std: the standard deviation of these weights, at least 0.
        axis: the axis along which they are counted; negative numbers count from the last.
        sparsity: the share of zeros, in [0, 1], instead of `connections`. Of n weights, ceil(sparsity * n) are zero,
            but one weight always remains unless sparsity is 1.

    >>> Sparse(connections=3)
    Sparse(connections=3, std=0.01, axis=-1)
    >>> Sparse(sparsity=0.9, axis=0)
    Sparse(sparsity=0.9, std=0.01, axis=0)

    Raises:
        TypeError: `connections` or `axis` is not an integer, `std` or `sparsity` is not a number, or both `connections`
            and `sparsity` are passed.
        ValueError: `connections` is less than 1, `std` is negative or not finite, or `sparsity` is not in [0, 1]. When
            it is used: the tensor has no such axis, or fewer elements along it than connections.
    """

    connections: int | None = None
    std: float = 0.01
    axis: int = -1
    _: KW_ONLY
    sparsity: float | None = None

    def __post_init__(self) -> None:
        if self.sparsity is not None:
            if self.connections is not None:
                raise TypeError(
                    f"sparsity must be left out where connections is given, got sparsity={shown(self.sparsity)} and "
                    f"connections={shown(self.connections)}"
                )
            sparsity = store_number(self, "sparsity")
            if not 0 <= sparsity <= 1:
                raise ValueError(f"sparsity must be in [0, 1], got {sparsity}")
        else:
            if self.connections is None:
                object.__setattr__(self, "connections", CONNECTIONS)
            store_integer(self, "connections", least=1)
        if (std := store_number(self, "std")) < 0:
            raise ValueError(f"std must be at least 0, got {std}")
        store_integer(self, "axis")

    def law(self, shape: Shape) -> Masked:
        """Return Normal(std) under a mask that keeps the connections of each slice.

        Raises:
            ValueError: the shape does not have the axis, or has fewer elements along it than connections.
        """
        return Masked(Normal(std=self.std), self.connected(shape))

    @in_float_mode
    def connected(self, shape: Shape) -> Connections:
        """Return the positions that are drawn; errors as of `law`."""
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(f"axis must be one of the {len(shape)} of shape={shape}, got {shown(self.axis)}")
        axis = self.axis % len(shape)
        inputs = shape[axis]
        if inputs is None or inputs >= _SIGNED:
            raise ValueError(f"shape must have a known size below 2**63 along axis {axis} for {self}, got {shape}")
        kept = self.connections
        if self.sparsity is not None:
            # A float64 product may round to more than all of them.
            kept = max(inputs - math.ceil(self.sparsity * inputs), 0 if self.sparsity == 1 else min(inputs, 1))
        assert kept is not None
        if kept > inputs and 0 not in shape:
            raise ValueError(
                f"connections must be at most {inputs}, the elements along axis {axis} of shape={shape}, "
                f"got {shown(kept)}"
            )
        stride = math.prod(count for count in shape[axis + 1 :] if count is not None)
        return countable(Connections(axis, inputs, stride, min(kept, inputs)), self, shape)

    def __repr__(self) -> str:
        number = f"connections={self.connections}" if self.sparsity is None else f"sparsity={self.sparsity}"
        return f"Sparse({number}, std={self.std}, axis={self.axis})"


@dataclass(frozen=True, slots=True)
class _Drawn(Initializer):
    """A sparse law for one tensor, whose connections are drawn."""

    masked: Masked

    def law(self, shape: Shape) -> Masked:
        return self.masked


def drawn_once(
    init: Initializer, shape: tuple[int, ...], *, seed: int, stream: str, block: int, threads: int
) -> Initializer:
    """Return an initializer of the same values for a tensor that is written or read in blocks of its elements.

    A block that holds parts of many slices has to know all of their connections. They are drawn here once, by `threads`
    threads, and kept: a bit for each element of the tensor, or 8 bytes for each connection (or zero) if that is less,
    for as long as the result lives. What needs none of this is returned as it is.

    Args:
        init: of the tensor; it fits.
        shape: of the tensor.
        seed: of the tensor.
        stream: of the tensor.
        block: elements that are written or read at a time.
        threads: as for the core.
    """
    drawn = init.for_stream(stream)
    if drawn.whole() is not None or 0 in shape or math.prod(shape) <= block:
        return init
    law = drawn.law(shape)
    if not isinstance(law, Masked) or not isinstance(law.mask, Connections):
        return init
    mask = law.mask
    if mask.stride == 1 and mask.inputs <= block:  # a block cuts two slices at most
        return init
    slices = math.prod(shape) // mask.inputs
    connected = _core.draw_slices(
        count=mask.inputs,
        stride=mask.stride,
        kept=mask.kept,
        number=positions_number(stream),
        seed=seed,
        slices=slices,
        threads=threads,
    )
    return _Drawn(replace(law, mask=replace(mask, slices=connected)))
