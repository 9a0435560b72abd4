"""The guide for other projects' CI, followed step by step."""

import json
import os
import subprocess
import sys

import pytest

from tests.documents import programs, text_of

TEST, _, SPEED, CHECK = programs(text_of("howto/performance-regression.md"))


@pytest.fixture
def run(tmp_path):
    (tmp_path / "test_speed.py").write_text(TEST)
    (tmp_path / "speed.py").write_text(SPEED)
    (tmp_path / "check_speed.py").write_text(CHECK)

    def call(*arguments):
        outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}
        alone = outside | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)

    return call


def test_pytest_saves_the_share_of_the_ceiling(run, tmp_path):
    plugins = ("-p", "pytest_benchmark.plugin", "-p", "weightfill_pytest")
    done = run("-m", "pytest", *plugins, "test_speed.py", "--benchmark-json=speed.json")
    assert done.returncode == 0, done.stdout
    (case,) = json.loads((tmp_path / "speed.json").read_text())["benchmarks"]
    assert {"share_of_ceiling", "gb_per_s", "ceiling_gb_per_s"} <= set(case["extra_info"])


@pytest.mark.slow
def test_both_versions_take_turns(run):
    done = run("check_speed.py", sys.executable, sys.executable)
    lines = done.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["item table", "rows"], done.stderr
    assert all(line.split(": ")[1] in ("holds", "fell", "too noisy") for line in lines)
    assert done.returncode == any(": fell: " in line for line in lines)
