"""The names of initializers: which class a name means, in any spelling."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TypeVar

from weightfill._arguments.choices import nearest, plain
from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained_constructor
from weightfill._initializers import ROOMS
from weightfill._run.float_mode import in_float_mode

_KINDS: dict[str, type] = {}  # by the plain forms of their names: those of the rooms that are imported
_NAMES: dict[str, str] = {}

Kind = TypeVar("Kind")
_import = in_float_mode(import_module)  # modules compute constants


def named(*others: str, pair: bool = False) -> Callable[[type[Kind]], type[Kind]]:
    """Return a decorator: the class can be written as text, and its constructor explains wrong arguments.

    Args:
        others: names besides the class's own.
        pair: whether its first two parameters are given by name or together; see `paired`.
    """

    def keep(kind: type[Kind]) -> type[Kind]:
        for name in (kind.__name__, *others):
            _KINDS[plain(name)] = kind
            _NAMES[plain(name)] = kind.__name__
        return explained_constructor(kind, pair=pair)

    return keep


def kind_named(name: str, argument: str) -> type:
    """Return the class of this name; case, `_`, `-` and the package's name before it do not matter.

    So the names of torch and Keras are taken, too.

    Raises:
        ValueError: there is none; the message has the nearest names.
    """
    known = plain(name.strip().removeprefix("wf.").removeprefix("weightfill."))
    if known not in _KINDS:
        import_all()
    kind = _KINDS.get(known)
    if kind is None:
        near = nearest(name, _NAMES) or f"; these are {', '.join(sorted(set(_NAMES.values())))}"
        raise ValueError(f"{argument} must be the name of an initializer, got {shown(name)}{near}")
    _import(kind.__module__)  # another thread may still be at it: the class is known before what its methods call
    return kind


def attribute_meant(name: str, public: Iterable[str]) -> str:
    """Return the end of a message about an unknown attribute of the package.

    >>> attribute_meant("kaiming_normal_", [])
    '; did you mean weightfill.KaimingNormal or weightfill.torch.kaiming_normal_?'
    """
    if name.startswith("__"):  # of Python itself
        return ""
    import_all()
    kind = _NAMES.get(plain(name))
    if kind is None:
        return nearest(name, {plain(known): f"weightfill.{known}" for known in public})
    torch = f" or weightfill.torch.{name}" if name.endswith("_") else ""
    return f"; did you mean weightfill.{kind}{torch}?"


def is_named(init: object) -> bool:
    """Whether an object is of one of the named classes itself, not of a class made from it."""
    return _KINDS.get(plain(type(init).__name__)) is type(init)


def import_all() -> None:
    """Import all rooms, so that all classes and their names are known."""
    for room in ROOMS:
        _import(f"weightfill._initializers.{room}")
