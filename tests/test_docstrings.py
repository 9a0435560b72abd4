import doctest
import importlib
import pkgutil

import pytest

import weightfill

FRAMEWORKS = ("torch", "jax", "keras", "dask")  # tests/frameworks has theirs
NAMES = [module.name for module in pkgutil.iter_modules(weightfill.__path__) if module.name not in FRAMEWORKS]
MODULES = ["weightfill", *(f"weightfill.{name}" for name in NAMES)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_right(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, extraglobs=vars(weightfill))
    assert failed == 0


@pytest.mark.parametrize("name", weightfill.__all__)
def test_public_names_have_docstrings(name):
    assert getattr(weightfill, name).__doc__
