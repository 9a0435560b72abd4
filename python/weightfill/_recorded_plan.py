"""Plans of what was recorded of a model's own initialization, in whichever framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weightfill._arguments.messages import shown
from weightfill._initializers.base import Initializer
from weightfill._models.gathered import gathered, literal
from weightfill._models.rules import Rule
from weightfill._plan import Plan

_SHOWN = 5  # parameters in a message


def plan_of(given: Sequence[Rule], inits: Mapping[str, Initializer], seed: int) -> Plan:
    """Return the plan of the user's rules and of initializers by name, having asked it for each name.

    Raises:
        ValueError: a given rule takes a name that has an initializer.
    """
    for rules in (gathered(inits), [Rule(literal(name), init) for name, init in inits.items()]):
        plan = Plan([*given, *rules], seed=seed)
        if all(plan.rule(name).init == init for name, init in inits.items()):
            return plan
    raise ValueError("rules must have patterns of their own, got one that takes names of recorded parameters")


def reasons(refused: Mapping[str, str]) -> str:
    """Return the first parameters that no plan says, each with its reason, for a message."""
    listed = ", ".join(f"{shown(name)}, {why}" for name, why in list(refused.items())[:_SHOWN])
    return f"{listed}, and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else listed
