"""Tensors whose parts were drawn one by one, said as blocks along an axis, or as experts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from weightfill._initializers.base import Initializer, PlainLaw
from weightfill._initializers.blocks import Blocks
from weightfill._initializers.fans import Layout
from weightfill._initializers.laws import Ones, Zeros
from weightfill._initializers.scaling import FanScaled
from weightfill.torch._recorded.contents import Draw, Known, Unsayable
from weightfill.torch._recorded.written import Painting
from weightfill.torch._views import numpy_dtype

_EXPERTS = Layout(2, 1, 0)  # of (expert, out, in)
_MOST_BLOCKS = 256
Said = Callable[[Painting, tuple[int, ...]], Initializer | Unsayable]


def blocks_of(painting: Painting, dtype: torch.dtype, said: Said) -> Initializer | None:
    """Return the initializer of a tensor that is cut along an axis into parts that have one each; None if none is.

    Args:
        painting: what the tensor holds, in several parts.
        dtype: the dtype of the tensor.
        said: what gives the initializer of a part, or why there is none.
    """
    kind = numpy_dtype(dtype)
    for axis, cut in enumerate(painting.cuts):
        parts = list(_parts(painting, axis)) if len(cut) > 2 else []
        if not 1 < len(parts) <= _MOST_BLOCKS:
            continue
        found = [said(part, part.place.shape) for part in parts]
        inits = [init for init in found if not isinstance(init, Unsayable)]
        if len(inits) < len(found):
            continue
        joined = _joined(inits, [part.place.shape[axis] for part in parts], axis)
        try:
            if isinstance(joined, Blocks) and kind is not None:
                joined.check(painting.place.shape, kind)
        except ValueError:
            continue
        return joined
    return None


def experts_of(draws: list[Draw], shape: tuple[int, ...]) -> Initializer | None:
    """Return the scheme by which each of the matrices of a tensor was drawn alone; None if there is none."""
    init = draws[0].init
    if len(shape) != 3 or not isinstance(init, FanScaled):
        return None
    if any(draw.init != init or draw.shape != shape[1:] for draw in draws):
        return None
    scheme = replace(init, layout=_EXPERTS)
    return scheme if scheme.law(shape) == draws[0].plain() else None


def _parts(painting: Painting, axis: int) -> Iterator[Painting]:
    """Yield the parts between the cuts of an axis, with cuts left out at which nothing differs."""
    cut, cells = painting.cuts[axis], np.moveaxis(painting.cells, axis, 0)
    same = {number for number, content in enumerate(painting.contents) if _is_alike(content)}
    first = 0
    for last in range(1, len(cells) + 1):
        if last < len(cells) and (cells[last] == cells[first]).all() and set(np.unique(cells[first])) <= same:
            continue
        box = tuple(range(cut[first], cut[last]) if k == axis else range(n) for k, n in enumerate(painting.place.shape))
        cuts = tuple([0, len(box[axis])] if k == axis else one for k, one in enumerate(painting.cuts))
        part = np.moveaxis(cells[first : first + 1], 0, axis)
        yield Painting(painting.place.part(box), cuts, part, painting.contents)
        first = last


def _is_alike(content: object) -> bool:
    """Whether any part of a content has the same distribution."""
    return isinstance(content, Known) or (isinstance(content, Draw) and content.plain() is not None)


def _joined(inits: list[Initializer], sizes: list[int], axis: int) -> Initializer:
    """Return blocks with neighbours that are one distribution for all elements taken together."""
    together: list[tuple[Initializer, int]] = []
    for init, size in zip(inits, sizes, strict=True):
        if together and together[-1][0] == init and isinstance(init, PlainLaw | Ones | Zeros):
            together[-1] = init, together[-1][1] + size
        else:
            together.append((init, size))
    kinds, lengths = [init for init, _ in together], [size for _, size in together]
    if len(together) == 1 and isinstance(kinds[0], PlainLaw | Ones | Zeros):
        return kinds[0]
    of = kinds[0] if len(set(kinds)) == 1 else tuple(kinds)
    return Blocks(of, len(lengths) if len(set(lengths)) == 1 else tuple(lengths), axis)
