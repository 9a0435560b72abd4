"""Initializers as people write them: a text in Python, a table of a plan in TOML, options of the command line."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

from weightfill._arguments.messages import placed, shown
from weightfill._initializers.fans import Layout
from weightfill._initializers.names import kind_named

_LONGEST = 1000  # characters of a call; what is within brackets cannot then be nested too deep for Python's parser
_OTHER_WORDS = ("initializer", "init_fn", "law", "type", "distribution", "kind")  # that are written for init


def initializer_of(text: str, parameters: Mapping[str, Any], argument: str = "init") -> Any:
    """Return the initializer that a text describes, with the parameters that are written beside it.

    Args:
        text: a name; or a call such as 'KaimingNormal(mode="fan_out")', which has its parameters within. Of Python only
            this is understood: calls of the known names, numbers, strings, True, False, None, inf, tuples and lists.
        parameters: values by name, also as documents have them: a list for a tuple, a table for a Layout, and a table
            with `init` for an initializer.
        argument: what messages call the text.

    >>> initializer_of("kaiming_normal", {"mode": "fan_out"})
    KaimingNormal(gain=1.4142135623730951, mode='fan_out', truncated=False)

    Raises:
        TypeError: a parameter has a wrong type, is missing or is unknown.
        ValueError: the text is no name or call, the name is unknown, or a parameter has a wrong value.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"{argument} must have at most {_LONGEST:,} characters, got {len(text):,}")
    name, bracket, rest = text.strip().partition("(")
    kind = kind_named(name, argument)
    if not bracket:
        return kind(**{key: _from_table(key, value) for key, value in parameters.items()})
    if parameters:
        key, value = next(iter(parameters.items()))
        raise ValueError(f"{key} must be left out beside {argument} {shown(text)}, got {shown(value)}; write it within")
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise SyntaxError
        arguments, options = _arguments_of(call, argument)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(
            f"{argument} must be a name or a call such as 'KaimingNormal(mode=\"fan_out\")', got {shown(text)}"
        ) from None
    return kind(*arguments, **options)


def initializer_of_table(table: Mapping[str, Any], where: str) -> Any:
    """Return the initializer that a table of a document describes: its name is `init`, all else are parameters.

    Raises:
        ValueError: there is no `init`, or it and its parameters describe no initializer; the message says where.
    """
    text = table.get("init")
    if not isinstance(text, str):
        found = instead_of("init", table, _OTHER_WORDS)
        raise ValueError(f"{where} must have init, the name of an initializer such as 'Normal', got {found}")
    with placed(where):
        return initializer_of(text, {key: value for key, value in table.items() if key != "init"})


def instead_of(key: str, table: Mapping[str, Any], other_words: tuple[str, ...]) -> str:
    """Return, for a message, what a table has in place of a key: a value of a wrong type, or another word."""
    other = next((word for word in other_words if word in table), None)
    if key in table or other is None:
        return shown(table.get(key))
    return f"the key {other!r}; did you mean {key!r}?"


def _from_table(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_table(key, one) for one in value) if key == "of" else tuple(value)
    if isinstance(value, dict) and key == "of":
        return initializer_of_table(value, key)
    if isinstance(value, dict) and key == "layout":
        with placed(key):
            return Layout(**{axis: _from_table(axis, number) for axis, number in value.items()})
    return value


def _arguments_of(call: ast.Call, argument: str) -> tuple[list[Any], dict[str, Any]]:
    if any(option.arg is None for option in call.keywords):
        raise SyntaxError
    options = {str(option.arg): _value_of(option.value, argument) for option in call.keywords}
    return [_value_of(value, argument) for value in call.args], options


def _value_of(node: ast.expr, argument: str) -> Any:
    match node:
        case ast.Constant(bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(ast.USub(), operand) if not isinstance(operand, ast.UnaryOp):
            value = _value_of(operand, argument)
            if isinstance(value, int | float):
                return -value
        case ast.Name("inf"):
            return math.inf
        case ast.Name(name) | ast.Attribute(ast.Name("wf" | "weightfill"), name):
            return kind_named(name, argument)()
        case ast.Tuple(elements) | ast.List(elements):
            return tuple(_value_of(element, argument) for element in elements)
        case ast.Call(ast.Name(name) | ast.Attribute(ast.Name("wf" | "weightfill"), name)):
            kind = Layout if name == "Layout" else kind_named(name, argument)
            arguments, options = _arguments_of(node, argument)
            return kind(*arguments, **options)
    raise SyntaxError
