"""Records of speed, the page that is drawn of them, and the check of a checkout against the last one."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from benchmarks.history import __main__ as command
from benchmarks.history import check, machine, page, recording, records

from tests.repository import DOCS
from weightfill.benchmark import Comparison

EPYC = machine.Machine("AMD EPYC (family 25, model 17)", 2, "avx512", "Linux")
NEOVERSE = machine.Machine("Neoverse-N1 (model 1)", 4, "neon", "Linux")

STORED = records.load_all()


def made(release, date, on=EPYC, **shares):
    cases = {
        f"test_fill[{law}-float32-256MB-{on.threads}threads]": records.Case(share, share, share, 10.0, 20.0)
        for law, share in (shares or {"constant": 1.0, "normal": 0.25}).items()
    }
    return records.Record(release, "f" * 40, date, on, "3.11.7", "2.4.6", 1, {"before": [0.1], "after": [0.2]}, cases)


FIRST, SECOND = made("0.1.0", "2026-01-01T00:00+00:00"), made("0.2.0", "2026-02-01T00:00+00:00", normal=0.5)


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = FIRST.save(tmp_path)
    assert path == tmp_path / "amd-epyc-family-25-model-17-2-avx512-linux" / "0.1.0.json"
    assert records.load(path) == FIRST
    assert path.read_text().count("\n") < 40
    SECOND.save(tmp_path)
    made("0.0.9", "2025-12-01T00:00+00:00", NEOVERSE).save(tmp_path)
    assert [record.release for record in records.load_all(tmp_path)] == ["0.0.9", "0.1.0", "0.2.0"]


@pytest.mark.parametrize("change", [{"schema": 2}, {"cases": 3}, {"machine": {}}, {"extra": 1}, {"schema": None}])
def test_another_file_is_no_record(tmp_path, change):
    path = FIRST.save(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(records.UnusableRecordError, match=f"^{re.escape(str(path))} must be a record of the history: "):
        records.load(path)


@pytest.mark.parametrize("record", STORED, ids=lambda record: record.release)
def test_stored_records_lie_where_they_are_looked_for(record):
    path = records.FOLDER / record.machine.folder / f"{record.release}.json"
    assert path.read_text(encoding="utf-8") == record.to_json()
    assert re.fullmatch("[0-9a-f]{40}", record.commit)
    assert all(0 < case.low <= case.share <= case.high for case in record.cases.values())


def test_the_page_of_the_site_is_that_of_the_stored_records(tmp_path):
    paths = page.draw(STORED, tmp_path)
    assert paths == [tmp_path / "performance" / "history.md", tmp_path / "images" / "history.png"]
    assert paths[0].read_text(encoding="utf-8") == (DOCS / "performance" / "history.md").read_text(encoding="utf-8")
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert (DOCS / "images" / "history.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_has_a_table_for_each_machine_and_a_column_for_each_release(tmp_path):
    other = made("0.2.0", "2026-03-01T00:00+00:00", NEOVERSE, uniform=0.8)
    text = page.page([FIRST, SECOND, other])
    assert "## AMD EPYC (family 25, model 17), 2 threads, avx512, Linux\n" in text
    assert "| share of the ceiling | 0.1.0 | 0.2.0 |\n| --- | ---: | ---: |\n" in text
    assert "| constant, float32 | 1.00 |  |\n| normal, float32 | 0.25 | 0.50 |\n" in text
    assert "## Neoverse-N1 (model 1), 4 threads, neon, Linux\n" in text
    assert "| uniform, float32 | 0.80 |\n" in text
    assert "Linux, 0.2.0 reaches normal 0.50; on Neoverse-N1" in page.alternative([FIRST, SECOND, other])
    page.draw([FIRST, SECOND, other], tmp_path)


@pytest.mark.parametrize(("before", "after", "busy"), [(0.4, 2.4, False), (0.6, 2.0, True), (0.1, 2.6, True)])
def test_the_page_says_where_others_used_the_machine(before, after, busy):
    record = dataclasses.replace(FIRST, load={"before": [before, 0.0, 0.0], "after": [after, 0.0, 0.0]})
    text = page.page([record])
    assert f"load before and after: {before:g} and {after:g}" in text
    assert ("others used the machine" in text) == busy


def test_runs_are_summed_up_by_their_median_and_their_ends():
    runs = [
        {"a": {"share_of_ceiling": share, "gb_per_s": 10 * share, "ceiling_gb_per_s": 10.0}, **more}
        for share, more in ((0.123456, {}), (0.5, {"b": {}}), (0.2, {}))
    ]
    assert recording.summary(runs) == {"a": records.Case(0.2, 0.1235, 0.5, 2.0, 10.0)}
    with pytest.raises(recording.RunFailedError, match=r"^pytest benchmarks reached no share of the ceiling$"):
        recording.summary([{}])


@pytest.mark.slow
def test_a_run_of_the_benchmarks_becomes_a_record(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # within which pytest-benchmark measures nothing
    monkeypatch.setattr(recording, "git", lambda *arguments: "a" * 40)
    case = "constant-float32-4KB-1thread"
    arguments = ["--records", str(tmp_path), "record", "--runs", "1", "--release", "9.9", "-k", f"test_fill and {case}"]
    assert command.main(arguments) == 0
    (saved,) = records.load_all(tmp_path)
    assert capsys.readouterr().out == f"{tmp_path / saved.machine.folder / '9.9.json'}\n"
    assert (saved.release, saved.machine, saved.runs) == ("9.9", machine.this_machine(), 1)
    assert list(saved.cases) == [f"test_fill[{case}]"]


def test_a_record_needs_a_checkout_of_git(monkeypatch, tmp_path):
    monkeypatch.setattr(recording, "ROOT", tmp_path / "nowhere")
    with pytest.raises(recording.RunFailedError, match=r"^a record must be made in a checkout of git: "):
        recording.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("Model name:  AMD EPYC\nCPU family:  25\nModel:  17\nStepping: 1", "AMD EPYC (family 25, model 17)"),
        ("Vendor ID: ARM\nModel name: Neoverse-N1\nModel: 1", "Neoverse-N1 (model 1)"),
        ("Model name: -\nModel: 2", "model 2"),
        ("Model name: Some CPU @ 2.00GHz\nCPU family: -", "Some CPU @ 2.00GHz"),
    ],
)
def test_a_cpu_has_the_name_that_lscpu_prints(printed, name):
    assert machine.name_of_lscpu(printed) == name


def test_the_record_to_compare_with_is_the_last_of_this_machine_or_else_of_any():
    assert check.reference([FIRST, SECOND, made("0.3.0", "2026-04-01T00:00+00:00", NEOVERSE)], EPYC) == SECOND
    assert check.reference([FIRST, SECOND], NEOVERSE) == SECOND
    assert check.reference([], EPYC) is None


def test_without_a_record_there_is_nothing_to_compare(tmp_path, capsys):
    assert command.main(["--records", str(tmp_path), "check"]) == 0
    assert "No release is recorded" in capsys.readouterr().out


GIT = """#!{python}
import sys, tarfile
if "cat-file" in sys.argv:
    sys.exit(sys.argv[-1] != "{commit}^{{commit}}")
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    archive.add("{folder}/speed.txt", "speed.txt")
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """What stands for git, with one commit of one file; its folder and the commit."""
    commit, programs = "a" * 40, tmp_path / "programs"
    programs.mkdir()
    (tmp_path / "speed.txt").write_text("fast\n")
    (programs / "git").write_text(GIT.format(python=sys.executable, commit=commit, folder=tmp_path))
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return tmp_path, commit


