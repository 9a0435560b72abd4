import subprocess
import sys

import pytest

FRAMEWORKS = ["torch", "jax", "keras", "dask"]


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_weightfill_imports_no_framework():
    code = "import sys, weightfill, weightfill._cli; print(sorted(sys.modules))"
    found = run(code)
    assert found.returncode == 0, found.stderr
    loaded = {name.partition(".")[0] for name in found.stdout[2:-3].split("', '")}
    assert "weightfill" in loaded
    assert loaded.isdisjoint(FRAMEWORKS)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_missing_framework_is_named_with_the_way_out(framework):
    found = run(f"import sys; sys.modules[{framework!r}] = None; import weightfill.{framework}")
    assert found.returncode == 1
    last = found.stderr.strip().splitlines()[-1]
    assert last == f"ImportError: weightfill.{framework} needs {framework}: pip install 'weightfill[{framework}]'"
