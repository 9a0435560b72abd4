"""Masks: which elements of a tensor a law is drawn for; the others are zero.

Along its axis a mask divides a tensor into slices: those elements that differ in the index of this axis alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias, TypeVar

from weightfill import _core
from weightfill._arguments.messages import shown
from weightfill._arguments.windows import INDICES


@dataclass(frozen=True, slots=True)
class Connections:
    """`kept` distinct positions of every slice, each set of them as likely as any other."""

    axis: int
    inputs: int  # elements of a slice
    stride: int  # from one to the next, in elements of the full tensor
    kept: int
    slices: _core.Slices | None = None  # all of them, drawn before


@dataclass(frozen=True, slots=True)
class Diagonal:
    """At most one position of a slice: where the index of the slice's output, modulo `period`, is that of the input.

    Slice `s` belongs to output `s // output_stride % outputs` and tap `s // tap_stride % taps`; only the slices of the
    tap `centre` keep a position.
    """

    axis: int
    inputs: int
    stride: int
    outputs: int
    output_stride: int
    period: int
    taps: int = 1
    tap_stride: int = 1
    centre: int = 0


@dataclass(frozen=True, slots=True)
class AllButRows:
    """All rows but these."""

    rows: tuple[int, ...]
    stride: int  # elements of a row


Mask: TypeAlias = Connections | Diagonal | AllButRows
MaskT = TypeVar("MaskT", Connections, Diagonal, AllButRows)


def countable(mask: MaskT, init: object, shape: Sequence[int | None]) -> MaskT:
    """Return a mask of a tensor of this shape if the core can count with all its numbers.

    Raises:
        ValueError: one of them is 2**64, as some are in tensors of so many elements. Empty tensors have no element for
            which a number could be wrong.
    """
    if 0 < math.prod(count for count in shape if count is not None) < INDICES:
        return mask
    large = [name for name, number in asdict(mask).items() if isinstance(number, int) and number >= INDICES]
    if large and 0 not in shape:
        raise ValueError(f"shape must have less than 2**64 elements for {shown(init)}, got {shape}")
    held: dict[str, Any] = dict.fromkeys(large, INDICES - 1)
    return replace(mask, **held)