def test_the_files_of_a_commit_are_unpacked(repository, tmp_path):
    folder, commit = repository
    assert check.unpacked(folder, commit, tmp_path / "old")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["speed.txt"]


def test_a_clone_that_lacks_the_commit_says_so_and_does_not_fail(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, "this_machine", lambda: NEOVERSE)
    assert check.check([SECOND], repository[0], 0.1, 3) == 0
    printed = capsys.readouterr().out
    assert f"No record of this machine; that one is of {EPYC}." in printed
    assert (
        f"Commit {SECOND.commit} is not in this clone, so its wheel cannot be built and nothing is decided." in printed
    )
    assert f"git fetch --depth=1 origin {SECOND.commit}" in printed


def test_shares_of_today_are_shown_beside_those_of_the_record(tmp_path, monkeypatch):
    def run(python, expression, saved):
        info = {"share_of_ceiling": 0.2}
        name = "test_fill[normal-float32-256MB-2threads]"
        saved.write_text(json.dumps({"benchmarks": [{"name": name, "extra_info": info}]}))
        return 0

    monkeypatch.setattr(check, "run", run)
    text = check.beside_the_record(FIRST, EPYC, tmp_path / "run.json")
    assert re.search(r"normal-float32-256MB-2threads\] +0\.250 \(0\.250 to 0\.250\) +0\.200\n", text)
    assert "Recorded at load averages of 0.1 and 0.2." in text


