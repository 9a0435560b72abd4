"""Windows: few calls and signals, other locks, and no file that is open or mapped can be renamed, replaced or removed.

What this process itself has open counts. Paths, and the ends of lines, stay those of the system that this one is.
"""

import fcntl
import mmap
import os
import shutil
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.systems import become, module_of

MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")
CALLS = """chown chroot fchmod fchown fork forkpty getloadavg getpgid getxattr killpg
    lchown mkfifo mknod nice posix_fadvise posix_fallocate pread preadv pwrite pwritev register_at_fork
    sched_getaffinity sched_setaffinity sendfile setsid setxattr statvfs sync uname wait"""
FLAGS = "O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_NOATIME O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC"
SIGNALS = {signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGINT, signal.SIGSEGV, signal.SIGTERM}
one_by_one = threading.RLock()  # so that nobody opens a file between the look at it and its end
DiskUsage = type(shutil.disk_usage("/"))


def locking(fd, mode, size):
    assert (mode, size) == (2, 1)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None


def is_used(path):
    """Whether this process has a file open or mapped."""
    if not os.path.isfile(path):
        return False
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed meanwhile by another thread
            if os.path.samefile(f"/proc/self/fd/{fd}", path):
                return True
    return f" {os.path.realpath(path)}\n" in Path("/proc/self/maps").read_text(errors="surrogateescape")


def unless_used(call, *, replaces=False):
    def checked(*paths, **keywords):
        if "dir_fd" in keywords or any(isinstance(path, int) for path in paths):
            return call(*paths, **keywords)
        with one_by_one:
            for path, said in zip(paths, ("The process cannot access the file", "Access is denied"), strict=False):
                if is_used(path):
                    raise PermissionError(13, said, os.fspath(path))
            if len(paths) == 2 and not replaces and os.path.lexists(paths[1]):
                raise FileExistsError(17, "Cannot create a file when that file already exists", os.fspath(paths[1]))
            return call(*paths, **keywords)

    return checked


def open_one_by_one(*arguments, opened=os.open, **keywords):
    with one_by_one:
        return opened(*arguments, **keywords)


def disk_usage(path, statvfs=os.statvfs):
    disk = statvfs(path)
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    return DiskUsage(total, total - free, free)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests():
    flags = [flag for flag in FLAGS.split() if hasattr(os, flag)]
    names = [name for name in dir(signal) if isinstance(getattr(signal, name), signal.Signals)]
    signals = [name for name in names if getattr(signal, name) not in SIGNALS]
    mappings = [name for name in dir(mmap) if name.startswith(("MADV_", "MAP_", "PROT_"))]
    signal.valid_signals = SIGNALS.copy
    shutil.disk_usage = disk_usage
    module_of("msvcrt", LK_NBLCK=2, locking=locking)
    os.open = open_one_by_one
    os.unlink, os.remove = unless_used(os.unlink), unless_used(os.remove)
    os.rename, os.replace = unless_used(os.rename), unless_used(os.replace, replaces=True)
    become("win32", MODULES, {"os": CALLS.split() + flags, "signal": signals, "mmap": mappings})
