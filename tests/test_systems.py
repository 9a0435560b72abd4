"""The package on systems that lack what this one has; see `tests.systems`."""

import os
import subprocess
import sys

import pytest

from tests.repository import ROOT

FILES = [
    "tests/test_minimal.py",
    "tests/files/test_anywhere.py",
    "tests/files/test_documents_together.py",
    "tests/cli/test_cli_anywhere.py",
]
NOT_HERE = "tests/test_minimal.py::test_the_command_writes_a_table_and_verifies_it"  # in processes of their own


@pytest.mark.slow
@pytest.mark.parametrize("system", ["windows", "macos"])
def test_tests_of_files_pass_as_on(system):
    options = ["-q", "-p", f"tests.systems.{system}", "-p", "no:cacheprovider", "--timeout-method", "thread"]
    command = [sys.executable, "-m", "pytest", *options, "--deselect", NOT_HERE, *FILES]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
