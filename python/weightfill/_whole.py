"""Parts of tensors that can only be made as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._initializers.base import Shape, WholeTensor


def part_of_whole(
    init: WholeTensor,
    whole: tuple[int, ...],
    dtype: np.dtype[Any],
    part: tuple[int, ...],
    first: int,
    *,
    seed: int,
    stream: str,
    threads: int,
) -> npt.NDArray[Any]:
    """Return the part of this shape whose first element has the index `first` in C order, as a view of the whole."""
    if 0 in part and 0 not in whole:
        return np.empty(part, dtype)
    tensor = init.tensor(whole, dtype, seed=seed, stream=stream, threads=threads)
    if 0 in whole:
        return tensor
    start = np.unravel_index(first, whole)
    return tensor[tuple(slice(begin, begin + count) for begin, count in zip(start, part, strict=True))]


def rows_of_whole(
    init: WholeTensor,
    whole: Shape,
    dtype: np.dtype[Any],
    rows: npt.NDArray[Any],
    *,
    seed: int,
    stream: str,
    threads: int,
) -> npt.NDArray[Any]:
    """Return these rows of the whole.

    Raises:
        ValueError: the first dimension of the whole is open.
    """
    known = tuple(count for count in whole if count is not None)
    if len(known) < len(whole):
        raise ValueError(f"shape must have a known first dimension for {shown(init)}, got {whole}")
    tensor: npt.NDArray[Any] = init.tensor(known, dtype, seed=seed, stream=stream, threads=threads)[rows]
    return tensor
