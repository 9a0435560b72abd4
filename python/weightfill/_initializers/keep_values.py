"""KeepValues: parameters that a plan leaves as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from weightfill._initializers.base import Initializer, Law, Shape
from weightfill._initializers.names import named


@named()
@dataclass(frozen=True, slots=True)
class KeepValues(Initializer):
    """Leaves the values of a parameter as they are, of whatever dtype and on whatever device. Needs no seed.

    For the rules of a plan: new adapters on a model whose weights were loaded, a new head, one layer drawn again.
    `Plan.fill` and `weightfill.torch.initialize` do not touch these parameters, `explain` shows them, and `verify` and
    `verify_checkpoint` do not compare them. There are no values to write, to materialize or to make otherwise.

    >>> plan = Plan({"*lora_A*": KaimingUniform(), "*lora_B*": Zeros(), "*": KeepValues()}, seed=42)
    >>> params = {name: create((2, 3), Constant(7)) for name in ("fc.weight", "fc.lora_A.weight", "fc.lora_B.weight")}
    >>> plan.fill(params)["fc.weight"]
    array([[7., 7., 7.],
           [7., 7., 7.]], dtype=float32)

    Raises:
        ValueError: when it is used for anything but to leave a parameter as it is.
    """

    random: ClassVar[bool] = False

    def law(self, shape: Shape) -> Law:
        """Raise ValueError, as it makes no values."""
        raise ValueError(
            "init must be one that makes values, got KeepValues(), which leaves those that are there; let Plan.fill or "
            "weightfill.torch.initialize fill the other parameters in memory, or give this one another rule"
        )
