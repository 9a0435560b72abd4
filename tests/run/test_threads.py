import math
import os
import subprocess
import sys

import numpy as np
import pytest

import weightfill as wf
from weightfill._run import threads
from weightfill._run.threads import LIMITS, available_cpus, cgroup_quota

pytestmark = pytest.mark.usefixtures("default_threads")


def test_default_is_what_this_process_may_use(monkeypatch):
    for name in ("WEIGHTFILL_THREADS", *LIMITS):
        monkeypatch.delenv(name, raising=False)
    assert wf.get_threads() == available_cpus()
    assert 1 <= available_cpus() <= os.cpu_count()


def test_affinity_bounds_the_default():
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); import weightfill as wf; "
    code += "print(wf.get_threads())"
    environment = {name: value for name, value in os.environ.items() if name != "WEIGHTFILL_THREADS"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "1\n"


def test_system_that_tells_no_affinity_counts_all_cpus(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(threads, "_cgroup_quota", lambda: math.inf)
    assert available_cpus() == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus() == 1


def test_environment_and_set_threads_override_the_default(monkeypatch):
    monkeypatch.setenv("WEIGHTFILL_THREADS", "5")
    assert wf.get_threads() == 5
    wf.set_threads(np.int64(3))
    assert wf.get_threads() == 3
    wf.set_threads(None)
    assert wf.get_threads() == 5


@pytest.mark.parametrize("variable", LIMITS)
def test_limits_for_openmp_and_joblib_hold(variable, monkeypatch):
    for name in ("WEIGHTFILL_THREADS", *LIMITS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "available_cpus", lambda: 8)
    for text, expected in {"3": 3, "2,4": 2, " 5 ": 5, "64": 8, "0": 8, "-1": 8, "many": 8, "": 8}.items():
        monkeypatch.setenv(variable, text)
        assert wf.get_threads() == expected
    monkeypatch.setenv(variable, "3")
    for other in LIMITS:
        if other != variable:
            monkeypatch.setenv(other, "4")
    assert wf.get_threads() == 3
    monkeypatch.setenv("WEIGHTFILL_THREADS", "6")
    assert wf.get_threads() == 6
    wf.set_threads(7)
    assert wf.get_threads() == 7


@pytest.mark.parametrize("text", ["two", "-1", "0", "1.5", "1025"])
def test_environment_must_be_a_possible_number(text, monkeypatch):
    monkeypatch.setenv("WEIGHTFILL_THREADS", text)
    with pytest.raises(ValueError, match=r"^WEIGHTFILL_THREADS must be (an integer )?in \[1, 1024\], got"):
        wf.get_threads()


def test_version_2_quota_is_found_along_the_path_of_groups(tmp_path):
    (tmp_path / "membership").write_text("0::/user.slice/job\n")
    (tmp_path / "user.slice" / "job").mkdir(parents=True)
    quota = tmp_path / "user.slice" / "cpu.max"
    assert cgroup_quota(tmp_path / "membership", tmp_path) == math.inf
    quota.write_text("250000 100000\n")
    assert cgroup_quota(tmp_path / "membership", tmp_path) == 2.5
    (tmp_path / "user.slice" / "job" / "cpu.max").write_text("max 100000\n")
    assert cgroup_quota(tmp_path / "membership", tmp_path) == 2.5
    (tmp_path / "user.slice" / "job" / "cpu.max").write_text("50000 100000\n")
    assert cgroup_quota(tmp_path / "membership", tmp_path) == 0.5


def test_version_1_quota_is_found_in_the_cpu_hierarchy(tmp_path):
    (tmp_path / "membership").write_text("3:cpuset:/\n2:cpu,cpuacct:/docker/abc\n0::/\n")
    group = tmp_path / "cpu,cpuacct"  # inside a container the group's own path does not exist
    group.mkdir()
    (group / "cpu.cfs_quota_us").write_text("300000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert cgroup_quota(tmp_path / "membership", tmp_path) == 3
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    assert cgroup_quota(tmp_path / "membership", tmp_path) == math.inf


def test_no_cgroups_mean_no_quota(tmp_path):
    assert cgroup_quota(tmp_path / "missing", tmp_path) == math.inf
