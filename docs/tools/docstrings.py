"""Docstrings as Markdown, for the reference of the site: examples fenced, names linked, those of Cython found.

The docstrings stay plain text for `help`: doctests between paragraphs, and names in single backticks.
"""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path
from typing import Any

import griffe

_CYTHON = {"weightfill._bit_generator": Path(__file__).parents[2] / "cpp" / "bindings" / "bit_generator.pyx"}

_DOCTEST = r">>> .*(?:\n *\S.*)*"  # up to the next empty line
_RULE = r"=+(?: +=+)+"  # above and below a table, as the docstring of `gain` has one
_LITERAL = re.compile(rf"^( *)(?:{_DOCTEST}|{_RULE}(?:\n *\S.*)*\n *{_RULE})$", re.MULTILINE)
_NAME = re.compile(r"`([A-Za-z_][\w.]*)`")
_CYTHON_DOCSTRING = re.compile(
    r'^ *(?:cdef class|def) (\w+).*:\n(?: *#.*\n)*( *)"""((?:[^"]|"(?!""))*)"""', re.MULTILINE
)


class Docstrings(griffe.Extension):
    """Prepares the docstrings of a package when all of it is loaded."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Change the docstring of every object of the package."""
        for name, path in _CYTHON.items():
            if name.startswith(f"{pkg.path}."):
                _take_cython_docstrings(pkg[name.removeprefix(f"{pkg.path}.")], path)
        public = {
            module.path: {str(name) for name in module.exports or ()}
            for module in (pkg, *pkg.modules.values())
            if module.exports
        }
        _prepare(pkg, public, pkg.path)


def _take_cython_docstrings(module: griffe.Module, source: Path) -> None:
    """Give the classes of a compiled module, of which the stub says the types, the docstrings of its source."""
    found: dict[str, str] = {}
    for name, indent, text in _CYTHON_DOCSTRING.findall(source.read_text(encoding="utf-8")):
        found.setdefault(name, cleandoc(indent + text.rpartition("\n--\n")[2]))
    for kind in module.classes.values():
        for item in (kind, *kind.members.values()):
            if item.name in found and not item.is_alias:
                item.docstring = griffe.Docstring(found[item.name], parent=item)


def _prepare(item: griffe.Object, public: dict[str, set[str]], package: str) -> None:
    if item.docstring is not None:
        item.docstring.value = _as_markdown(item.docstring.value, item, public, package)
    for parameter in getattr(item, "parameters", ()):
        parameter.default = _shown_default(parameter.default, item.module)
    for member in item.members.values():
        if not member.is_alias:
            _prepare(member, public, package)


def _shown_default(default: Any, module: griffe.Module) -> Any:
    """Return a default as a reader can write it: for a private constant of the module, what it is."""
    name = str(default)
    private = name.startswith("_") and name in module.attributes
    return module.attributes[name].value if private else default


def _as_markdown(text: str, item: griffe.Object, public: dict[str, set[str]], package: str) -> str:
    own = {parameter.name for parameter in getattr(item, "parameters", ())}
    own |= {item.name, *(item.parent.members if item.parent is not None and item.parent.is_class else ())}
    own |= set(item.members) if item.is_class else set()
    rooms = [room for room in sorted(public, key=len, reverse=True) if item.path.startswith(f"{room}.")]

    def linked(name: re.Match[str]) -> str:
        given = name[1].removeprefix("wf.").removeprefix(f"{package}.")
        first, _, rest = given.partition(".")
        if f"{package}.{first}" in public and rest in public[f"{package}.{first}"]:
            return f"[`{name[1]}`][{package}.{given}]"
        if name[1] in own - public[package] or name[1] == item.name:
            return name[0]
        room = next((room for room in rooms if first in public[room]), None)
        return name[0] if room is None or rest else f"[`{name[1]}`][{room}.{given}]"

    pieces, end = [], 0
    for literal in _LITERAL.finditer(text):
        indent = literal[1]
        shown = re.sub(r" *# doctest: .*", "", literal[0])
        fence = f"{indent}```{'pycon' if '>>>' in shown else 'text'}\n{shown}\n{indent}```"
        pieces += [_NAME.sub(linked, text[end : literal.start()]), fence]
        end = literal.end()
    return "".join([*pieces, _NAME.sub(linked, text[end:])])
