"""What the site changes in pages that a forge shows as they are.

Links to files of the repository that are no pages lead to the repository, where its address is known; else only their
text stays. The line `--8<-- "CONTRIBUTING.md"` becomes this file of the repository, with its links. Sessions at the
prompt are coloured as such. Pictures link to themselves, to be seen in full on a phone.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_FILE = re.compile(r'^--8<-- "([^"\n]+)"$', re.MULTILINE)
_SESSION = re.compile(r"^```python\n(?=>>> )", re.MULTILINE)
_PICTURE = re.compile(r'<img [^>]*src="([^"]+\.png)"[^>]*>')


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Return the page with its files, and its links out of docs/ led to the repository.

    A link to no file stays, and is an error.
    """
    root = Path(config.config_file_path).parent
    folder = posixpath.join(Path(config.docs_dir).relative_to(root).as_posix(), posixpath.dirname(page.file.src_uri))

    def file(line: re.Match[str]) -> str:
        def seen_from_the_page(link: re.Match[str]) -> str:
            text, target, anchor = link.groups()
            return f"[{text}]({posixpath.relpath(target, folder)}{anchor or ''})"

        return _LINK.sub(seen_from_the_page, (root / line[1]).read_text(encoding="utf-8"))

    def led(link: re.Match[str]) -> str:
        text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        if path.startswith("docs/") or not (root / path).exists():
            return link[0]
        return f"[{text}]({config.repo_url}/blob/HEAD/{path}{anchor or ''})" if config.repo_url else text

    return _SESSION.sub("```pycon\n", _LINK.sub(led, _FILE.sub(file, markdown)))


def on_page_content(html: str, /, **_: Any) -> str:
    """Return the page with links around its pictures."""
    return _PICTURE.sub(r'<a href="\1">\g<0></a>', html)
