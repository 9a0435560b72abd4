"""Initializers by name: what a string in Python, a plan in TOML and the command line mean."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from weightfill._arguments.choices import nearest, plain
from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained, paired
from weightfill._initializers.fans import Layout

_LONGEST = 1000  # characters of a call; what is within brackets cannot then be nested too deep for Python's parser
_KINDS: dict[str, type] = {}  # by the plain forms of their names
_NAMES: dict[str, str] = {}

Kind = TypeVar("Kind")


def named(*others: str, pair: bool = False) -> Callable[[type[Kind]], type[Kind]]:
    """Return a decorator: the class can be written as text, and its constructor explains wrong arguments.

    Args:
        others: names besides the class's own.
        pair: whether its first two parameters are given by name or together; see `paired`.
    """

    def keep(kind: type[Kind]) -> type[Kind]:
        constructor = explained(kind.__init__)
        setattr(kind, "__init__", paired(constructor) if pair else constructor)  # noqa: B010, as mypy allows no other
        for name in (kind.__name__, *others):
            _KINDS[plain(name)] = kind
            _NAMES[plain(name)] = kind.__name__
        return kind

    return keep


def kind_named(name: str, argument: str) -> type:
    """Return the class of this name; case, `_` and `-` do not matter, so torch's and Keras' names are taken.

    Raises:
        ValueError: there is none; the message has the nearest names.
    """
    kind = _KINDS.get(plain(name))
    if kind is None:
        near = nearest(name, _NAMES) or f"; these are {', '.join(sorted(set(_NAMES.values())))}"
        raise ValueError(f"{argument} must be the name of an initializer, got {shown(name)}{near}")
    return kind


def attribute_meant(name: str, public: Iterable[str]) -> str:
    """Return the end of a message about an unknown attribute of the package.

    >>> attribute_meant("kaiming_normal_", [])
    '; did you mean weightfill.KaimingNormal or weightfill.torch.kaiming_normal_?'
    """
    if name.startswith("__"):  # of Python itself
        return ""
    kind = _NAMES.get(plain(name))
    if kind is None:
        return nearest(name, {plain(known): f"weightfill.{known}" for known in public})
    torch = f" or weightfill.torch.{name}" if name.endswith("_") else ""
    return f"; did you mean weightfill.{kind}{torch}?"


def is_named(init: object) -> bool:
    """Whether an object is of one of the named classes itself, not of a class made from it."""
    return _KINDS.get(plain(type(init).__name__)) is type(init)


def made_of(text: str, argument: str) -> Any:
    """Return the initializer that a text describes: a name, or a call such as 'KaimingNormal(mode="fan_out")'.

    A name alone stands for the initializer with nothing given. Of Python only this is understood: calls of the known
    names, numbers, strings, True, False, None, inf, tuples and lists.

    Raises:
        TypeError: a parameter has a wrong type, is missing or is unknown.
        ValueError: the text is not such a call, the name is unknown, or a parameter has a wrong value.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"{argument} must have at most {_LONGEST:,} characters, got {len(text):,}")
    name, bracket, rest = text.strip().partition("(")
    kind = kind_named(name.removeprefix("wf.").removeprefix("weightfill."), argument)
    if not bracket:
        return kind()
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
        case ast.Name(name):
            return kind_named(name, argument)()
        case ast.Tuple(elements) | ast.List(elements):
            return tuple(_value_of(element, argument) for element in elements)
        case ast.Call(ast.Name(name)):
            kind = Layout if name == "Layout" else kind_named(name, argument)
            arguments, options = _arguments_of(node, argument)
            return kind(*arguments, **options)
    raise SyntaxError
