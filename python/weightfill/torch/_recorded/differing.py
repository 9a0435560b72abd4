"""Where a plan differs from what a model was recorded to do."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from weightfill._arguments.messages import shown
from weightfill._initializers.base import Initializer
from weightfill._initializers.keep_values import KeepValues
from weightfill._plan import Plan
from weightfill._tensor import Tensor as DefinedTensor
from weightfill.torch._recorded.contents import Unsayable
from weightfill.torch._views import numpy_dtype


def check_same(said: Mapping[str, Initializer | Unsayable], tensors: Mapping[str, Tensor], plan: Plan) -> None:
    """Raise ValueError if a plan has another distribution for a tensor; the message names the first.

    Args:
        said: what was recorded of each tensor; what no initializer says is not compared.
        tensors: the tensors, by the same names.
        plan: whose rules are asked for each name.
    """
    rules = plan._rules_of(list(said))
    for name, init in said.items():
        rule = rules[name]
        if isinstance(init, Unsayable) or isinstance(rule.init, KeepValues):
            continue
        if not _same(name, tensors[name], init, rule.init):
            raise ValueError(
                f"plan must have the module's own initialization, got {rule.init} for {shown(name)}, by the rule "
                f"{shown(rule.pattern)}, and the module has {init}; record it again for this version of the module"
            )


def _same(name: str, tensor: Tensor, one: Initializer, other: Initializer) -> bool:
    if one == other:
        return True
    shape, dtype = tuple(tensor.shape), numpy_dtype(tensor.dtype)
    assert dtype is not None  # as of all that an initializer was found for
    try:
        laws = [DefinedTensor(shape, init, seed=0, stream=name, dtype=dtype).law for init in (one, other)]
    except (TypeError, ValueError):  # one of them is none for this tensor
        return False
    return laws[0] is not None and laws[0] == laws[1]
