"""Checks a built site: links and anchors lead somewhere, and nothing is loaded from elsewhere.

Also pictures have a text, and no Markdown is left in that of the pages.

    python -m docs.tools.check_site site

SITE_URL is the address that it was built for, if any: links that begin with its path are links within the site.
Of links to other sites only the form is checked, as nothing is asked of a network: https, a host that can be public,
no blank.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
_LOADING_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "manifest"}
_IMPORTED_BY_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")
_OUTER = re.compile(r"https://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(?:/[^\s<>\"]*)?", re.IGNORECASE)
_PLACEHOLDERS = re.compile(
    r"example\.(?:com|org|net)|localhost|\.invalid|\.local|your-?(?:name|org|user)", re.IGNORECASE
)
_MARKDOWN = re.compile(r".{0,20}(?:`|>>> |\]\[|\]\(|```|\|---).{0,20}")
_VERBATIM = {"pre", "code", "script", "style", "title"}


class _Page(HTMLParser):
    """What a page refers to; its anchors; its pictures without a text; the Markdown in its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.silent: list[str] = []
        self.left: list[str] = []
        self._verbatim = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self._verbatim += tag in _VERBATIM
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "img" and not given.get("alt", "").strip():
            self.silent.append(given.get("src", ""))
        if given.get(_LOADED.get(tag, "")):
            self.loaded.append(given[_LOADED[tag]])
        if tag == "link" and _LOADING_LINKS & set(given.get("rel", "").split()):
            self.loaded.append(given.get("href", ""))

    def handle_endtag(self, tag: str) -> None:
        self._verbatim -= tag in _VERBATIM

    def handle_data(self, data: str) -> None:
        if not self._verbatim:
            self.left += _MARKDOWN.findall(data)


def problems(site: Path, root: str = "/") -> Iterator[str]:
    """Say what is wrong in the HTML and CSS files of a folder, a line each; the site will be at this path of a host."""
    pages = {path: _Page(path) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} has no HTML files"
    for path, page in pages.items():
        name = path.relative_to(site)
        yield from (f"{name}: the picture {source} has no alt text" for source in page.silent)
        yield from (f"{name}: Markdown that is not understood: {text.strip()!r}" for text in page.left)
        for address in page.loaded:
            if urlsplit(address).scheme in ("http", "https") or address.startswith("//"):
                yield f"{name}: loads {address} from elsewhere"
            elif not address.startswith("data:"):
                yield from _inner(site, root, path, address, pages)
        for address in page.links:
            if urlsplit(address).scheme or address.startswith("//"):
                yield from (f"{name}: {problem}" for problem in _outer(address))
            else:
                yield from _inner(site, root, path, address, pages)
    for path in sorted(site.rglob("*.css")):
        for address in _IMPORTED_BY_CSS.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: loads {address} from elsewhere"


def _outer(address: str) -> Iterator[str]:
    if address.startswith("mailto:"):
        return
    if not _OUTER.fullmatch(address):
        yield f"a link to another site must be https://host/path, got {address!r}"
    elif _PLACEHOLDERS.search(urlsplit(address).netloc):
        yield f"{address} stands for an address that is not known"


def _inner(site: Path, root: str, path: Path, address: str, pages: dict[Path, _Page]) -> Iterator[str]:
    name, parts = path.relative_to(site), urlsplit(address)
    # The page for what is not found may be shown at any address, so its links start at the root.
    start = site if path.name == "404.html" or parts.path.startswith(root) else path.parent
    target = (start / unquote(parts.path.removeprefix(root))).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(site) or not target.exists():
        yield f"{name}: {address} leads to no file"
    elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
        yield f"{name}: {address} leads to no anchor of {target.relative_to(site)}"


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    found = list(problems(folder, urlsplit(os.environ.get("SITE_URL", "")).path.rstrip("/") + "/"))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{sum(1 for _ in folder.rglob('*.html'))} pages, {len(found)} problems")
    sys.exit(bool(found))
