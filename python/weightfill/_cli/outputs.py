"""Files that a command is to write, checked before any work."""

from __future__ import annotations

import os

from weightfill._cli.numbers import readable
from weightfill._files.pictures import check_picture
from weightfill._files.system import free_bytes


def check_suffix(option: str, path: str, suffix: str) -> None:
    """Raise ValueError unless a file has the name of what will be in it."""
    if not path.endswith(suffix):
        raise ValueError(f"{option} must end in {suffix}, got {path!r}")


def check_png(path: str, replace: bool, extra: str) -> None:
    """Find out, before the work, whether --png can be written; `extra` of weightfill brings matplotlib.

    Raises:
        OSError: it cannot.
        ValueError: it does not end in .png, or matplotlib is not installed.
    """
    check_suffix("--png", path, ".png")
    try:
        check_picture(path, replace=replace, extra=extra)
    except ImportError as error:
        way_out = f"pip install 'weightfill[{extra}]' gives it"
        raise ValueError(f"--png must be left out without matplotlib; {way_out}") from error


def check_space(path: str, nbytes: int) -> None:
    """Raise ValueError if the disk of a file to be written has too little space; nothing if that cannot be known."""
    free = free_bytes(os.path.dirname(path))
    if free is not None and nbytes > free:  # otherwise whoever writes there says what is wrong
        raise ValueError(f"{path} needs {readable(nbytes)}, {readable(free)} are free")
