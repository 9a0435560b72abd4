"""The fixture `fill_benchmark`, in runs of pytest of their own."""

import json
import os
import subprocess
import sys

import pytest
import tomlkit

from tests.repository import ROOT

TEST = """
import numpy as np

def test_constant(fill_benchmark):
    table = np.zeros({elements}, np.float32)
    fill_benchmark.benchmark.group = "tables"
    share = fill_benchmark(lambda: table.fill(0.5), table, threads=1)
    assert (table == 0.5).all()
    if share is not None:
        assert fill_benchmark.benchmark.extra_info["share_of_ceiling"] == share.of_ceiling
"""
UNUSED = """
import sys

def test_nothing_is_imported():
    assert "weightfill_pytest" in sys.modules
    assert not {"numpy", "weightfill"} & set(sys.modules)
"""


BENCHMARK = ("-p", "pytest_benchmark.plugin")


@pytest.fixture
def pytest_run(tmp_path):
    """Runs pytest on a file with the plugin, and only those named, warnings being errors; returns code and output."""

    def run(text, *options):
        (tmp_path / "test_it.py").write_text(text)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "weightfill_pytest",
            "-W",
            "error",
            "-q",
            *options,
            "test_it.py",
        ]
        # Within a worker of pytest-xdist, pytest-benchmark would measure nothing.
        outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}
        alone = outside | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("elements", [1000, 2**22])
def test_the_share_of_the_ceiling_is_in_the_saved_run(pytest_run, tmp_path, elements):
    code, printed = pytest_run(TEST.format(elements=elements), *BENCHMARK, "--benchmark-json=run.json")
    assert code == 0, printed
    (saved,) = json.loads((tmp_path / "run.json").read_text())["benchmarks"]
    info = saved["extra_info"]
    assert saved["group"] == "tables"
    assert (info["bytes"], info["threads"]) == (4 * elements, 1)
    assert info["ceiling_bytes"] == (2**28 if elements == 1000 else 2**24)
    assert info["share_of_ceiling"] > 0
    assert len(info["shares_of_rounds"]) >= 5


def test_what_is_written_is_called_once_where_nothing_is_measured(pytest_run):
    assert pytest_run(TEST.format(elements=1000), *BENCHMARK, "--benchmark-disable")[0] == 0


def test_without_pytest_benchmark_a_message_says_what_to_install(pytest_run):
    code, printed = pytest_run(TEST.format(elements=1000))
    assert code == 1
    assert (
        "fill_benchmark must have pytest-benchmark, got a run of pytest without it; pip install pytest-benchmark"
        in printed
    )


def test_a_run_that_does_not_use_it_imports_nothing_of_it(pytest_run):
    code, printed = pytest_run(UNUSED)
    assert code == 0, printed


def test_the_plugin_is_an_entry_point_named_as_its_module():
    project = tomlkit.parse((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"weightfill_pytest": "weightfill_pytest"}
