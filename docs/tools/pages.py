"""What the site changes in pages that a forge shows as they are.

Links to files of the repository that are no pages lead to the repository, where its address is known; else only their
text stays. The line `--8<-- "CONTRIBUTING.md"` becomes this file of the repository, with its links. Sessions at the
prompt are coloured as such. Pictures link to themselves, to be seen in full on a phone.
"""

from __future__ import annotations

import ast
import posixpath
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_FILE = re.compile(r'^--8<-- "([^"\n]+)"$', re.MULTILINE)
_SESSION = re.compile(r"^```python\n(?=>>> )", re.MULTILINE)
# Tables speak of weightfill in the first column, and of others in the next.
_NO_LINKS_IN = re.compile(r"(<(pre|a|h[1-6]|autoref)\b.*?</\2>|</td>\s*<td\b.*?(?=</td>))", re.DOTALL)
_NAME = re.compile(r"<code>((?:wf\.|weightfill\.)?)([A-Za-z_]\w*)(\(.*?\))?</code>")
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


def on_page_content(html: str, /, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Return the page with links at its pictures, and at names of the package.

    A name without `weightfill.` may be one of a framework: only in the concepts are classes links without it.
    """
    public = _public(Path(config.config_file_path).parent)
    bare = page.file.src_uri.startswith("concepts/")

    def linked(name: re.Match[str]) -> str:
        meant = name[1] or (bare and name[2][0].isupper())
        return (
            f'<autoref identifier="weightfill.{name[2]}">{name[0]}</autoref>'
            if meant and name[2] in public
            else name[0]
        )

    parts = _NO_LINKS_IN.split(html)  # text, then an element and its name, again and again
    parts[::3] = [_NAME.sub(linked, part) for part in parts[::3]]
    del parts[2::3]
    return _PICTURE.sub(r'<a href="\1">\g<0></a>', "".join(parts))


@cache
def _public(root: Path) -> frozenset[str]:
    """Return `__all__` of the package, which need not be installed."""
    tree = ast.parse((root / "python" / "weightfill" / "__init__.py").read_text(encoding="utf-8"))
    assigned = (s for s in tree.body if isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) == "__all__")
    return frozenset(ast.literal_eval(next(assigned).value))
