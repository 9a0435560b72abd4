"""Padded: embedding tables with rows of zeros."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._arguments.windows import INDICES
from weightfill._initializers.base import Composed, Indices, Initializer, Masked, Shape, WholeTensor, as_initializer
from weightfill._initializers.keep_values import KeepValues
from weightfill._initializers.masks import AllButRows, countable
from weightfill._initializers.names import named
from weightfill._initializers.parts import made_alone
from weightfill._initializers.structured import Scaled, plain_law


@named()
@dataclass(frozen=True, slots=True)
class Padded(Composed):
    """An embedding table that is initialized by `of`, except for padding rows, which are zero.

    All other rows have the same values as without padding.

    Args:
        of: the initializer of the other rows, or its name; it must draw every element, as Normal does, or make any part
            alone, as Sinusoid and Blocks do.
        padding_idx: the index of the row of zeros, or a tuple or list of such indices; at least 0.

    >>> Padded(Normal(std=0.02), padding_idx=0)
    Padded(of=Normal(mean=0.0, std=0.02), padding_idx=(0,))

    Raises:
        TypeError: `of` is not such an initializer, or `padding_idx` is not an integer or several.
        ValueError: `padding_idx` is negative. When it is used: the tensor has no such row.
    """

    random: ClassVar[bool] = True
    of: Initializer
    padding_idx: int | tuple[int, ...]

    def __post_init__(self) -> None:
        of = as_initializer(self.of, "of")
        object.__setattr__(self, "of", of)
        if not made_alone(of):
            raise TypeError(f"of must draw every element for itself, got {shown(of)}")
        given = self.padding_idx
        rows = given if isinstance(given, tuple | list) else (given,)
        kind = "an integer or a tuple of integers"
        checked = tuple(sorted({as_integer(row, "padding_idx", kind, within=given) for row in rows}))
        if checked and not 0 <= checked[0] <= checked[-1] < INDICES:
            raise ValueError(f"padding_idx must be in [0, 2**64), got {shown(given)}")
        object.__setattr__(self, "padding_idx", checked)

    def law(self, shape: Shape) -> Masked:
        """Return the law of `of` under a mask without the padding rows.

        Raises:
            ValueError: the shape has no such row, or `of` has no law for it.
        """
        rows = self.rows_of(shape)
        stride = math.prod(count for count in shape[1:] if count is not None)
        return Masked(plain_law(self.of, shape), countable(AllButRows(rows, stride), self, shape))

    def whole(self) -> WholeTensor | None:
        """Return what fills tensors of `of` without the padding rows; None if the core does."""
        whole = self.of.whole()
        return None if whole is None else _PaddedWhole(whole, self)

    def rows_of(self, shape: Shape) -> tuple[int, ...]:
        """Return the padding rows; ValueError if the shape has no such row."""
        assert isinstance(self.padding_idx, tuple)
        if not shape:
            raise ValueError(f"shape must have at least 1 dimension for {self}, got ()")
        if self.padding_idx and shape[0] is not None and self.padding_idx[-1] >= shape[0] and 0 not in shape:
            raise ValueError(
                f"padding_idx must be one of the {shape[0]} rows of shape={shape}, got {self.padding_idx[-1]}"
            )
        return self.padding_idx


@dataclass(frozen=True, slots=True)
class _PaddedWhole(WholeTensor):
    """What Padded is of an initializer that the core does not fill."""

    of: WholeTensor
    padded: Padded

    @property
    def by_parts(self) -> bool:
        return True

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.padded.rows_of(shape)
        self.of.check(shape, dtype)

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
        self.of.fill_part(out, places, shape, seed=seed, stream=stream, threads=threads)
        out[np.isin(places[0], np.array(self.padded.padding_idx, np.uint64))] = 0

    def tensor(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], *, seed: int, stream: str, threads: int
    ) -> npt.NDArray[Any]:
        self.check(shape, dtype)
        made = self.of.tensor(shape, dtype, seed=seed, stream=stream, threads=threads)
        made[[row for row in self.padded.rows_of(shape) if row < shape[0]]] = 0
        return made


def says_padding(init: Initializer) -> bool:
    """Whether an initializer says itself which rows are padding."""
    return isinstance(init, Padded | KeepValues) or (isinstance(init, Scaled) and says_padding(init.of))
