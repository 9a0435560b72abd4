"""README, CONTRIBUTING and docs: their links lead somewhere, the folders they name exist, their code runs."""

import re
import shutil

import numpy as np
import pytest

import weightfill as wf
from tests.documents import DOCUMENTS, PAGES, frameworks, programs, text_of
from tests.repository import DOCS, EXAMPLES, ROOT

CODE = programs((ROOT / "README.md").read_text(encoding="utf-8"))
PLAIN = [page for page in PAGES if programs(text_of(page)) and not any(map(frameworks, programs(text_of(page))))]


def anchors(document):
    """The anchors that a forge gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_the_tree_of_contributing_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = re.search(r"## The folders\n.*?```\n(.*?)```", text, re.DOTALL)[1]
    above = {}
    for line in tree.splitlines():
        level = (len(line) - len(line.lstrip())) // 2
        for name in re.match(r"[^ ,]+(?:, [^ ,]+)*", line.strip())[0].split(", "):
            above[level] = name
            path = ROOT.joinpath(*(above[k] for k in range(level + 1)))
            assert path.exists() or path.with_suffix(".py").exists(), path


def test_every_folder_of_sources_is_in_the_tree_of_contributing():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = [p.parent for p in (ROOT / "python" / "weightfill").glob("*/__init__.py")]
    rooms += [p for p in (ROOT / "cpp" / "src").iterdir() if p.is_dir()]
    for room in rooms:
        assert re.search(rf"^ +(?:[\w/]+, )*{room.name}(?:/|,| )", text, re.MULTILINE), room


def test_rooms_that_the_architecture_names_are_there():
    text = (DOCS / "developers" / "architecture.md").read_text(encoding="utf-8")
    for name in set(re.findall(r"\b_[a-z]+(?:/[a-z_]+)*(?:\.py|/)", text)):
        assert (ROOT / "python" / "weightfill" / name).exists(), name
    for name in set(re.findall(r"\bcpp/[a-z_/]+(?:\.[ch]pp)?", text)):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PLAIN)
def test_the_code_of_the_pages_runs(page, tmp_path, monkeypatch):
    """Tests of frameworks run the pages that need one."""
    shutil.copytree(EXAMPLES / "dlrm", tmp_path / "dlrm")
    monkeypatch.chdir(tmp_path)
    names = {}
    for program in programs(text_of(page)):
        exec(program, names)


def test_code_for_arrays_runs():
    made = {}
    exec(CODE[0].replace("1_000_000", "10_000"), made)
    assert made["rows"].tobytes() == made["table"][[7, 5]].tobytes()
    assert made["part"].shape == (100, 128)
    assert (made["q"] != made["k"]).any()


def test_code_for_models_runs_and_prints_what_readme_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(CODE[1], {"np": np, "wf": wf})
    printed = capsys.readouterr().out
    *table, found = printed.splitlines()
    assert f"```\n{chr(10).join(table)}\n```\n" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert found == "4 of 4 tensors have their initial values"
