"""Who may read and write a file that takes the place of another."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

_ACCESS_LIST = "system.posix_acl_access"  # Linux
_UNSUPPORTED = (OSError, AttributeError)  # file systems without owners or modes, and Windows


def take_after(fd: int, old: str) -> None:
    """Give a file the owner, mode and access list of the one that it replaces, as far as the system allows.

    Only root can keep another's file that user's. Where the group cannot be kept, the new one may do what all others
    may and nothing more.
    """
    was, now = os.stat(old), os.fstat(fd)
    if was.st_uid != now.st_uid:
        with suppress(*_UNSUPPORTED):
            os.fchown(fd, was.st_uid, -1)
    if was.st_gid != now.st_gid:
        with suppress(*_UNSUPPORTED):
            os.fchown(fd, -1, was.st_gid)
    mode, same_group = stat.S_IMODE(was.st_mode), os.fstat(fd).st_gid == was.st_gid
    with suppress(*_UNSUPPORTED):
        os.fchmod(fd, mode if same_group else mode & ~0o070 | (mode & 0o007) << 3)
    if same_group and hasattr(os, "getxattr"):
        with suppress(OSError):
            os.setxattr(fd, _ACCESS_LIST, os.getxattr(old, _ACCESS_LIST))
