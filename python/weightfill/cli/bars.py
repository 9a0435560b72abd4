"""The progress bar of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def bar(verb: str, total: int) -> Iterator[Callable[[int, int, int], None]]:
    """Give a function show(before, done, of) that sets the bar to before + done of `total`; `of` is ignored.

    The bar goes to standard error, and only if that is a terminal. Nothing may be printed while it is shown.
    """
    if not sys.stderr.isatty():
        yield lambda before, done, of: None
        return
    columns = (TextColumn(verb), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(verb, total=total)
        yield lambda before, done, of: progress.update(task, completed=before + done)
