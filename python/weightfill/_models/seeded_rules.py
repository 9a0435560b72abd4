"""Rules with the seed of a model: what a plan is made of."""

from __future__ import annotations

from collections.abc import Container, Sequence

from weightfill._arguments.streams import checked_seed
from weightfill._models.computed import check_names
from weightfill._models.rules import Rule, RuleList, Rules
from weightfill._models.wrappers import streams_of


class SeededRules:
    """Rules in their order and the seed of a whole model; `Plan` says what both are, and does things with them."""

    def __init__(self, rules: Rules, *, seed: int | None = None) -> None:
        self._list = RuleList(rules)
        random = next((rule.init for rule in self.rules if rule.init.random), None)
        self._seed = seed if seed is None and random is None else checked_seed(seed, random or self.rules[0].init)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in their order."""
        return self._list.rules

    @property
    def seed(self) -> int | None:
        """The seed; None if it was not passed, because all initializers are constant."""
        return self._seed

    def _rule(self, name: str) -> Rule:
        """Return the rule of a name; errors as of `RuleList.number`."""
        return self._list.all[self._list.number(name)]

    def _assigned(self, names: Sequence[str]) -> dict[str, tuple[str, Rule]]:
        """Return stream and rule of every parameter; errors as of `assign`."""
        streams = streams_of(names)
        rules = map(self._list.all.__getitem__, self._list.numbers(streams))
        check_names(streams, self._rule)
        return dict(zip(names, zip(streams, rules, strict=True), strict=True))

    def _left(self, params: Sequence[str], buffers: Sequence[str], known: Container[str] = ()) -> set[str]:
        """Return the buffers that no rule is for, by stream; arguments as of `RuleList.left`."""
        return self._list.left(params, buffers, known)

    def _rules_of(self, streams: Sequence[str]) -> dict[str, Rule]:
        """Return the rule of every parameter, by stream; errors as of `assign`."""
        return dict(zip(streams, map(self._list.all.__getitem__, self._list.numbers(streams)), strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SeededRules):
            return NotImplemented
        return self.rules == other.rules and self._seed == other._seed

    def __hash__(self) -> int:
        return hash((self.rules, self._seed))
