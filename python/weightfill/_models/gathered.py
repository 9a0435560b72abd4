"""Initializers by name gathered into few rules with patterns, which give back exactly the same."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from weightfill._initializers.base import Initializer
from weightfill._models.rules import Rule

_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")  # a whole part of a name
_STEMS = (re.compile(r"([A-Za-z]{2,})[^A-Za-z]"), re.compile(r".*?([Nn]orm)"))  # of parts such as ln_1, input_layernorm
_SPECIAL = re.compile(r"[*?[]")
_LAST = 3  # initializers that are tried for the last rule


def gathered(inits: Mapping[str, Initializer]) -> list[Rule]:
    """Return rules by which each name gets its initializer, as few as a simple search finds.

    The search takes again and again the pattern that covers the most names without a rule, of the patterns that match
    names of one initializer alone: endings such as "*.bias" and "*norm*.weight", names with the numbers of layers left
    open or with one number, "*", and single names. It is done again with each of the most common initializers kept for
    a last rule "*", and the fewest rules are taken.

    >>> from weightfill import Normal, Ones, Zeros
    >>> normal = Normal(std=0.02)
    >>> inits = {"0.fc.weight": normal, "0.fc.bias": Zeros(), "0.norm.weight": Ones(), "1.weight": normal}
    >>> for rule in gathered(inits):
    ...     print(rule.pattern, rule.init)
    *.bias Zeros()
    *.norm.weight Ones()
    * Normal(mean=0.0, std=0.02)
    """
    groups = _groups(inits)
    members: dict[str, list[str]] = {}
    for name, names in groups.items():
        for pattern in _patterns(name, alone=len(names) == 1):
            if pattern not in members:
                matches = re.compile(fnmatch.translate(pattern)).match
                members[pattern] = [other for other in groups if matches(other)]
    members |= _with_numbers(inits, groups)
    common = Counter(inits.values()).most_common(_LAST)
    return min((_search(inits, groups, members, last) for last in (None, *(init for init, _ in common))), key=len)


def _search(
    inits: Mapping[str, Initializer],
    groups: Mapping[str, list[str]],
    members: Mapping[str, list[str]],
    last: Initializer | None,
) -> list[Rule]:
    """Return rules for groups of names, of which `members` match a pattern; one initializer may be kept for the end."""
    matching: dict[str, list[str]] = {name: [] for name in groups}
    open_sizes: dict[str, Counter[Initializer]] = {}  # by pattern
    for pattern, names in members.items():
        open_sizes[pattern] = Counter()
        for name in names:
            matching[name].append(pattern)
            open_sizes[pattern][inits[name]] += len(groups[name])
    rules, left = list[Rule](), dict.fromkeys(groups)
    while left:
        rest = {inits[name] for name in left}
        if rest == {last}:
            return [*rules, *(Rule("*", init) for init in rest)]
        pure = [pattern for pattern, found in open_sizes.items() if len(found) == 1 and last not in found]
        if pure:
            best = max(pure, key=lambda pattern: (open_sizes[pattern].total(), *_simple(pattern)))
            rules.append(Rule(best, next(iter(open_sizes[best]))))
            covered = [name for name in members[best] if name in left]
        else:
            covered = [next(name for name in left if inits[name] != last)]
            rules.extend(Rule(literal(name), inits[name]) for name in groups[covered[0]])
        for name in covered:
            del left[name]
            for pattern in matching[name]:
                found = open_sizes[pattern]
                found[inits[name]] -= len(groups[name])
                if not found[inits[name]]:
                    del found[inits[name]]
    return rules


def _with_numbers(inits: Mapping[str, Initializer], groups: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return patterns that keep a number of some names that stand alone, and of which groups they match the names.

    They are those that several such names have, all of one initializer.
    """
    found: dict[str, list[Initializer]] = {}
    for name, names in groups.items():
        if len(names) == 1:
            for pattern in _keeping_a_number(name):
                found.setdefault(pattern, []).append(inits[name])
    members = {}
    for pattern, initializers in found.items():
        if len(initializers) > 1 and len(set(initializers)) == 1:
            matches = re.compile(fnmatch.translate(pattern)).match
            matched = {group: sum(matches(name) is not None for name in names) for group, names in groups.items()}
            if all(count in (0, len(groups[group])) for group, count in matched.items()):
                members[pattern] = [group for group, count in matched.items() if count]
    return members


def _keeping_a_number(name: str) -> set[str]:
    """Return patterns that match a name and others with the same number somewhere."""
    parts = [literal(part) for part in name.split(".")]
    patterns = set()
    for place, part in enumerate(parts):
        if part.isdecimal():
            before, after = parts[: place + 1], ["*" if one.isdecimal() else one for one in parts[place + 1 :]]
            patterns.add(".".join(["*", *parts[max(place - 1, 0) :]]))
            patterns.add(".".join([*before, "*", parts[-1]]))
            patterns.add(".".join([*before, *after]))
    return patterns


def literal(name: str) -> str:
    """Return the pattern that matches this name alone."""
    return _SPECIAL.sub(lambda found: f"[{found[0]}]", name)


def _simple(pattern: str) -> tuple[int, int, str]:
    """Return how simple a pattern is to read, for comparing."""
    cost = 3 if pattern == "*" else pattern.count("*") + 2 * len(_NUMBER.findall(pattern))
    return -cost, -len(pattern), pattern


def _groups(inits: Mapping[str, Initializer]) -> dict[str, list[str]]:
    """Return names that differ only in numbers together, by one of them, if they have one initializer."""
    alike: dict[str, list[str]] = {}
    for name in inits:
        alike.setdefault(_NUMBER.sub("0", name), []).append(name)
    groups: dict[str, list[str]] = {}
    for names in alike.values():
        if len({inits[name] for name in names}) == 1:
            groups[names[0]] = names
        else:
            groups.update((name, [name]) for name in names)
    return groups


def _patterns(name: str, *, alone: bool) -> Iterator[str]:
    """Yield patterns that match a name and all that differ from it in numbers alone; if alone, itself."""
    yield "*"
    if alone:
        yield literal(name)
    parts = name.split(".")
    for count in range(1, len(parts)):
        yield "*." + ".".join("*" if part.isdecimal() else literal(part) for part in parts[-count:])
    for count in range(2, len(parts) + 1):
        rest = ".".join("*" if part.isdecimal() else literal(part) for part in parts[-count + 1 :])
        for stem in filter(None, (expression.match(parts[-count]) for expression in _STEMS)):
            yield f"*{stem[1]}*.{rest}"
    if any(part.isdecimal() for part in parts):
        yield ".".join("*" if part.isdecimal() else literal(part) for part in parts)
