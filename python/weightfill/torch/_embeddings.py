"""Embedding tables: the callable that TorchRec's configurations take."""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import checked_seed, stream_number
from weightfill._arguments.windows import ShapeLike, checked_shape, window
from weightfill._initializers.laws import Initializer, InitializerLike, as_initializer
from weightfill.torch._fill import fill, fill_views
from weightfill.torch._refusals import is_table_part, stand_in
from weightfill.torch._views import View, array_of, is_meta, is_part


@dataclass(frozen=True, slots=True)
class InitFn:
    """A callable that fills the tensor it is given and returns it; `init_fn` makes it."""

    init: Initializer
    seed: int | None
    stream: str
    shape: tuple[int, ...] | None
    start: tuple[int, ...] | None

    def __call__(self, tensor: Tensor) -> Tensor:
        """Fill a tensor in place and return it; leave one on meta, or without elements, alone.

        Raises:
            TypeError: `tensor` is not a torch tensor.
            ValueError: it cannot be filled, or it is a part of the table and its place is not known.
        """
        if not isinstance(tensor, Tensor):
            raise TypeError(f"tensor must be a torch tensor, got {type(tensor).__name__}")
        if is_meta(tensor):
            return tensor
        refusal = None if is_table_part(tensor) else stand_in(tensor)
        if refusal:
            raise ValueError(refusal.text("tensor"))
        if 0 in tensor.shape:  # what TorchRec hands over where this process has nothing of the table
            return tensor
        if self.shape is None and is_table_part(tensor):
            raise ValueError(
                f"shape must be given for TorchRec's tables, got a tensor of shape {tuple(tensor.shape)}, which may be "
                "a part; give init_fn shape=(num_embeddings, embedding_dim)"
            )
        if self.shape is not None and self.start is None and tuple(tensor.shape) != self.shape:
            raise ValueError(
                f"tensor must be the whole table, of shape {self.shape}, got {tuple(tensor.shape)}; give init_fn the "
                "start of this part, too, or leave init_fn out and fill the table of this name in state_dict()"
            )
        array = None if is_part(tensor) else array_of(tensor)
        if array is None:
            return fill(tensor, self.init, seed=self.seed, stream=self.stream)
        shape = self.shape if self.start is not None else None
        fill_views(tensor, [View(array, shape, self.start)], self.init, seed=self.seed, stream=self.stream)
        return tensor


@explained
def init_fn(
    init: InitializerLike,
    seed: int | None = None,
    stream: str = "",
    *,
    shape: ShapeLike | None = None,
    start: ShapeLike | None = None,
) -> InitFn:
    """Return a callable that fills the tensor it is given in place and returns it: TorchRec's `init_fn`.

    It can be hashed, compared and pickled. Each table needs a stream of its own. Tensors on meta, and those without
    elements, are left alone.

    TorchRec shards a table and hands each process's part to `init_fn`, without a word of its place. With `shape`, a
    tensor of that shape is the whole table, and a part is an error; so is any of TorchRec's tables without `shape`.
    With `start`, the tensor is the part of the table that begins there. What TorchRec deals out by rows or columns
    has no `init_fn`: `initialize` fills it, or `fill` of the ShardedTensor in `state_dict()`.

    Args:
        init: what to draw.
        seed: an integer in [0, 2**64); needed for everything random.
        stream: a name, usually the table's.
        shape: of the whole table, (num_embeddings, embedding_dim).
        start: the index, one integer per dimension, of the first element of the part that the tensor is.

    >>> import torch
    >>> import weightfill.torch
    >>> table = init_fn(Uniform(-0.01, 0.01), 42, "item_table")(torch.empty(4, 3))
    >>> rows = init_fn(Uniform(-0.01, 0.01), 42, "item_table", shape=(4, 3), start=(2, 0))(torch.empty(2, 3))
    >>> torch.equal(rows, table[2:])
    True

    Raises:
        TypeError: an argument is of the wrong kind, or `seed` is missing, or `start` is given without `shape`.
        ValueError: `seed` is out of range, or `start` is not in a table of this shape.
    """
    init = as_initializer(init)
    number = None if seed is None and not init.random else checked_seed(seed, init)
    stream_number(stream)
    whole = None if shape is None else checked_shape(shape)
    begin: tuple[int, ...] | None = None
    if start is not None:
        window((0,) * len(whole or ()), whole, start, "start")
        begin = (int(start),) if isinstance(start, int | np.integer) else tuple(map(operator.index, start))
    return InitFn(init, number, stream, whole, begin)
