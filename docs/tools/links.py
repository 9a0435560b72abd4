"""Links of the pages to files of the repository that are not pages of the site.

Where the address of the repository is known they lead there, else only their text stays.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with its links out of docs/ led to the repository; one to no file stays, and is an error."""
    root = Path(config.config_file_path).parent
    folder = posixpath.join(Path(config.docs_dir).relative_to(root).as_posix(), posixpath.dirname(page.file.src_uri))

    def led(link: re.Match[str]) -> str:
        text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        if path.startswith("docs/") or not (root / path).exists():
            return link[0]
        return f"[{text}]({config.repo_url}/blob/HEAD/{path}{anchor or ''})" if config.repo_url else text

    return _LINK.sub(led, markdown)
