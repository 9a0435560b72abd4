"""Progress of a fill: a bar, or a function that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from weightfill._arguments.messages import shown

Progress: TypeAlias = bool | Callable[[int, int], object] | None
Tick: TypeAlias = Callable[[int], object]

TICK_SECONDS = 0.05  # between two of them, as in the core


def check_progress(progress: Progress) -> None:
    """Raise TypeError unless `progress` is a bool, None or a callable."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise TypeError(f"progress must be True, False or a callable(done, total), got {shown(progress)}")


@contextmanager
def ticking(progress: Progress, total: int, verb: str = "filling") -> Iterator[Tick | None]:
    """Give the function that the core tells the number of finished elements, of `total`; None if nobody listens.

    A bar says `verb`. It goes to standard error, and only if that is a terminal, or a notebook.
    """
    if callable(progress):
        listener = progress
        yield lambda done: listener(done, total)
        return
    if progress:
        from rich.console import Console  # here, as few fills show a bar
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        if console.is_terminal or console.is_jupyter:  # elsewhere rich would print an empty line
            with Bar(console=console, transient=True) as bar:
                task = bar.add_task(verb, total=total)
                yield lambda done: bar.update(task, completed=done)
            return
    yield None


def following(tick: Tick | None, before: int) -> Callable[[int, int], object] | None:
    """Return the progress of one of several fills, which tells `tick` its own after `before` elements of the others."""
    return None if tick is None else lambda done, _: tick(before + done)
