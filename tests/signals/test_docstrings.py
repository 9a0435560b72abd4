import doctest
import importlib
import pkgutil

import pytest

import weightfill
from tests.repository import DOCS
from weightfill import signals

MODULES = [f"{signals.__name__}.{module.name}" for module in pkgutil.iter_modules(signals.__path__)]
GLOBALS = {**vars(weightfill), **vars(signals)}


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_right(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs={**GLOBALS, **vars(module)}, optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_examples_of_the_document_are_right():
    found = doctest.testfile(str(DOCS / "signals.md"), module_relative=False)
    assert found.attempted > 8
    assert not found.failed
