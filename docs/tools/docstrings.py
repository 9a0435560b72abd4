"""Docstrings as Markdown, for the reference of the site: examples fenced, names linked, those of Cython found.

The docstrings stay plain text for `help`: doctests between paragraphs, and names in single backticks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path
from typing import Any

import griffe

_CYTHON = {"weightfill._bit_generator": Path(__file__).parents[2] / "cpp" / "bindings" / "bit_generator.pyx"}

_DOCTEST = r">>> .*(?:\n *\S.*)*"  # up to the next empty line
_RULE = r"=+(?: +=+)+"  # above and below a table, as the docstring of `gain` has one
_LITERAL = re.compile(rf"^( *)(?:{_DOCTEST}|{_RULE}(?:\n *\S.*)*\n *{_RULE})$", re.MULTILINE)
_ASTERISKS = re.compile(r"(?<!\w)\*(\w+)\*(?!\w)|\*")  # one *word* is emphasized, all other asterisks are signs
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
        item.docstring.value = as_markdown(item.docstring.value, _links(item, public, package))
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


def _links(item: griffe.Object, public: dict[str, set[str]], package: str) -> Callable[[str], str | None]:
    """Return a function that says where a name leads that stands in the docstring of an object, or None."""
    own = {item.name, *(parameter.name for parameter in getattr(item, "parameters", ()))}
    own |= set(item.members) if item.is_class else set()
    own |= set(item.parent.members) if item.parent is not None and item.parent.is_class else set()
    rooms = [room for room in sorted(public, key=len, reverse=True) if item.path.startswith(f"{room}.")]

    def link(name: str) -> str | None:
        given = name.removeprefix("wf.").removeprefix(f"{package}.")
        first, _, rest = given.partition(".")
        if rest:
            return f"{package}.{given}" if rest in public.get(f"{package}.{first}", ()) else None
        if name == item.name or name in own - public[package]:
            return None
        return next((f"{room}.{given}" for room in rooms if given in public[room]), None)

    return link


def as_markdown(text: str, link: Callable[[str], str | None]) -> str:
    r"""Return a docstring as Markdown, with links at the names for which there are any.

    >>> as_markdown("Below 2**64; see `fill`, `x`.\n\n>>> 1  # doctest: +SKIP\n1", {"fill": "w.fill"}.get).splitlines()
    ['Below 2\\*\\*64; see [`fill`][w.fill], `x`.', '', '```pycon', '>>> 1', '1', '```']
    >>> as_markdown("The *sum* of a*b.\n\n== ==\na  b\n== ==\nx* y\n== ==", {}.get).splitlines()
    ['The *sum* of a\\*b.', '', '```text', '== ==', 'a  b', '== ==', 'x* y', '== ==', '```']
    """
    pieces, end = [], 0
    for literal in _LITERAL.finditer(text):
        indent = literal[1]
        shown = re.sub(r" *# doctest: .*", "", literal[0])
        fence = f"{indent}```{'pycon' if '>>>' in shown else 'text'}\n{shown}\n{indent}```"
        pieces += [_prose(text[end : literal.start()], link), fence]
        end = literal.end()
    return "".join([*pieces, _prose(text[end:], link)])


def _prose(text: str, link: Callable[[str], str | None]) -> str:
    def linked(name: re.Match[str]) -> str:
        target = link(name[1])
        return f"[{name[0]}][{target}]" if target else name[0]

    parts = re.split(r"(`[^`]+`)", text)  # every second one is code
    parts[::2] = [_ASTERISKS.sub(lambda found: found[0] if found[1] else r"\*", part) for part in parts[::2]]
    return _NAME.sub(linked, "".join(parts))
