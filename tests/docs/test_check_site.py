"""What the check of a built site finds, and what it lets pass."""

import pytest

from docs.tools.check_site import problems

FINE = """<html><head><link rel="stylesheet" href="a.css"><link rel="canonical" href="https://elsewhere.net/"></head><body>
<h1 id="top-of-it">A</h1> <a href="#top-of-it">here</a> <a href="b/c.html#part%20two">there</a> <a href="b/">folder</a>
<pre>`a` >>> b</pre> <code>x[1][2]</code>
<img src="p.svg" alt="a picture"> <img src="data:image/png;base64,xyz" alt="another"><a href="mailto:a@b.net">m</a>
<a href="https://arxiv.org/abs/1502.01852">paper</a></body></html>"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c.html").write_text('<h2 id="part two">C</h2><a href="../index.html">up</a>')
    (tmp_path / "b" / "index.html").write_text("<h1>B</h1>")
    (tmp_path / "a.css").write_text("body { background: url(p.svg) }")
    (tmp_path / "p.svg").write_text("<svg/>")
    (tmp_path / "index.html").write_text(FINE)
    return tmp_path.resolve()


def test_a_site_whose_links_lead_somewhere_passes(site):
    assert not list(problems(site))


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="gone.html">x</a>', "index.html: gone.html leads to no file"),
        ('<a href="../outside.html">x</a>', "index.html: ../outside.html leads to no file"),
        ('<a href="b/c.html#gone">x</a>', "index.html: b/c.html#gone leads to no anchor of b/c.html"),
        ('<a href="#gone">x</a>', "index.html: #gone leads to no anchor of index.html"),
        ('<img src="p.svg">', "index.html: the picture p.svg has no alt text"),
        ('<img src="p.svg" alt=" ">', "index.html: the picture p.svg has no alt text"),
        ('<img src="q.svg" alt="q">', "index.html: q.svg leads to no file"),
        ('<script src="https://cdn.net/x.js"></script>', "index.html: loads https://cdn.net/x.js from elsewhere"),
        ('<link rel="preconnect" href="//fonts.net">', "index.html: loads //fonts.net from elsewhere"),
        ("<p>See `fill`.</p>", "index.html: Markdown that is not understood: 'See `fill`.'"),
        ("<p>See [<code>a</code>][b.a].</p>", "index.html: Markdown that is not understood: '][b.a].'"),
        (
            '<a href="http://arxiv.org/a">x</a>',
            "index.html: a link to another site must be https://host/path, got 'http://arxiv.org/a'",
        ),
        (
            '<a href="https://nohost/a b">x</a>',
            "index.html: a link to another site must be https://host/path, got 'https://nohost/a b'",
        ),
        (
            '<a href="https://docs.example.com/x">x</a>',
            "index.html: https://docs.example.com/x stands for an address that is not known",
        ),
    ],
)
def test_what_is_wrong_on_a_page_is_said(site, html, problem):
    (site / "index.html").write_text(f"<html><body>{html}</body></html>")
    assert list(problems(site)) == [problem]


def test_styles_load_nothing_from_elsewhere(site):
    (site / "a.css").write_text("@import '//fonts.net/a.css'; b { background: url( \"https://cdn.net/x.png\" ) }")
    assert list(problems(site)) == [
        "a.css: loads //fonts.net/a.css from elsewhere",
        "a.css: loads https://cdn.net/x.png from elsewhere",
    ]


def test_links_may_begin_at_the_root_of_the_site(site):
    (site / "b" / "index.html").write_text('<a href="/docs/b/c.html">c</a> <a href="/b/c.html">c</a>')
    (site / "404.html").write_text('<a href="/docs/index.html">home</a>')
    assert list(problems(site, "/docs/")) == ["b/index.html: /b/c.html leads to no file"]


def test_a_folder_without_pages_is_no_site(tmp_path):
    assert list(problems(tmp_path)) == [f"{tmp_path} has no HTML files"]
