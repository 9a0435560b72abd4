"""Tables: of the width at hand in a terminal; elsewhere as wide as they are, a line a row, for other programs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from weightfill._arguments.messages import shortened

_LEAST_NAME = 24  # characters that stay of a name, as long as other columns can be left out instead
_GAP = "  "

Row = dict[str, str]


class Column(NamedTuple):
    """A column; the first of a table has names, which lose their middle where the width is short."""

    heading: str
    right: bool = False
    drop: int = 0  # of the columns that can be left out, those of the lowest number go first, together; 0: never
    narrow: Callable[[str], str] | None = None  # gives a shorter form of a cell


def terminal_width() -> int | None:
    """Return the columns of the terminal that the output goes to; None if it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(
    columns: Sequence[Column], rows: Sequence[Row], style: Callable[[str, Row], str], width: int | None
) -> None:
    """Print rows, which are mappings from heading to text, under their headings.

    Args:
        columns: their order is that of the table.
        rows: each with a text for every heading.
        style: of the cell of a heading in a row, in rich's words, for terminals.
        width: that the table must not exceed; None for no limit and no styles.
    """
    if width is not None:
        columns, rows = fitted(columns, rows, width)
    lines = [{column.heading: column.heading for column in columns}, *rows]
    widths = {column.heading: max(cell_len(line[column.heading]) for line in lines) for column in columns}
    console = None if width is None else Console(width=width, highlight=False)
    for number, line in enumerate(lines):
        text = Text(no_wrap=True)
        for column in columns:
            cell = line[column.heading]
            space = " " * (widths[column.heading] - cell_len(cell))
            text.append(space if column.right else "")
            text.append(cell, style(column.heading, line) if number else "bold")
            text.append((space if not column.right else "") + _GAP)
        text.rstrip()
        if console is None:
            print(text.plain)
        else:
            console.print(text, soft_wrap=True)


def print_total(text: str, width: int | None) -> None:
    """Print a line below a table, broken between words where it is wider."""
    if width is None:
        print(text)
    else:
        Console(width=width, highlight=False).print(Text(text))


def fitted(columns: Sequence[Column], rows: Sequence[Row], width: int) -> tuple[list[Column], list[Row]]:
    """Return columns and rows no wider than `width`, if that can be had.

    Cells get their shorter forms first, then columns are left out, then names are shortened.
    """
    kept = list(columns)
    if _beside_names(kept, rows, _longest(kept, rows)) > width:
        rows = [{**row, **{c.heading: c.narrow(row[c.heading]) for c in kept if c.narrow is not None}} for row in rows]
    name = kept[0].heading
    wanted = min(_longest(kept, rows), _LEAST_NAME)
    while (ranks := {c.drop for c in kept if c.drop}) and _beside_names(kept, rows, wanted) > width:
        kept = [column for column in kept if column.drop != min(ranks)]
    room = max(width - _beside_names(kept, rows, 0), 8)
    return kept, [{**row, name: shortened(row[name], room)} for row in rows]


def _longest(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    return max((cell_len(row[columns[0].heading]) for row in rows), default=0)


def _beside_names(columns: Sequence[Column], rows: Sequence[Row], name: int) -> int:
    """Return the width of a table whose names take `name` characters."""
    others = [max(cell_len(text) for text in (c.heading, *(row[c.heading] for row in rows))) for c in columns[1:]]
    return name + sum(others) + len(_GAP) * len(others)
