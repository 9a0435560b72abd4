"""Embedding tables: the callable that TorchRec's configurations take."""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import checked_seed, stream_number
from weightfill._arguments.windows import ShapeLike, checked_shape, window
from weightfill._initializers.base import Initializer, InitializerLike, as_initializer
from weightfill._tensor import Tensor as DefinedTensor
from weightfill.torch._fill import fill, fill_views
from weightfill.torch._recorded.interception import interception_of
from weightfill.torch._refusals import is_table_part, stand_in
from weightfill.torch._views import View, array_of, is_in_parts, is_meta


@dataclass(frozen=True, slots=True)
class InitFn:
    """A callable that fills a tensor and returns it; `init_fn` makes it."""

    init: Initializer
    seed: int | None
    stream: str
    shape: tuple[int, ...] | None
    start: tuple[int, ...] | None

    def __call__(self, tensor: Tensor) -> Tensor:
        """Fill a tensor in place and return it; leave one on meta, or without elements, alone.

        Within `recording()` it is recorded what is drawn, also of one on meta.

        Raises:
            TypeError: `tensor` is not a torch tensor.
            ValueError: it cannot be filled, or it is a part of the table and its place is not known.
        """
        if not isinstance(tensor, Tensor):
            raise TypeError(f"tensor must be a torch tensor, got {type(tensor).__name__}")
        recorded = interception_of(tensor) is not None
        if is_meta(tensor) and not recorded:
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
                "start of this part, too, or leave init_fn out and call weightfill.torch.initialize(model, plan) after "
                "sharding"
            )
        if recorded and self.start is not None:
            raise ValueError(
                f"start must be None within recording(), which is of whole tables, got {self.start}; shard the model "
                "after it is recorded"
            )
        array = None if is_in_parts(tensor) else array_of(tensor)
        if array is None or recorded:
            return fill(tensor, self.init, seed=self.seed, stream=self.stream)
        shape = tuple(tensor.shape) if self.shape is None else self.shape
        defined = DefinedTensor(shape, self.init, seed=self.seed, stream=self.stream, dtype=array.dtype)
        fill_views(tensor, [View(array, self.start)], defined)
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
    """Return a callable that fills a tensor in place and returns it: the `init_fn` of a TorchRec table.

    It can be hashed, compared and pickled. Give each table its own stream. Tensors on meta and empty tensors are
    skipped.

    TorchRec calls `init_fn` with the local shard of a table and does not say where the shard starts. So pass `shape`,
    the shape of the full table: a shard is then an error instead of repeated rows. (Without `shape` every table of
    TorchRec is an error.) Pass `start` as well to fill the shard that starts there. For tables that are sharded by rows
    or columns leave `init_fn` out, and call `initialize` afterwards, or `fill` with the ShardedTensor in
    `state_dict()`.

    Args:
        init: what to draw: an initializer, or its name or call as a string: "kaiming_normal", "Normal(std=0.02)".
        seed: an integer in [0, 2**64); required for random values.
        stream: a name, usually the table's. Tables of one shape with the same seed and stream get equal values.
        shape: the shape of the full table, (num_embeddings, embedding_dim).
        start: where the tensor starts in the full table, one index per dimension, if it is only a part of the table.

    >>> import torch
    >>> import weightfill.torch
    >>> table = init_fn(Uniform(-0.01, 0.01), 42, "item_table")(torch.empty(4, 3))
    >>> rows = init_fn(Uniform(-0.01, 0.01), 42, "item_table", shape=(4, 3), start=(2, 0))(torch.empty(2, 3))
    >>> torch.equal(rows, table[2:])
    True

    Raises:
        TypeError: `init` is not an initializer, `seed` is missing, `start` is passed without `shape`, or another
            argument has a wrong type.
        ValueError: `seed` is out of range, or `start` is outside of a table of this shape.
    """
    init = as_initializer(init)  # no Tensor checks all this: the shape and dtype are known only when it is called
    number = None if seed is None and not init.random else checked_seed(seed, init)
    stream_number(stream)
    whole = None if shape is None else checked_shape(shape)
    begin: tuple[int, ...] | None = None
    if start is not None:
        window((0,) * len(whole or ()), whole, start, "start")
        begin = (int(start),) if isinstance(start, int | np.integer) else tuple(map(operator.index, start))
    return InitFn(init, number, stream, whole, begin)
