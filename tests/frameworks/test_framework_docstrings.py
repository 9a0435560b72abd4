import doctest
import importlib
import pkgutil

import pytest

import weightfill
from tests.public import PUBLIC

FRAMEWORKS = ("torch", "jax", "keras", "dask")


def modules(framework):
    package = importlib.import_module(f"weightfill.{framework}")
    return [package, *map(importlib.import_module, submodules(package))]


def submodules(package):
    return [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(getattr(package, "__path__", []))]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_examples_in_docstrings_are_right(framework):
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    names = PUBLIC | {"weightfill": weightfill, framework: importlib.import_module(framework)}
    attempted = 0
    for module in modules(framework):
        result = doctest.testmod(module, extraglobs=names)
        assert result.failed == 0, module.__name__
        attempted += result.attempted
    assert attempted > 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_public_names_have_docstrings(framework):
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    package = importlib.import_module(f"weightfill.{framework}")
    assert package.__doc__
    for name in package.__all__:
        assert getattr(package, name).__doc__, name
