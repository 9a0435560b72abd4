"""Parametrized modules: weights that are computed from other parameters, which no law of the weight fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized
from torch.nn.utils.weight_norm import WeightNorm

from weightfill._models.computed import check_own
from weightfill._models.rules import Rule


def check_originals(module: Module, params: Mapping[str, Tensor], rules: Mapping[str, Rule]) -> None:
    """Check that parameters from which a weight is computed have rules that were written for them.

    A rule for weights, such as "*", would draw the magnitude and the direction of `weight_norm` apart, and the weight
    would have a law that nobody asked for. It is right where torch starts from the weight itself, as for
    `spectral_norm`.

    Args:
        module: whose parameters they are.
        params: by the name of their stream.
        rules: of the parameters.

    Raises:
        ValueError: one has no such rule.
    """
    names = {id(param): name for name, param in params.items()}
    for kind, originals in _originals(module):
        for original in originals:
            name = names.get(id(original))
            if name is not None:  # not tied to one that is checked
                check_own(name, rules[name], kind)


def _originals(module: Module) -> Iterator[tuple[str, list[Tensor]]]:
    """Yield parametrizations by name, and the parameters that are not the weight that they start from."""
    for submodule in module.modules():
        for hook in submodule._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm):  # torch's old one
                yield "weight_norm", [getattr(submodule, f"{hook.name}_{letter}") for letter in "gv"]
        if is_parametrized(submodule):
            for chain in submodule.parametrizations.values():
                if not (chain.is_tensor and _starts_from_the_weight(chain)):
                    kinds = ", ".join(type(step).__name__.strip("_") for step in chain)
                    yield kinds, list(chain.parameters(recurse=False))


def _starts_from_the_weight(chain: ParametrizationList) -> bool:
    """Whether the one original is what the weight was: no step has an inverse, or each hands on what it is given."""
    value = torch.empty_like(chain.original, device="meta", requires_grad=False)
    try:
        with torch.no_grad():
            return all(step.right_inverse(value) is value for step in chain if hasattr(step, "right_inverse"))
    except Exception:  # of a user's own step, or on meta
        return False
