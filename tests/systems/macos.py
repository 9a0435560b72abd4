"""macOS: there is no call to reserve space, to pass by the page cache, for huge pages, or for a process's CPUs."""

import pytest

from tests.systems import become

CALLS = ("O_DIRECT", "getxattr", "posix_fallocate", "preadv", "sched_getaffinity", "setxattr")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests():
    become("darwin", (), {"os": CALLS, "mmap": ("MADV_HUGEPAGE",)})