def comparison(change, reach):
    return Comparison(1.0, 1.0 / change, change, change / reach, change * reach, 0.95, 5, 0.1)


@pytest.mark.parametrize(
    ("first", "second", "code", "said"),
    [
        ((1.0, 1.01), None, 0, "0 of 2 cases fell by more than 10%, 0 are too noisy to say"),
        ((1.0, 1.5), None, 0, "0 of 2 cases fell by more than 10%, 1 are too noisy to say"),
        ((0.5, 1.01), (0.5, 1.01), 1, "1 of 2 cases fell by more than 10%, 0 are too noisy to say"),
        ((0.5, 1.01), (1.0, 1.01), 0, "0 of 2 cases fell by more than 10%, 0 are too noisy to say"),
        ((0.5, 3.0), (0.5, 1.1), 1, "1 of 2 cases fell by more than 10%, 0 are too noisy to say"),
        ((0.5, 3.0), (0.8, 1.2), 0, "0 of 2 cases fell by more than 10%, 1 are too noisy to say"),
    ],
)
def test_a_case_fell_if_it_seemed_slower_and_fell_when_it_was_measured_again(
    first, second, code, said, monkeypatch, capsys
):
    asked = []

    def compare(old, new, script, *, pairs, allowed, tasks):
        asked.append((pairs, tasks))
        results = {"fill": comparison(*(first if len(asked) == 1 else second)), "rows": comparison(1.0, 1.01)}
        return {name: results[name] for name in tasks or results}

    monkeypatch.setattr(check, "compare_pythons", compare)
    assert check.in_turns(Path("old"), Path("new"), 0.1, 5) == code
    assert capsys.readouterr().out.splitlines()[-1] == said
    assert asked == [(5, None)] + [(10, ["fill"])] * (second is not None)


def test_each_side_imports_its_own_weightfill(tmp_path):
    wheel = tmp_path / "weightfill-9.9-py3-none-any.whl"
    about = "weightfill-9.9.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("weightfill/__init__.py", "__version__ = '9.9'\n")
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: weightfill\nVersion: 9.9\n")
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/RECORD", "")
    old, new = check.environment(tmp_path / "old", wheel), check.environment(tmp_path / "new", None)
    code = "import numpy, weightfill; print(weightfill.__version__)"
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    printed = [
        subprocess.run([python, "-c", code], env=alone, capture_output=True, text=True, check=True).stdout.strip()
        for python in (old, new)
    ]
    assert printed[0] == "9.9"
    assert printed[1] != "9.9"


def test_the_fills_that_are_compared_run():
    script = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import runpy; t = runpy.run_path({str(check.SCRIPT)!r})['tasks']; [f() for f in t.values()]",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (script.returncode, script.stderr) == (0, "")


def test_a_page_needs_records(tmp_path, capsys):
    assert command.main(["--records", str(tmp_path), "draw", "--docs", str(tmp_path)]) == 2
    assert (
        "records must have at least 1, got none; python -m benchmarks.history record makes one"
        in capsys.readouterr().err
    )


def test_runs_of_a_record_are_counted_from_1(capsys):
    with pytest.raises(SystemExit):
        command.main(["record", "--runs", "0"])
    assert "--runs must be at least 1, got 0" in capsys.readouterr().err


def test_machines_that_differ_are_not_compared():
    changed = [dataclasses.replace(EPYC, **{field: value}) for field, value in {"threads": 4, "isa": "avx2"}.items()]
    assert len({EPYC.folder, *(other.folder for other in changed)}) == 3
