"""The pages of the documentation and README, and the Python code that they show."""

import ast
import re

from tests.repository import DOCS, ROOT

PAGES = {path.relative_to(DOCS).as_posix(): path for path in sorted(DOCS.rglob("*.md"))}
DOCUMENTS = {path.name: path for path in sorted(ROOT.glob("*.md"))} | {
    f"docs/{name}": path for name, path in PAGES.items()
}


def text_of(page):
    return PAGES[page].read_text(encoding="utf-8")


def programs(text):
    """The blocks of Python code, but for sessions with prompts, which are doctests."""
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if not block.startswith(">>> ")]


def frameworks(program):
    """The packages that a program imports, by itself or by an adapter, and that a plain installation lacks."""
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(program))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    found = {name.removeprefix("weightfill.").partition(".")[0] for name in imported}
    found |= {"jax"} if "keras" in found else set()  # its backend
    return sorted(found & {"torch", "jax", "flax", "keras", "dask", "h5py", "zarr", "transformers"})
