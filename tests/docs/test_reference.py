"""The reference of the site has every public name of every public module, once."""

import ast
import re
from pathlib import Path

import pytest

import weightfill
from tests.repository import DOCS

PACKAGE = Path(weightfill.__file__).parent
# The same object is on the page of the first; its docstring or the page names the others.
ELSEWHERE = {
    "weightfill.torch": {"LayerScale", "ScaledPlan", "calculate_gain"},
    "weightfill.keras": {"IdentityInitializer", "OrthogonalInitializer"},
}


def is_public(path):
    return not any(part.startswith("_") and part != "__init__.py" for part in path.relative_to(PACKAGE).parts)


MODULES = {
    ".".join(("weightfill", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if is_public(path)
}
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((DOCS / "reference").glob("*.md"))}
SHOWN = [name for text in PAGES.values() for name in re.findall(r"^::: ([\w.]+)", text, re.MULTILINE)]


def public_names(path):
    """`__all__` of a module, read without the framework that it may need."""
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return set(ast.literal_eval(statement.value))
    raise AssertionError(f"{path} has no __all__")


def second_names(path):
    """The lower-case names that Keras has for its classes."""
    assigned = (s for s in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(s, ast.Assign))
    pairs = [(s.targets[0], s.value) for s in assigned]
    return {t.id for t, v in pairs if isinstance(t, ast.Name) and isinstance(v, ast.Name) and t.id == t.id.lower()}


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_in_the_reference(name):
    missing = public_names(MODULES[name]) - ELSEWHERE.get(name, set())
    if name == "weightfill.keras":
        missing -= second_names(MODULES[name])
    missing -= {shown.removeprefix(f"{name}.") for shown in SHOWN}
    assert not missing, f"{name}: add ::: lines to a page of docs/reference for {', '.join(sorted(missing))}"


def test_nothing_is_in_the_reference_twice():
    assert len(SHOWN) == len(set(SHOWN))


def test_names_that_stand_elsewhere_are_named_on_the_page():
    for module, names in ELSEWHERE.items():
        text = PAGES[f"{module.rpartition('.')[2]}.md"]
        assert all(name in text for name in names), module


def test_every_public_module_is_looked_at():
    assert {"weightfill", "weightfill.torch", "weightfill.signals", "weightfill.typing"} <= set(MODULES)
