"""Plans as TOML documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from inspect import signature
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import cut, shown
from weightfill._initializers.base import Initializer
from weightfill._initializers.fans import Layout
from weightfill._initializers.names import is_named, kind_named
from weightfill._models.rules import Rule
from weightfill._models.seeded_rules import SeededRules

_READ = 'of a file give what is in it: Plan.from_toml(pathlib.Path("plan.toml").read_text())'
_OTHER_WORDS = {  # that are written for these keys
    "match": ("pattern", "glob", "name", "names", "regex", "parameter", "param"),
    "init": ("initializer", "init_fn", "law", "type", "distribution", "kind"),
}


def rules_of(text: str) -> SeededRules:
    """Return the rules and the seed that a TOML document describes; errors as of `Plan.from_toml`."""
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
    rules = [_rule_of(f"rule {number}", table) for number, table in enumerate(tables, 1)]
    with _input("plan"):
        return SeededRules(rules, seed=document.get("seed"))


def _rule_of(where: str, table: dict[str, Any]) -> Rule:
    pattern = table.pop("match", None)
    if not isinstance(pattern, str):
        raise ValueError(
            f"{where} must have match, a pattern of names such as '*.bias', got {_instead('match', pattern, table)}"
        )
    where = f"{where} ({cut(pattern)})"
    optional = table.pop("optional", False)
    if not isinstance(optional, bool):
        raise ValueError(f"{where}: optional must be true or false, got {shown(optional)}")
    return Rule(pattern, _initializer_of(where, table), optional)


def _initializer_of(where: str, table: dict[str, Any]) -> Initializer:
    name = table.pop("init", None)
    if not isinstance(name, str):
        raise ValueError(
            f"{where} must have init, the name of an initializer such as 'Normal', got {_instead('init', name, table)}"
        )
    kind = kind_named(name, f"{where}: init")
    name = kind.__name__
    parameters_of = signature(kind).parameters
    for key in table:
        if not parameters_of:
            raise ValueError(f"{where}: {name} must have no keys but match, init and optional, got {shown(key)}")
        check_choice(key, list(parameters_of), f"{where}: key of {name}")
    for key, parameter in parameters_of.items():
        if parameter.default is parameter.empty and key not in table:
            raise ValueError(f"{where}: {name} must have {key}, got {shown(table) if table else 'no other keys'}")
    parameters = {key: _value_of(f"{where}: {key}", key, value) for key, value in table.items()}
    with _input(where):
        initializer: Initializer = kind(**parameters)
        return initializer


def _instead(key: str, value: object, table: dict[str, Any]) -> str:
    """Return what a table has in place of a key."""
    other = next((word for word in _OTHER_WORDS[key] if word in table), None)
    if value is not None or other is None:
        return shown(value)
    return f"the key {other!r}; did you mean {key!r}?"


def _value_of(where: str, key: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, dict):
        return value
    if key == "of":
        return _initializer_of(where, value)
    if key != "layout":
        raise ValueError(f"{where} must be a number, a string or a list, got {shown(value)}")
    for axis in value:
        check_choice(axis, list(signature(Layout).parameters), f"{where}: key")
    with _input(where):
        axes: dict[str, Any] = {axis: tuple(n) if isinstance(n, list) else n for axis, n in value.items()}
        return Layout(**axes)


@contextmanager
def _input(where: str) -> Iterator[None]:
    """Say where in the document a wrong value stands; a wrong kind is a wrong value of the document."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def toml_of(plan: SeededRules) -> str:
    """Return a plan as a TOML document; errors as of `Plan.to_toml`."""
    document = tomlkit.document()
    if plan.seed is not None:
        document["seed"] = plan.seed
    rules = tomlkit.aot()
    for pattern, init, optional in plan.rules:
        table = tomlkit.table()
        table["match"] = pattern
        if optional:
            table["optional"] = True
        for key, value in _table_of(init).items():
            table[key] = _inline(value)
        rules.append(table)
    document["rule"] = rules
    return tomlkit.dumps(document)


def _inline(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table()
    table.update({key: _inline(inner) for key, inner in value.items()})
    return table


def _table_of(init: Initializer) -> dict[str, Any]:
    name = type(init).__name__
    if not is_named(init):
        raise TypeError(f"init must be one of weightfill's own initializers to be written as TOML, got {shown(init)}")
    return {"init": name, **_fields_of(init)}


def _fields_of(value: Any) -> dict[str, Any]:
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
            content = _table_of(content)
        elif isinstance(content, Layout):
            content = _fields_of(content)
        given[field.name] = list(content) if isinstance(content, tuple) else content
    return given
