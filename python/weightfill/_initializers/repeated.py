"""Repeat: neighbours along an axis that begin equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.indices import axis_within
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Composed, Indices, Initializer, WholeTensor, as_initializer, store_integer
from weightfill._initializers.names import named
from weightfill._initializers.parts import check_fits, fill_part, is_range, made_alone


@named("ICNR")
@dataclass(frozen=True, slots=True)
class Repeat(Composed, WholeTensor):
    """The values of `of`, each `factor` times along an axis: index i has those of index i // factor.

    They are those of a tensor with the same stream that is `factor` times shorter along the axis, and has the fans of
    that shape. With factor = s^2 along the outputs of a convolution before `torch.nn.PixelShuffle(s)`, all pixels that
    are made of one begin equal: ICNR (Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution", section
    3). Keras and TensorFlow have another order of channels in `depth_to_space`, for which this is not meant.

    Args:
        of: the initializer whose values are repeated, or its name.
        factor: how often, at least 1.
        axis: the axis; negative numbers count from the end.

    >>> create(6, Repeat(Arange(), 2), seed=42)
    array([0., 0., 1., 1., 2., 2.], dtype=float32)

    Raises:
        TypeError: `of` is not an initializer, or `factor` or `axis` is not an integer.
        ValueError: `factor` is less than 1. When it is used: the tensor has no such axis, `factor` does not divide it,
            or `of` does not fit the shorter tensor.
    """

    of: Initializer
    factor: int
    axis: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", as_initializer(self.of, "of"))
        store_integer(self, "factor", least=1)
        store_integer(self, "axis")

    @property
    def by_parts(self) -> bool:
        """Whether parts of `of` can be made alone."""
        return made_alone(self.of)

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raise ValueError if there is no such tensor; see the class."""
        if not shape:
            raise ValueError(f"shape must have at least 1 dimension for {shown(self)}, got ()")
        axis = axis_within(self.axis, shape)
        if shape[axis] % self.factor:
            raise ValueError(
                f"factor must divide the {shape[axis]} elements of axis {axis} of {shape}, got {shown(self.factor)}"
            )
        check_fits(self.of, self._shorter(shape), dtype, "")

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
        """Fill memory with the elements at these indices along each axis."""
        axis = self.axis % len(shape)
        of = places[axis] // np.uint64(self.factor)
        if not is_range(places[axis]):  # rows in any order
            within = [*places[:axis], of, *places[axis + 1 :]]
            fill_part(out, self.of, within, self._shorter(shape), seed=seed, stream=stream, threads=threads)
            return
        once = np.arange(int(of[0]), int(of[-1]) + 1, dtype=np.uint64)
        made = np.empty((*out.shape[:axis], once.size, *out.shape[axis + 1 :]), out.dtype)
        within = [*places[:axis], once, *places[axis + 1 :]]
        fill_part(made, self.of, within, self._shorter(shape), seed=seed, stream=stream, threads=threads)
        out[...] = made[(slice(None),) * axis + (of - of[0],)]

    def _shorter(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        axis = self.axis % len(shape)
        return (*shape[:axis], shape[axis] // self.factor, *shape[axis + 1 :])
