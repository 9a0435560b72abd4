"""What a plan does to a model, parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from weightfill._arguments.dtypes import DTypeLike
from weightfill._arguments.messages import printable, shown
from weightfill._initializers.base import Initializer, Law, Masked
from weightfill._initializers.equal_units import equal_units
from weightfill._initializers.fans import Fans
from weightfill._initializers.keep_values import KeepValues
from weightfill._initializers.laws import Zeros
from weightfill._initializers.masks import AllButRows, Connections
from weightfill._initializers.scaling import FanScaled
from weightfill._models.assignment import drawn_by
from weightfill._models.manifest import Shapes, specs
from weightfill._models.rules import Rule
from weightfill._models.seeded_rules import SeededRules
from weightfill._reading.html import table_of
from weightfill._tensor import Tensor

_COUNTER = Rule("", Zeros())  # of batches that a norm has seen


class Explained(NamedTuple):
    """One parameter.

    `fans` is None unless the initializer uses them; `law` is None for Orthogonal, KeepValues and the like.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pattern: str
    init: Initializer
    law: Law | None
    fans: Fans | None
    nbytes: int

    @property
    def equal_units(self) -> int:
        """How many units are equal, as all elements of a matrix are; 0 if they differ, and for vectors."""
        return equal_units(self.law, self.shape)


@dataclass(frozen=True)
class Explanation:
    """All parameters in their order; printed as a table.

    Attributes:
        parameters: those that are filled.
        ties: the other names of tied parameters, and the names under which they are filled.
        left: names of tensors that are not filled: integers, and buffers of a module without rules of their own.
        known: names of buffers that have their values from a manifest, or in memory as those of a module.
    """

    parameters: tuple[Explained, ...]
    ties: Mapping[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """The bytes of all parameters."""
        return sum(parameter.nbytes for parameter in self.parameters)

    @property
    def elements(self) -> int:
        """The elements of all parameters."""
        return sum(math.prod(parameter.shape) for parameter in self.parameters)

    def __iter__(self) -> Iterator[Explained]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def rows(self) -> list[dict[str, str]]:
        """Return the cells of the table, one mapping from column to text for each parameter."""
        return [
            {
                "parameter": printable(p.name),
                "shape": " x ".join(map(str, p.shape)) or "scalar",
                "dtype": p.dtype.name,
                "rule": printable(p.pattern) or "running statistics",
                "distribution": law_text(p.law) if p.law is not None else repr(p.init),
                "fans": f"{p.fans.fan_in}, {p.fans.fan_out}" if p.fans else "",
                "bytes": f"{p.nbytes:,}",
            }
            for p in self.parameters
        ]

    def __str__(self) -> str:
        rows = self.rows()
        columns = list(rows[0]) if rows else []
        lines = [dict(zip(columns, columns, strict=True)), *rows]
        widths = {column: max(len(line[column]) for line in lines) for column in columns}

        def text(line: dict[str, str]) -> str:
            cells = (line[c].rjust(widths[c]) if c == "bytes" else line[c].ljust(widths[c]) for c in columns)
            return "  ".join(cells).rstrip()

        return "\n".join([*map(text, lines), *self.notes()])

    def _repr_html_(self) -> str:
        return table_of(self.rows(), self.notes())

    def notes(self) -> list[str]:
        """Return what is said below the table."""
        many = f"{len(self)} parameter{'s' if len(self) != 1 else ''}"
        return [*self.remarks(), f"{many}, {self.elements:,} elements, {self.nbytes:,} bytes"]

    def remarks(self) -> list[str]:
        """Return what is said of equal units, and of tensors that are not in the table."""
        tied = [f"{printable(name)} is tied to {printable(first)}" for name, first in self.ties.items()]
        left = [f"left out, as not drawn: {', '.join(map(printable, self.left))}"] if self.left else []
        known = [f"with values that are known: {', '.join(map(printable, self.known))}"] if self.known else []
        return [*self._traps(), *tied, *known, *left]

    def _traps(self) -> Iterator[str]:
        """Yield a line for all matrices that have one constant."""
        equal = [parameter for parameter in self.parameters if parameter.equal_units]
        for init in dict.fromkeys(parameter.init for parameter in equal):
            first, *others = [parameter for parameter in equal if parameter.init == init]
            more = f" (and {len(others)} other{'s' if len(others) > 1 else ''})" if others else ""
            yield (
                f"{printable(first.name)}{more}: {first.equal_units:,} equal units, from {init!r}; meant at the end of "
                f"a residual branch and for LoRA's B, a trap elsewhere, as training keeps them equal"
            )


def explain(plan: SeededRules, shapes: Shapes, dtype: DTypeLike | None = None) -> Explanation:
    """Explain a plan; arguments and errors as of `Plan.explain`."""
    tensors, assigned = drawn_by(plan, specs(shapes, dtype))
    explained = []
    for name, (shape, item) in tensors.items():
        if name in tensors.known:
            continue
        stream, rule = assigned.get(name, (None, _COUNTER))
        explained.append(explained_tensor(name, stream, shape, item, rule))
    return Explanation(tuple(explained), tensors.ties, tensors.left, tuple(tensors.known))


def explained_tensor(
    name: str, stream: str | None, shape: tuple[int, ...], item: np.dtype[Any], rule: Rule
) -> Explained:
    """Explain one tensor; `stream` is None where nothing is drawn.

    Raises:
        ValueError: the rule's initializer does not fit it.
    """
    pattern, init, _ = rule
    fans = law = None
    try:
        if isinstance(init, FanScaled):
            fans = init.fans(shape)
        if not isinstance(init, KeepValues):
            law = init.law(shape) if stream is None else Tensor(shape, init, seed=0, stream=stream, dtype=item).law
    except (TypeError, ValueError) as error:
        raise type(error)(f"{shown(name)}, rule {shown(pattern)}: {error}") from error
    return Explained(name, shape, item, pattern, init, law, fans, math.prod(shape) * item.itemsize)


def law_text(law: Law) -> str:
    """Return a law with its numbers in six digits.

    >>> law_text(KaimingNormal().law((3, 600)))
    'Normal(mean=0, std=0.057735)'
    """
    if isinstance(law, Masked):
        mask = law.mask
        if isinstance(mask, Connections):
            return f"{law_text(law.law)}, {mask.kept} of {mask.inputs} along axis {mask.axis}"
        if isinstance(mask, AllButRows):
            return f"{law_text(law.law)}, zero in row {', '.join(map(str, mask.rows))}"
        return f"{law_text(law.law)} on the diagonal"
    values = {one.name: getattr(law, one.name) for one in fields(law)}
    texts = (
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value!r}"
        for name, value in values.items()
        if value is not None
    )
    return f"{type(law).__name__}({', '.join(texts)})"
