"""README, CONTRIBUTING and docs: their links lead somewhere, the folders they name exist, their code runs."""

import re
import shutil

import pytest

import weightfill as wf
from tests.documents import DOCUMENTS, PAGES, frameworks, programs, text_of
from tests.repository import DOCS, EXAMPLES, ROOT

PLAIN = [page for page in PAGES if programs(text_of(page)) and not any(map(frameworks, programs(text_of(page))))]


def anchors(document):
    """The anchors that a forge gives to the headings of a document."""
    text = document.read_text(encoding="utf-8")
    if included := re.fullmatch(r'--8<-- "(.+)"\n', text):
        text = (ROOT / included[1]).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
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


def test_every_step_of_ci_is_explained():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    daily, nightly = (
        re.search(rf"^{kind}=\((.*)\)$", script, re.MULTILINE)[1].split() for kind in ("daily", "nightly")
    )
    rows = re.findall(r"^\| (`.*?) \| ", text_of("developers/ci.md"), re.MULTILINE)
    explained = {name: "(nightly)" in row for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert explained == {"packages": False} | dict.fromkeys(daily, False) | dict.fromkeys(nightly, True)


@pytest.mark.parametrize("page", PLAIN)
def test_the_code_of_the_pages_runs(page, tmp_path, monkeypatch):
    """Fails where the code raises, as its own asserts do. Tests of frameworks run the pages that need one."""
    shutil.copytree(EXAMPLES / "dlrm", tmp_path / "dlrm")
    monkeypatch.chdir(tmp_path)
    names = {}
    for program in programs(text_of(page)):
        exec(program, names)


def test_pages_with_code_are_found():
    assert {"start.md", "howto/embedding-tables.md", "concepts/rule.md", "concepts/threads.md"} <= set(PLAIN)


def test_the_code_of_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = {}
    (program,) = programs((ROOT / "README.md").read_text(encoding="utf-8"))
    exec(program.replace("1_000_000", "10_000"), made)
    assert made["shard"].tobytes() == made["table"][5000:6000].tobytes()
    assert wf.verify_checkpoint("model.safetensors", made["plan"])


def test_start_prints_what_it_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for program in programs(text_of("start.md")):
        exec(program, names)
    statistics, *table, found = capsys.readouterr().out.splitlines()
    mean, std = map(float, statistics.split())
    assert mean == pytest.approx(0, abs=1e-4)
    assert std == pytest.approx(0.0176, rel=1e-2)
    assert f"```text\n{chr(10).join(table)}\n```\n" in text_of("start.md")
    assert found == "4 of 4 tensors have their initial values"


def test_plans_show_the_document_that_their_code_makes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for program in programs(text_of("concepts/plans.md")):
        exec(program, names)
    assert f"```toml\n{names['text']}```\n" in text_of("concepts/plans.md")


def test_all_initializers_are_on_their_page():
    classes = [name for name in wf.__all__ if isinstance(getattr(wf, name), type)]
    drawn = {name for name in classes if issubclass(getattr(wf, name), wf.Initializer)} - {"Initializer", "WholeTensor"}
    assert drawn <= set(re.findall(r"`(\w+)", text_of("concepts/initializers.md")))
