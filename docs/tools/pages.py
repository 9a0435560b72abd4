"""What the site changes in pages that a forge shows as they are.

Links to files of the repository that are no pages lead to the repository, where its address is known; else only their
text stays. Sessions at the prompt are coloured as such. Pictures link to themselves, to be seen in full on a phone.
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
_SESSION = re.compile(r"^```python\n(?=>>> )", re.MULTILINE)
_PICTURE = re.compile(r'<img [^>]*src="([^"]+\.png)"[^>]*>')


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Return the page with its links out of docs/ led to the repository; one to no file stays, and is an error."""
    root = Path(config.config_file_path).parent
    folder = posixpath.join(Path(config.docs_dir).relative_to(root).as_posix(), posixpath.dirname(page.file.src_uri))

    def led(link: re.Match[str]) -> str:
        text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        if path.startswith("docs/") or not (root / path).exists():
            return link[0]
        return f"[{text}]({config.repo_url}/blob/HEAD/{path}{anchor or ''})" if config.repo_url else text

    return _SESSION.sub("```pycon\n", _LINK.sub(led, markdown))


def on_page_content(html: str, /, **_: Any) -> str:
    """Return the page with links around its pictures."""
    return _PICTURE.sub(r'<a href="\1">\g<0></a>', html)
