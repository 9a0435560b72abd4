"""Pictures: PNG files of matplotlib figures, which are made without pyplot and its global state."""

from __future__ import annotations

import importlib.util
import os
from contextlib import suppress
from io import BytesIO
from typing import Any

from weightfill._arguments.messages import shown
from weightfill._files.hidden_files import reserved_file
from weightfill._files.system import write_at


def check_picture(path: str | os.PathLike[str], *, replace: bool, extra: str) -> None:
    """Find out, before the work, whether `write_picture` can write this file.

    Args:
        path: of the file.
        replace: whether an existing file may be replaced.
        extra: of weightfill, that brings matplotlib.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: `path` is no path.
        ValueError: `path` does not end in .png.
        OSError: it cannot, as `reserved_file` says.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a path, got {shown(path)}")
    name = os.fspath(path)
    if not name.endswith(".png"):
        raise ValueError(f"path must end in .png, got {shown(name)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(f"pictures need matplotlib: pip install 'weightfill[{extra}]'")
    with suppress(_NotYetError), reserved_file(name, 1, replace=replace):
        raise _NotYetError


def new_figure(width: float, height: float, dpi: int = 120) -> Any:
    """Return an empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here, as matplotlib is optional
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(figure)
    return figure


def write_picture(path: str | os.PathLike[str], figure: Any, *, replace: bool) -> None:
    """Write a figure into a PNG file, whole or not at all.

    Raises:
        OSError: the file cannot be written, or exists and `replace` is false.
    """
    picture = BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    data = picture.getvalue()
    with reserved_file(path, len(data), replace=replace) as fd:
        write_at(fd, data)


class _NotYetError(Exception):
    """Ends the writing of a file that could be written."""
