"""LayerScaled: weights that the number of their own layer scales, which the name of the tensor has."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

from weightfill._arguments.messages import shown
from weightfill._arguments.windows import INDICES
from weightfill._initializers.base import Initializer, PlainLaw, Shape, store_integer
from weightfill._initializers.names import named
from weightfill._initializers.structured import DepthScaled, store_inner

_PART = re.compile(r"(?:\A|[./])([0-9]+)(?=[./]|\Z)")
_PLACE = "{i}"
_DIGITS = 20  # of numbers below 2**64


@named()
@dataclass(frozen=True, slots=True)
class LayerScaled(Initializer):
    """The values of `of`, divided by sqrt(branches * (i + offset)), with i the number of the tensor's own layer.

    With the defaults the std is std / sqrt(2 * (i + 1)): later blocks add less to the residual stream. torchtitan does
    so (`depth_scaled_std`), and OLMo with init_fn "mitchell", whose 1 / sqrt(2 * d * (i + 1)) is, to the last bit,
    `LayerScaled(Normal(std=1.0), branches=2 * d)`. The formula is that of their code. Like DepthScaled, it divides all
    numbers of the distribution in float64: std, bounds, mean.

    The number comes from the tensor's name, its stream. So one rule of a plan is enough for all layers.

    Args:
        of: the initializer whose values are divided, or its name; it must draw every element, as Normal does.
        index: where i comes from. By default it is the first part of the name, between dots or slashes, that is a
            whole number: 3 of "model.layers.3.mlp.experts.7.w2". A string is a pattern of the full name, with `{i}`
            where the number stands and `*` for any characters: "*.experts.{i}.*" gives 7, and "layers_{i}/*" is for
            names such as "layers_3/kernel". An integer in [0, 2**64) is the number itself, whatever the name.
        branches: the number of terms that each block adds, from 1 to 2**64 - 1.
        offset: what is added to the number, in [0, 2**64); 0 for layers that are numbered from 1.

    >>> init = LayerScaled(Normal(std=0.02))
    >>> Tensor((4096, 4096), init, seed=42, stream="layers.7.attention.wo.weight").law
    Normal(mean=0.0, std=0.005)
    >>> LayerScaled(Normal(std=0.02), index=7).law((4096, 4096))
    Normal(mean=0.0, std=0.005)

    Raises:
        TypeError: `of` is not an initializer that draws every element, `index` is neither an integer nor a string, or
            `branches` or `offset` is not an integer.
        ValueError: `branches`, `offset` or an integer `index` is out of range, a pattern does not have `{i}` once, or
            index + offset is 0. When it is used: the name has no such number.
    """

    random: ClassVar[bool] = True
    of: Initializer
    index: int | str | None = None
    branches: int = 2
    offset: int = 1

    def __post_init__(self) -> None:
        store_inner(self)
        if isinstance(self.index, str):
            if self.index.count(_PLACE) != 1:
                raise ValueError(f"index must have {_PLACE} once, where the number stands, got {shown(self.index)}")
        elif self.index is not None:
            self._store("index", least=0)
        self._store("branches", least=1)
        self._store("offset", least=0)
        if isinstance(self.index, int):
            self._layers(self.index)

    def for_stream(self, stream: str) -> Initializer:
        """Return the DepthScaled of this tensor, whose `layers` is the number plus `offset`; itself if that is given.

        Raises:
            ValueError: the name has no such number.
        """
        of = self.of.for_stream(stream)
        if isinstance(self.index, int):
            return self if of is self.of else replace(self, of=of)
        return DepthScaled(of, self._layers(_number(stream, self.index)), self.branches)

    def law(self, shape: Shape) -> PlainLaw:
        """Return the law of `of` with all numbers divided, for a given number; ValueError if the name has it."""
        if not isinstance(self.index, int):
            raise ValueError(
                f"index must be an integer where no stream is known, got {shown(self.index)}; pass index=3, or ask "
                "Tensor(shape, init, seed=..., stream=...).law"
            )
        return DepthScaled(self.of, self._layers(self.index), self.branches).law(shape)

    def _layers(self, index: int) -> int:
        layers = index + self.offset
        if not 1 <= layers < INDICES:
            raise ValueError(f"index + offset must be in [1, 2**64), got {index} + {self.offset}")
        return layers

    def _store(self, name: str, least: int) -> None:
        kind = "an integer or a pattern such as '*layers_{i}/*'" if name == "index" else "an integer"
        if store_integer(self, name, least, kind) >= INDICES:
            raise ValueError(f"{name} must be less than 2**64, got {shown(getattr(self, name))}")


def _number(stream: str, pattern: str | None) -> int:
    """Return the number that a name has where a pattern says, or in its first part that is one."""
    found = _PART.search(stream) if pattern is None else _compiled(pattern).fullmatch(stream)
    if found is None:
        rule = "have the number of a layer between dots or slashes" if pattern is None else f"match {shown(pattern)}"
        raise ValueError(
            f"stream must {rule} for LayerScaled, got {shown(stream)}; pass the number as index=3, or a pattern of "
            f"names with {_PLACE} where it stands, such as index='*layers_{_PLACE}/*'"
        )
    digits = found[1].lstrip("0") or "0"
    if len(digits) > _DIGITS or int(digits) >= INDICES:
        raise ValueError(f"stream must have the number of a layer below 2**64, got {shown(stream)}")
    return int(digits)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern, which takes the first number that fits, and all of its digits."""
    before, after = (".*?".join(map(re.escape, part.split("*"))) for part in pattern.split(_PLACE))
    return re.compile(f"{before}(?<![0-9])([0-9]+)(?![0-9]){after}", re.DOTALL)
