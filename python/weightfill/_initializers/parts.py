"""Parts of tensors that other initializers are made of: any part of any initializer, into memory."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill import _core
from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.streams import stream_number
from weightfill._arguments.windows import INDICES, strides_of
from weightfill._initializers.base import Indices, Initializer, Masked
from weightfill._initializers.core_laws import fitting_law, masked_law


def made_alone(init: Initializer) -> bool:
    """Whether any part of its tensors can be made alone."""
    whole = init.whole()
    return whole is None or whole.by_parts


def check_fits(init: Initializer, shape: tuple[int, ...], dtype: np.dtype[Any], stream: str) -> None:
    """Raise ValueError if the initializer has no tensor of this shape, or the dtype cannot hold it."""
    if (whole := init.whole()) is not None:
        whole.check(shape, dtype)
    else:
        _core_law(init, shape, dtype, stream)


def fill_part(
    out: npt.NDArray[Any],
    init: Initializer,
    places: Sequence[Indices],
    shape: tuple[int, ...],
    *,
    seed: int,
    stream: str,
    threads: int,
) -> None:
    """Fill memory with a part of a tensor.

    Args:
        out: memory of the part's shape, with any strides.
        init: of the tensor, for which it is checked.
        places: the indices of the part along each axis, in ranges; or full rows in any order.
        shape: of the tensor.
        seed: in [0, 2**64).
        stream: of the tensor.
        threads: at least 1.
    """
    if 0 in out.shape:
        return
    if (whole := init.whole()) is not None:
        whole.fill_part(out, places, shape, seed=seed, stream=stream, threads=threads)
        return
    law, number = _core_law(init, shape, out.dtype, stream), CORE_DTYPES[out.dtype].number
    strides, rows, first = strides_of(shape), None, 0
    if is_range(places[0]):
        first = sum(map(operator.mul, (int(along[0]) for along in places), strides)) % INDICES
    else:
        rows = np.ascontiguousarray(places[0])
    within = None if rows is not None else tuple(stride % INDICES for stride in strides)
    _core.fill(out, out.shape, number, law, seed, stream_number(stream), first, within, rows, threads, None)


def is_range(places: Indices) -> bool:
    """Whether indices, of which there is one at least, follow each other."""
    return bool((places == places[0] + np.arange(places.size, dtype=np.uint64)).all())


def _core_law(init: Initializer, shape: tuple[int, ...], dtype: np.dtype[Any], stream: str) -> _core.Law:
    law = init.law(shape)
    return masked_law(law, dtype, stream) if isinstance(law, Masked) else fitting_law(law, dtype)
