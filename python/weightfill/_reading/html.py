"""Tables for notebooks, which show an object as its `_repr_html_` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape


def table_of(rows: Sequence[Mapping[str, str]], notes: Iterable[str] = ()) -> str:
    """Return a table in HTML, one row a mapping from column to text, and lines below it.

    >>> table_of([{"rule": "*"}], ["1 < 2"])
    '<table><thead><tr><th>rule</th></tr></thead><tbody><tr><td>*</td></tr></tbody></table><p>1 &lt; 2</p>'
    """
    head = _row("th", rows[0]) if rows else ""
    body = "".join(_row("td", row.values()) for row in rows)
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{below}"


def _row(cell: str, texts: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(text)}</{cell}>" for text in texts) + "</tr>"
