import doctest
import importlib
from pathlib import Path

import pytest

import weightfill
from tests.public import PUBLIC

FRAMEWORKS = ("torch", "jax", "keras", "dask")  # tests/frameworks has theirs
FOLDER = Path(weightfill.__file__).parent
PATHS = [path.relative_to(FOLDER).with_suffix("") for path in sorted(FOLDER.rglob("*.py"))]
MODULES = [
    ".".join(("weightfill", *path.parts)).removesuffix(".__init__") for path in PATHS if path.parts[0] not in FRAMEWORKS
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_right(name):
    module, package = importlib.import_module(name), importlib.import_module(name.rpartition(".")[0] or name)
    public = {public: getattr(package, public) for public in getattr(package, "__all__", ())}
    result = doctest.testmod(module, extraglobs=PUBLIC | public)
    assert result.failed == 0
    assert result.attempted > 0 or ">>> " not in Path(str(module.__file__)).read_text()


def test_all_folders_are_looked_into():
    assert {"weightfill", "weightfill._fill", "weightfill._initializers.laws", "weightfill.signals"} <= set(MODULES)


@pytest.mark.parametrize("name", weightfill.__all__)
def test_public_names_have_docstrings(name):
    assert getattr(weightfill, name).__doc__
