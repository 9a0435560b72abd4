"""Imports stand at the top of a module, but for what is optional or takes long and few calls need."""

import ast
import subprocess
import sys
from pathlib import Path

import weightfill as wf

FOLDER = Path(wf.__file__).parent
# Of others: extras, and dependencies whose import takes long.
LATE = {"jax", "matplotlib", "rich", "safetensors", "scipy", "sklearn", "threadpoolctl", "torch"}
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


def test_importing_weightfill_imports_nothing_that_takes_long():
    code = "import sys, weightfill; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "weightfill" in loaded
    assert LATE.isdisjoint(loaded)
