"""The tables of docs/concepts/schemes.md, which tests compare with the code."""

from tests.repository import DOCS

DOCUMENT = DOCS / "concepts" / "schemes.md"


def table(heading):
    """The cells of the first table below a heading of docs/concepts/schemes.md, without their backticks."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]
