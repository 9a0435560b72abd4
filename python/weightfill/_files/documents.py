"""Small files that appear together, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from weightfill._files.hidden_files import (
    check_replaceable,
    errors_naming,
    hidden_file,
    hidden_name,
    moving,
    publish,
    remove_abandoned,
)
from weightfill._files.system import linked, write_at
from weightfill._run.interruption import uninterrupted


@contextmanager
def appearing_together(paths: Iterable[str], *, replace: bool) -> Iterator[dict[str, bytes]]:
    """Give a mapping in which to put the contents of new files, by path.

    When the block ends, all files appear; none if an exception ends it, or if anything goes wrong meanwhile: what was
    there before then stays. Whether they can be written is found out before the block. No signal comes between them.

    Args:
        paths: of different files.
        replace: whether existing files may be replaced; of a symbolic link the file that it names is.

    Raises:
        FileExistsError: a file exists, and is not to be replaced.
        OSError: as the system says.
    """
    finals = {path: os.path.realpath(path) if replace else path for path in paths}
    for path, final in finals.items():
        with suppress(OSError), moving(final):
            remove_abandoned(final)
        check_replaceable(path, replace)
    with ExitStack() as stack:
        hidden = {
            path: stack.enter_context(hidden_file(path, 1, beside=final, like=final)) for path, final in finals.items()
        }
        contents: dict[str, bytes] = {}
        yield contents
        for path, written in hidden.items():
            with errors_naming(path):
                write_at(written.fd, contents[path])
                os.ftruncate(written.fd, len(contents[path]))
        for final in sorted(set(finals.values())):  # sorted, so that no two writers wait for each other
            stack.enter_context(moving(final))
        with uninterrupted(), ExitStack() as undo:
            for path, final in finals.items():
                old = hidden_name(final)
                existed, kept = os.path.lexists(final), replace and _linked(final, old)
                if kept:
                    stack.callback(_removed, old)
                with errors_naming(path):
                    publish(hidden[path], final, replace=replace)
                if kept:
                    undo.callback(os.replace, old, final)
                elif not existed:
                    undo.callback(os.unlink, final)
            undo.pop_all()


def _linked(path: str, name: str) -> bool:
    """Give a file a second name, if there is such a file and files can have two."""
    try:
        return linked(path, name)
    except OSError:
        return False


def _removed(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
