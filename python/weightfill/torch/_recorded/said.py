"""From what a parameter was recorded to hold to the initializer that says it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from weightfill._initializers.base import Initializer, PlainLaw
from weightfill._initializers.blocks import Blocks
from weightfill._initializers.laws import Constant, Ones, Zeros
from weightfill._initializers.padded import Padded
from weightfill._initializers.scaling import VarianceScaling
from weightfill._initializers.schemes import KaimingNormal, KaimingUniform, StandardUniform
from weightfill._initializers.structured import Scaled
from weightfill.torch._recorded.contents import MEMORY, Draw, Known, Unsayable, computed_by
from weightfill.torch._recorded.joined import Said, blocks_of, experts_of
from weightfill.torch._recorded.tables import near_table, table_of, values_of
from weightfill.torch._recorded.written import Painting

_MOST_ROWS = 1000  # of zeros, which a Padded lists
_FEW_ROWS = 8  # up to which it is easier to read than Blocks
_FEW_CONSTANTS = 8  # up to which Blocks of them are easier to read than Values
COMPUTED = "which got values that the module computes"


def said(
    painting: Painting, shape: tuple[int, ...], dtype: torch.dtype, *, keep: bool = False
) -> Initializer | Unsayable:
    """Return the initializer of a tensor, or why there is none.

    Args:
        painting: what the tensor holds.
        shape: its shape.
        dtype: its dtype.
        keep: whether numbers that the module has computed may be kept as Values.
    """
    if not painting.place.size:
        return Zeros()
    contents = painting.held()
    for content in contents:
        if isinstance(content, Unsayable):
            return content
        if isinstance(content, Draw) and content.steps:
            return computed_by(content.steps[-1])
        if content is MEMORY:
            return Unsayable("which is a view of another dtype")
    parts: Said = lambda part, shape: said(part, shape, dtype, keep=keep)  # noqa: E731
    draws = [content for content in contents if isinstance(content, Draw)]
    if not draws:
        return _of_values(painting, shape, dtype, keep, parts)
    if len({draw.origin for draw in draws}) < len({(draw.origin, draw.copy) for draw in draws}):
        return Unsayable("part of which is a copy of another part")
    if len(draws) == len(contents):
        return _of_draws(draws, painting, shape, dtype, parts)
    padded = _padded(painting, shape)
    if padded is not None and len(padded.padding_idx) <= _FEW_ROWS:  # type: ignore[arg-type]
        return padded
    return blocks_of(painting, dtype, parts) or padded or Unsayable("part of which is constant")


def origins(painting: Painting) -> set[object]:
    """Return the draws from which the tensor has values, its own or those of a tensor that it is a copy of."""
    return {content.origin for content in painting.held() if isinstance(content, Draw)}


def readable(init: Initializer) -> Initializer:
    """Return the same initializer under the name by which it is known, if there is one."""
    if isinstance(init, Scaled):
        return replace(init, of=readable(init.of))
    if not isinstance(init, VarianceScaling) or init.distribution == "truncated_normal":
        return init
    uniform = init.distribution == "uniform"
    if uniform and init.mode == "fan_in" and math.isclose(init.scale, 1 / 3, rel_tol=1e-14):
        return StandardUniform()
    if math.isclose(init.scale, 2, rel_tol=1e-14):
        return KaimingUniform(mode=init.mode) if uniform else KaimingNormal(mode=init.mode)
    return replace(init, scale=float(f"{init.scale:.15g}"))


def _constant(value: float, dtype: torch.dtype) -> Initializer:
    if value in (0, 1):
        return Ones() if value else Zeros()
    if dtype == torch.float32:  # the shortest number that is the same one
        value = float(str(np.float32(value)))
    return Constant(value)


def _of_values(
    painting: Painting, shape: tuple[int, ...], dtype: torch.dtype, keep: bool, parts: Said
) -> Initializer | Unsayable:
    """Return the initializer of constants and values that were computed."""
    contents = painting.held()
    constants = {content.value for content in contents if isinstance(content, Known)}
    all_known = all(isinstance(content, Known) for content in contents)
    if all_known and len(constants) == 1:
        return _constant(constants.pop(), dtype)
    real = painting.real(dtype)
    assert real is not None  # as there is nothing else
    values = real.reshape(shape)
    if bool((values == values.reshape(-1)[0]).all()):
        return _constant(float(values.reshape(-1)[0].item()), dtype)
    found = table_of(values) or (blocks_of(painting, dtype, parts) if all_known else None)
    if found is not None and not (isinstance(found, Blocks) and _is_hard_to_read(found)):
        return found
    if keep:
        return values_of(values)
    if all_known:
        return Unsayable(f"{COMPUTED}, different constants")
    near = near_table(values)
    return Unsayable(COMPUTED if near is None else f"{COMPUTED}, those of {near} but for what float32 loses")


def _is_hard_to_read(constants: Blocks) -> bool:
    """Whether numbers are easier to read than these blocks of constants."""
    of = constants.of if isinstance(constants.of, tuple) else (constants.of,)
    return len(of) > _FEW_CONSTANTS or any(isinstance(init, Blocks) for init in of)


def _of_draws(
    draws: list[Draw], painting: Painting, shape: tuple[int, ...], dtype: torch.dtype, parts: Said
) -> Initializer | Unsayable:
    if len(draws) == 1 and draws[0].is_all_of(painting.place, shape):
        return readable(draws[0].init)
    if len(draws) > 1 and not all(isinstance(draw.init, PlainLaw) for draw in draws):
        found = experts_of(draws, shape) or blocks_of(painting, dtype, parts)
        if found is not None:
            return readable(found)
    laws: list[PlainLaw | None] = [draw.plain() for draw in draws]
    if laws[0] is not None and all(law == laws[0] for law in laws):
        return laws[0]
    return blocks_of(painting, dtype, parts) or Unsayable("whose parts have different distributions")


def _padded(painting: Painting, shape: tuple[int, ...]) -> Padded | None:
    """Return the initializer with rows of zeros, if the constants are such rows."""
    rows: list[int] = []
    zero = {number for number, content in enumerate(painting.contents) if content == Known(0.0)}
    for index, low in enumerate(painting.cuts[0][:-1] if painting.cuts else ()):
        numbers: set[int] = set(np.unique(painting.cells[index]).tolist())
        if numbers <= zero:
            rows.extend(range(low, painting.cuts[0][index + 1]))
        elif not all(isinstance(painting.contents[number], Draw) for number in numbers):
            return None
    if not 0 < len(rows) <= _MOST_ROWS:
        return None
    used = set(np.unique(painting.cells).tolist())
    draws = [
        content for number, content in enumerate(painting.contents) if number in used and isinstance(content, Draw)
    ]
    if len(draws) == 1 and draws[0].is_all_of(painting.place, shape):
        init: Initializer = readable(draws[0].init)
    else:
        laws = [draw.plain() for draw in draws]
        if laws[0] is None or any(law != laws[0] for law in laws):
            return None
        init = laws[0]
    try:
        padded = Padded(init, tuple(rows))
        if padded.whole() is None:
            padded.law(shape)
    except (TypeError, ValueError):
        return None
    return padded
