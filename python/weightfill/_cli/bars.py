"""The progress bar of a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from weightfill._arguments.messages import printable, shortened

_LONGEST_NAME = 24


@contextmanager
def bar(verb: str, file: str, elements: int, nbytes: int) -> Iterator[Callable[[int, int, int], None]]:
    """Give a function show(before, done, of) that sets the bar to before + done of the elements; `of` is ignored.

    The bar counts bytes, as if all elements had as many. It goes to standard error, and only if that is a terminal.
    Nothing may be printed while it is shown.
    """
    if not sys.stderr.isatty():
        yield lambda before, done, of: None
        return
    name = shortened(printable(os.path.basename(file)), _LONGEST_NAME)
    columns = (
        TextColumn(f"{verb} {name}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(verb, total=nbytes)
        size = nbytes / max(1, elements)
        yield lambda before, done, of: progress.update(task, completed=round((before + done) * size))
