"""pyproject.toml, CITATION.cff and CHANGELOG.md name one version, with one date."""

import re

from tests.repository import ROOT


def found(pattern, name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.search(pattern, text, re.MULTILINE)[1]


VERSION = found(r'^version = "(.+)"$', "pyproject.toml")


def test_the_changelog_has_a_section_for_the_version():
    assert found(r"^## \[(\d.+)\]", "CHANGELOG.md") == VERSION


def test_the_version_to_cite_is_this_one():
    assert found(r"^version: (.+)$", "CITATION.cff") == VERSION


def test_the_version_to_cite_has_the_date_of_the_changelog():
    released = found(r"^date-released: (.+)$", "CITATION.cff")
    assert found(rf"^## \[{re.escape(VERSION)}\] - (.+)$", "CHANGELOG.md") == released
