"""The rules of a plan: which one the parameter of a name gets."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from weightfill._arguments.messages import listed, shown
from weightfill._arguments.utf8 import check_utf8
from weightfill._initializers.base import Initializer, InitializerLike, as_initializer
from weightfill._initializers.laws import Ones, Zeros

Rules: TypeAlias = Mapping[str, InitializerLike] | Iterable["tuple[str, InitializerLike] | Rule"]


class Rule(NamedTuple):
    """A rule of a plan: a pattern, and the initializer of the parameters whose names match it.

    A rule that matches no parameter is an error, unless it is optional, as in a plan for several models. `Plan` checks
    the values, not Rule.

    Attributes:
        pattern: the pattern, such as "*.bias"; see `Plan`.
        init: an initializer, or its name or call as a string.
        optional: whether the rule may match no parameter.

    >>> plan = Plan([Rule("*norm*", Ones(), optional=True), ("*", Normal(std=0.02))], seed=42)
    >>> plan.assign(["fc.weight"])["fc.weight"].init
    Normal(mean=0.0, std=0.02)
    """

    pattern: str
    init: Initializer
    optional: bool = False


# What running statistics of norms are before the first batch, by the last part of their names.
STATISTICS = {"running_mean": 0, "running_var": 1}
COUNTER = "num_batches_tracked"  # of batches that a norm has seen, 0 at first
_RESET = {kind: Rule("", Ones() if value else Zeros()) for kind, value in STATISTICS.items()}
INTEGERS = "iub"  # kinds of NumPy's dtypes
_FEW = 64  # rules
_PLAIN = re.compile(r"[^*?[]*")


class _Group(NamedTuple):
    """One expression for several rules, and the rule of its last group."""

    expression: re.Pattern[str]
    rules: dict[int, int]


def _group(rules: Sequence[Rule], numbers: Iterable[int]) -> _Group:
    text, rule_of_group, groups = [], {}, 0
    for number in numbers:
        one = f"(?:{fnmatch.translate(rules[number].pattern)})()"  # the empty group is the last to match
        groups += re.compile(one).groups if "(?P<" in one else 1
        rule_of_group[groups] = number
        text.append(one)
    return _Group(re.compile("|".join(text)), rule_of_group)


class RuleList:
    """Rules in their order: the first whose pattern matches a name counts.

    Running statistics of norms, `running_mean` and `running_var` beside each other, are no parameters: they are
    zeros and ones unless there is a rule for them that no parameter has.

    Args:
        rules: a mapping from patterns to initializers, or pairs of these, or Rules.

    Raises:
        TypeError: a pattern is not a string, or an initializer is none.
        ValueError: there is no rule, a pattern is empty or stands twice.
    """

    def __init__(self, rules: Rules) -> None:
        if isinstance(rules, str | bytes | Initializer | Rule) or not isinstance(rules, Iterable):
            raise TypeError(
                f"rules must be a mapping or pairs (pattern, initializer), got {shown(rules)}; "
                'for one initializer for all write {"*": initializer}'
            )
        self.rules = tuple(map(_checked_rule, rules.items() if isinstance(rules, Mapping) else rules))
        if not self.rules:
            raise ValueError("rules must have at least one rule, got none")
        seen: set[str] = set()
        for pattern, _, _ in self.rules:
            if pattern in seen:
                raise ValueError(f"rules must have every pattern once, got {shown(pattern)} twice")
            seen.add(pattern)
        self.all = (*self.rules, *_RESET.values())  # what numbers of rules stand for

    @cached_property
    def _exact(self) -> dict[str, int]:
        """The rules whose patterns are names."""
        return {rule.pattern: number for number, rule in enumerate(self.rules) if _PLAIN.fullmatch(rule.pattern)}

    @cached_property
    def _groups(self) -> list[tuple[int, dict[str, _Group]]]:
        """All other rules, in groups by the text that their patterns begin with, and these by its length.

        A name is looked up by its first characters, so that thousands of rules take no longer than a few. A few are
        one group, as one expression is the fastest then.
        """
        members: dict[str, list[int]] = {}
        others = [number for number, rule in enumerate(self.rules) if rule.pattern not in self._exact]
        for number in others:
            head = _PLAIN.match(self.rules[number].pattern)
            assert head is not None
            members.setdefault(head[0] if len(others) > _FEW else "", []).append(number)
        lengths: dict[int, dict[str, _Group]] = {}
        for start, numbers in members.items():
            lengths.setdefault(len(start), {})[start] = _group(self.rules, numbers)
        return list(lengths.items())

    def find(self, name: str) -> int | None:
        """Return the number of the rule whose pattern matches a name first, None if there is none."""
        numbers = [self._exact[name]] if name in self._exact else []
        for length, groups in self._groups:
            group = groups.get(name[:length])
            if group is not None and (match := group.expression.match(name)) is not None:
                numbers.append(group.rules[match.lastindex or 0])
        return min(numbers, default=None)

    def number(self, name: str) -> int:
        """Return the number of the rule of a name.

        Raises:
            TypeError: it is not a string.
            ValueError: no rule matches it, or it cannot be written in UTF-8.
        """
        if not isinstance(name, str):
            raise TypeError(f"params must have strings for names, got {shown(name)}")
        number = self.find(name)
        if number is None:
            raise ValueError(
                f"params must all match a rule, got {shown(name)}, which matches none of "
                f"{listed(rule.pattern for rule in self.rules)}; "
                'add a rule for it, or "*" at the end for all others'
            )
        check_utf8(name, "params", "have names that can be written in UTF-8")
        return number

    def numbers(self, names: Sequence[str]) -> list[int]:
        """Return the number of the rule in `all` of every parameter of a model, by stream.

        Raises:
            TypeError: a name is not a string.
            ValueError: a parameter has no rule, or a rule that is not optional has no parameter.
        """
        statistics = statistics_among(names)
        if not statistics:
            numbers = self._numbers(names)
        else:
            params = [name for name in names if name not in statistics]
            number_of = dict(zip(params, self._numbers(params), strict=True))
            taken = set(number_of.values())
            for name, kind in statistics.items():
                own = self.find(name)
                reset = self.all.index(_RESET[kind], len(self.rules))
                number_of[name] = reset if own is None or own in taken else own
            numbers = [number_of[name] for name in names]
        self._check_used(set(numbers), names)
        return numbers

    def check_used(self, names: Sequence[str]) -> None:
        """Check that every rule that is not optional is the first for one of these names.

        Raises:
            ValueError: a rule is not.
        """
        self._check_used({number for number in map(self.find, names) if number is not None}, names)

    def left(self, params: Sequence[str], buffers: Sequence[str], known: Container[str] = ()) -> set[str]:
        """Return the buffers that no rule is for, as one that parameters have is not, and that are no statistics.

        Statistics whose values are `known` are buffers like others.
        """
        taken = set(map(self.find, params))
        statistics = statistics_among([name for name in (*params, *buffers) if name not in known])
        found = {name: self.find(name) for name in buffers if name not in statistics}
        return {name for name, number in found.items() if number is None or number in taken}

    def _numbers(self, names: Sequence[str]) -> list[int]:
        try:
            "".join(names).encode()
            if not self._exact and len(self._groups) == 1 and "" in self._groups[0][1]:
                expression, rules = self._groups[0][1][""]
                # No match is None, which has no lastindex: caught below, in place of a question for each name.
                return [rules[match.lastindex] for match in map(expression.match, names)]  # type: ignore[union-attr, index]
            found = [self.find(name) for name in names]
        except (TypeError, AttributeError, UnicodeEncodeError):
            found = [None]
        if None in found:
            return [self.number(name) for name in names]  # which says what is wrong
        return found  # type: ignore[return-value]  # no None is in it, which mypy does not see

    def _check_used(self, used: set[int], names: Sequence[str]) -> None:
        for number, rule in enumerate(self.rules):
            if number in used or rule.optional:
                continue
            expression = re.compile(fnmatch.translate(rule.pattern))
            taken = next((name for name in names if expression.match(name)), None)
            if taken is None:
                raise ValueError(
                    f"rules must all match a parameter, got {shown(rule.pattern)}, which matches none; "
                    "remove or correct it, or make it optional: Rule(pattern, init, optional=True), in TOML "
                    "optional = true"
                )
            raise ValueError(
                f"rules must all be the first for a parameter, got {shown(rule.pattern)}: an earlier rule, "
                f"{shown(self.all[self.number(taken)].pattern)}, takes {shown(taken)} and all others that match it; "
                "move it up"
            )


def is_counter(name: str, dtype: np.dtype[Any] | None) -> bool:
    """Whether a tensor of integers counts the batches that a norm has seen, which are none at first."""
    return name.endswith(COUNTER) and name.rpartition(".")[2] == COUNTER and getattr(dtype, "kind", "") in INTEGERS


def may_have_counters(names: Iterable[str]) -> bool:
    """Whether there may be counters of batches, by one look, as most models have none."""
    return COUNTER in " ".join(names)


def statistics_among(names: Sequence[str]) -> dict[str, str]:
    """Return the names of running statistics, and what they are of."""
    try:
        if "running_var" not in " ".join(names):  # one look, as most models have none
            return {}
    except TypeError:  # not all are names, which is said elsewhere
        return {}
    given, found = set(names), {}
    for name in names:
        owner, dot, kind = name.rpartition(".")
        if kind in STATISTICS and all(owner + dot + other in given for other in STATISTICS):
            found[name] = kind
    return found


def _checked_rule(given: Any) -> Rule:
    if isinstance(given, Rule):
        pattern, init, optional = given
    elif isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2:
        (pattern, init), optional = given, False
    else:
        raise TypeError(f"rules must be a mapping or pairs (pattern, initializer), got {shown(given)}")
    if not isinstance(pattern, str):
        raise TypeError(f"pattern must be a string, got {shown(pattern)}")
    check_utf8(pattern, "pattern")
    if not pattern:
        raise ValueError("pattern must not be empty, got ''; '*' matches every name")
    if not isinstance(optional, bool):
        raise TypeError(f"optional must be True or False, got {shown(optional)}")
    return Rule(pattern, as_initializer(init), optional)
