"""What the site changes in pages."""

from types import SimpleNamespace

import pytest

from docs.tools import pages
from tests.repository import ROOT


@pytest.fixture
def shown(tmp_path):
    """Returns what becomes of a page of docs/developers/, in a repository of three files."""
    (tmp_path / "docs" / "concepts").mkdir(parents=True)
    (tmp_path / "docs" / "concepts" / "plans.md").touch()
    (tmp_path / "LICENSE").touch()
    (tmp_path / "NOTES.md").write_text("[plans](docs/concepts/plans.md#rules), [this](LICENSE), not [that](#here)")

    def on(markdown, repo_url=""):
        config = SimpleNamespace(
            config_file_path=str(tmp_path / "mkdocs.yml"), docs_dir=str(tmp_path / "docs"), repo_url=repo_url
        )
        page = SimpleNamespace(file=SimpleNamespace(src_uri="developers/page.md"))
        return pages.on_page_markdown(markdown, page=page, config=config)

    return on


def test_links_to_files_that_are_no_pages_are_text(shown):
    assert shown("[plans](../concepts/plans.md), [the licence](../../LICENSE)") == (
        "[plans](../concepts/plans.md), the licence"
    )


def test_links_to_files_lead_to_a_repository_that_is_known(shown):
    assert shown("[x](../../LICENSE)", "https://h.org/a/b") == "[x](https://h.org/a/b/blob/HEAD/LICENSE)"


def test_links_that_lead_nowhere_stay_and_are_errors_of_the_build(shown):
    assert shown("[x](../../GONE.md)", "https://h.org/a/b") == "[x](../../GONE.md)"


def test_files_of_the_repository_become_pages_with_their_links(shown):
    assert shown('--8<-- "NOTES.md"\n') == "[plans](../concepts/plans.md#rules), this, not [that](#here)\n"


def test_links_may_go_over_the_end_of_a_line(shown):
    assert shown("[the\nlicence](../../LICENSE)") == "the\nlicence"


def test_sessions_are_coloured_as_such(shown):
    assert shown("```python\n>>> 1\n```\n```python\n1\n```") == "```pycon\n>>> 1\n```\n```python\n1\n```"


def content(html, source):
    config = SimpleNamespace(config_file_path=str(ROOT / "mkdocs.yml"))
    return pages.on_page_content(html, page=SimpleNamespace(file=SimpleNamespace(src_uri=source)), config=config)


def test_pictures_link_to_themselves():
    picture = '<img alt="a" src="../images/a.png" />'
    assert content(f"<p>{picture}</p>", "start.md") == f'<p><a href="../images/a.png">{picture}</a></p>'


def test_names_of_the_package_link_to_the_reference():
    name = "<code>weightfill.fill</code>"
    assert content(name, "start.md") == f'<autoref identifier="weightfill.fill">{name}</autoref>'
    assert content("<code>weightfill.gone</code>", "start.md") == "<code>weightfill.gone</code>"


def test_classes_link_without_the_package_in_concepts_only():
    name = "<code>Normal(std=1)</code>"
    assert content(name, "concepts/plans.md") == f'<autoref identifier="weightfill.Normal">{name}</autoref>'
    assert content(name, "howto/jax.md") == name


@pytest.mark.parametrize("html", ["<h2>{}</h2>", "<pre>{}</pre>", '<a href="x">{}</a>', "<td>1</td>\n<td>{}</td>"])
def test_headings_code_links_and_later_columns_stay_as_they_are(html):
    assert content(html.format("<code>Normal</code>"), "concepts/plans.md") == html.format("<code>Normal</code>")
