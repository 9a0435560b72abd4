"""Plans as TOML documents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import cut, placed, shown
from weightfill._initializers.base import Initializer
from weightfill._initializers.fans import Layout
from weightfill._initializers.names import is_named
from weightfill._initializers.values import Numbers, Values
from weightfill._initializers.written import initializer_of_table, instead_of
from weightfill._models.rules import Rule
from weightfill._models.seeded_rules import SeededRules
from weightfill._models.stored_values import MOST_NUMBERS, large_values, with_stored

_READ = 'of a file give what is in it: Plan.from_toml(pathlib.Path("plan.toml").read_text())'
_OTHER_WORDS = ("pattern", "glob", "name", "names", "regex", "parameter", "param")  # that are written for match


def rules_of(text: str, folder: str | os.PathLike[str] = ".") -> SeededRules:
    """Return the rules and the seed that a TOML document describes; errors as of `Plan.from_toml`."""
    import tomlkit  # here and below, as it takes a while and most plans are not read or written
    from tomlkit.exceptions import TOMLKitError

    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be a path, got {shown(folder)}")
    if not isinstance(text, str):
        way_out = f"; {_READ}" if isinstance(text, os.PathLike) else ""
        raise TypeError(f"text must be a TOML document, got {type(text).__name__}{way_out}")
    if text.lstrip().startswith("{"):
        raise ValueError(f"plan must be a TOML document, got JSON or the like, {shown(text)}; Plan.to_toml writes one")
    if text and not set(text) & set("\n=[#"):
        raise ValueError(f"plan must be a TOML document, got {shown(text)}; {_READ}")
    try:
        document = tomlkit.parse(text).unwrap()
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise ValueError(f"plan must be a TOML document: {cut(str(error))}") from error
    for key in document:
        check_choice(key, ("seed", "rule"), "key of a plan")
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"rule must be an array of tables, [[rule]], got {shown(tables)}")
    rules = [_rule_of(f"rule {number}", table, folder) for number, table in enumerate(tables, 1)]
    with placed("plan"):
        return SeededRules(rules, seed=document.get("seed"))


def _rule_of(where: str, table: dict[str, Any], folder: str | os.PathLike[str]) -> Rule:
    pattern = table.get("match")
    if not isinstance(pattern, str):
        found = instead_of("match", table, _OTHER_WORDS)
        raise ValueError(f"{where} must have match, a pattern of names such as '*.bias', got {found}")
    where = f"{where} ({cut(pattern)})"
    optional = table.get("optional", False)
    if not isinstance(optional, bool):
        raise ValueError(f"{where}: optional must be true or false, got {shown(optional)}")
    rest = {key: value for key, value in table.items() if key not in ("match", "optional")}
    for key in rest:
        meant = get_close_matches(key, ("match", "optional"), 1, 0.8)
        if meant:  # else it is for the initializer to say what is wrong
            raise ValueError(
                f"{where}: key must be match, init, optional or a parameter of the initializer, got {shown(key)}; "
                f"did you mean {meant[0]!r}?"
            )
    with placed(where):
        rest = with_stored(rest, folder)
    return Rule(pattern, initializer_of_table(rest, where), optional)


def toml_of(plan: SeededRules, file: str | None = None) -> str:
    """Return a plan as a TOML document; errors as of `Plan.to_toml`.

    Args:
        plan: whose rules and seed they are.
        file: what has the large Values of the plan, by their names as `large_values` gives them.
    """
    import tomlkit

    large = large_values(plan)
    if large and file is None:
        values, name = next(iter(large.items()))
        raise ValueError(
            f"values must be at most {MOST_NUMBERS:,} numbers for a document, got {values} of the rule {shown(name)}; "
            'let a file beside it have them: plan.to_toml(values="values.safetensors")'
        )
    places = {values: {"init": "Values", "file": file, "tensor": name} for values, name in large.items()}
    document = tomlkit.document()
    if plan.seed is not None:
        document["seed"] = plan.seed
    rules = tomlkit.aot()
    for pattern, init, optional in plan.rules:
        table = tomlkit.table()
        table["match"] = pattern
        if optional:
            table["optional"] = True
        for key, value in _table_of(init, places).items():
            table[key] = _inline(value)
        rules.append(table)
    document["rule"] = rules
    return tomlkit.dumps(document)


def _inline(value: Any) -> Any:
    if isinstance(value, list):
        return [_inline(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    import tomlkit

    table = tomlkit.inline_table()
    table.update({key: _inline(inner) for key, inner in value.items()})
    return table


def _table_of(init: Initializer, places: Mapping[Values, dict[str, Any]]) -> dict[str, Any]:
    if isinstance(init, Values) and init in places:
        return places[init]
    name = type(init).__name__
    if not is_named(init):
        raise TypeError(f"init must be one of weightfill's own initializers to be written as TOML, got {shown(init)}")
    return {"init": name, **_fields_of(init, places)}


def _fields_of(value: Any, places: Mapping[Values, dict[str, Any]]) -> dict[str, Any]:
    """Return the fields that differ from what they are if left out."""
    try:
        default = type(value)()
    except TypeError:  # needs arguments
        default = None
    given = {}
    for field in fields(value):
        content = getattr(value, field.name)
        if content is None or content == getattr(default, field.name, field.default):
            continue
        if isinstance(content, Initializer):
            content = _table_of(content, places)
        elif isinstance(content, tuple) and any(isinstance(one, Initializer) for one in content):
            content = tuple(_table_of(one, places) for one in content)
        elif isinstance(content, Layout):
            content = _fields_of(content, places)
        elif isinstance(content, Numbers):
            content = content.array.tolist()
        given[field.name] = list(content) if isinstance(content, tuple) else content
    return given
