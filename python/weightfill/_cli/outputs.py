"""Files that a command is to write, checked before any work."""

from __future__ import annotations

import os

from weightfill._cli.numbers import readable


def check_suffix(option: str, path: str, suffix: str) -> None:
    """Raise ValueError unless a file has the name of what will be in it."""
    if not path.endswith(suffix):
        raise ValueError(f"{option} must end in {suffix}, got {path!r}")


def check_space(path: str, nbytes: int) -> None:
    """Raise ValueError if the disk of a file to be written has too little space; nothing if that cannot be known."""
    try:
        disk = os.statvfs(os.path.dirname(path) or ".")
    except OSError:
        return  # whoever writes there says what is wrong
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and nbytes > free:
        raise ValueError(f"{path} needs {readable(nbytes)}, {readable(free)} are free")
