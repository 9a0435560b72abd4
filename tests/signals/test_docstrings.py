import doctest
import importlib
import pkgutil

import pytest

import weightfill
from weightfill import signals

MODULES = [f"{signals.__name__}.{module.name}" for module in pkgutil.iter_modules(signals.__path__)]
GLOBALS = {**vars(weightfill), **vars(signals)}


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_right(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs={**GLOBALS, **vars(module)}, optionflags=doctest.ELLIPSIS)
    assert failed == 0
