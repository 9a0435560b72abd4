"""Imports stand at the top of a module, but for what is optional or takes long and few calls need."""

import ast
import subprocess
import sys
from pathlib import Path

import weightfill as wf

FOLDER = Path(wf.__file__).parent
# Of others: extras, and dependencies whose import takes long.
LATE = {"jax", "matplotlib", "rich", "safetensors", "scipy", "sklearn", "threadpoolctl", "tomlkit", "torch"}
# Of the package itself: what imports one of these.
EXTRAS = {"weightfill.torch"}  # for the command, whole; their own modules import each other at the top
OWN = {"weightfill.jax", "weightfill.signals", "weightfill.torch._placements", "weightfill.torch._signals.propagation"}


def imports_in_functions(path):
    tree = ast.parse(path.read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    for node in {inner for function in functions for inner in ast.walk(function)}:
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_functions_import_only_what_is_optional_or_takes_long():
    found = {module for path in FOLDER.rglob("*.py") for module in imports_in_functions(path)}
    assert "scipy.sparse" in found
    wrong = {
        module
        for module in found
        if module.partition(".")[0] not in LATE
        and module not in EXTRAS
        and not any(f"{module}.".startswith(f"{own}.") for own in OWN)
    }
    assert wrong == set()


# What `import weightfill` has beyond NumPy: the core, and what tells where the public names are.
EARLY = {
    "weightfill",
    "weightfill._arguments",
    "weightfill._arguments.messages",
    "weightfill._core",
    "weightfill._initializers",
    "weightfill._run",
    "weightfill._run.isa",
}
# Of Python itself, what takes long to import.
SLOW = {"asyncio", "email", "http", "importlib.metadata", "json", "multiprocessing", "tempfile", "zipfile"}


def loaded(code):
    """Return the modules that are imported by some code, beside those that `import numpy` has."""
    program = f"import sys, numpy; before = set(sys.modules); {code}; print(*sorted({{*sys.modules}} - before))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_weightfill_imports_numpy_and_the_core():
    found = loaded("import weightfill")
    assert {name for name in found if name.partition(".")[0] == "weightfill"} == EARLY
    assert found.isdisjoint({*LATE, *SLOW, "ml_dtypes", "numpy.random", "typer"})


def test_filling_imports_neither_files_nor_plans():
    found = loaded("import weightfill as wf; wf.fill(numpy.empty(3, 'f4'), wf.Normal(), seed=1)")
    assert {"weightfill._fill", "weightfill._initializers.laws", "ml_dtypes"} <= found
    assert found.isdisjoint({*LATE, *SLOW, "typer", "weightfill._files", "weightfill._plan", "weightfill._checkpoints"})


def test_using_every_public_name_imports_nothing_that_is_optional_or_takes_long():
    found = loaded("from weightfill import *")
    assert {"weightfill._plan", "weightfill._csr"} <= found
    assert found.isdisjoint({*LATE, "importlib.metadata", "typer"})


def test_public_names_are_where_type_checkers_find_them():
    tree = ast.parse((FOLDER / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    places = {alias.name: node.module for node in imports for alias in node.names}
    assert places == {name: f"weightfill.{place}" for name, place in wf._PLACES.items()}
    assert sorted(places) == sorted(wf.__all__)


def test_a_name_that_was_used_is_an_attribute_from_then_on():
    code = "import weightfill as wf; a = wf.Sinusoid; del wf.__getattr__; assert wf.Sinusoid is a"
    assert "weightfill._initializers.tables" in loaded(code)


def test_initializers_are_found_by_name_before_they_are_imported():
    code = "import weightfill as wf; wf.create((4, 3), 'icnr(One, 2)', seed=1)"
    assert "weightfill._initializers.repeated" in loaded(code)
