"""Parameters from which torch's modules compute a weight, and rules that were written for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from weightfill._arguments.messages import shown
from weightfill._initializers.keep_values import KeepValues
from weightfill._models.rules import Rule

# Of a parametrization with several originals, and of torch's old weight_norm.
_NAMES = re.compile(r"(?:^|\.)(?:parametrizations\.[^.]+\.original\d+|weight\w*_([gv]))$")


def check_own(name: str, rule: Rule, kind: str) -> None:
    """Raise ValueError unless the pattern of a rule says that it was written for what a weight is computed from."""
    pattern = rule.pattern
    if isinstance(rule.init, KeepValues):
        return
    if "original" in pattern or "parametrizations" in pattern or pattern.endswith(("_g", "_v", "_[gv]")):
        return
    own = "*." + name.rpartition(".")[2]
    raise ValueError(
        f"params[{shown(name)}] must have a rule of its own, as {kind} computes a weight from it, got "
        f"{shown(pattern)}; add one such as {shown(own)}, or parametrize the module afterwards"
    )


def check_names(streams: Iterable[str], rule_of: Callable[[str], Rule]) -> None:
    """Check, where names alone are known, that a weight's magnitude and direction are not drawn by a rule for weights.

    Args:
        streams: of all parameters of a model.
        rule_of: the rule of a stream.

    Raises:
        ValueError: a name is that of one of several originals, or of a magnitude beside its direction, and its rule was
            not written for it.
    """
    names = list(streams)
    every = " ".join([*names, ""])  # in which one look is enough, as most models have none
    if ".original" not in every and "_g " not in every:
        return
    found = {name: match for name in names if (match := _NAMES.search(name))}
    for name, match in found.items():
        letter = match[1]
        if letter is None:
            check_own(name, rule_of(name), "a parametrization")
        elif name[:-1] + ("v" if letter == "g" else "g") in found:
            check_own(name, rule_of(name), "weight_norm")
