"""Pages with code for frameworks: each block is a whole program, which needs no other."""

import shutil
import subprocess
import sys

import pytest

from tests.documents import PAGES, frameworks, programs, text_of
from tests.repository import EXAMPLES

ELSEWHERE = {"concepts/pretraining.md", "concepts/signals.md"}  # tests of their own run these
PROGRAMS = {
    page: found for page in PAGES if page not in ELSEWHERE and any(map(frameworks, found := programs(text_of(page))))
}
# One process for a page, as importing a framework takes longer than most programs.
ALL_PROGRAMS = """
import sys
from pathlib import Path

for name in sys.argv[1:]:
    exec(compile(Path(name).read_text(encoding="utf-8"), name, "exec"), {"__name__": "__main__"})
"""


def test_the_pages_of_all_frameworks_have_code():
    names = ("torch", "transformers", "lsuv", "clusters", "checkpoints", "jax", "keras", "dask", "datasets")
    assert {f"howto/{name}.md" for name in names} <= set(PROGRAMS)


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_code_of_the_pages_runs(page, tmp_path):
    for package in sorted({package for program in PROGRAMS[page] for package in frameworks(program)}):
        pytest.importorskip(package, reason=f"{package} is not installed")
    shutil.copytree(EXAMPLES / "dlrm", tmp_path / "dlrm")
    names = [f"program_{number}.py" for number in range(len(PROGRAMS[page]))]
    for name, program in zip(names, PROGRAMS[page], strict=True):
        (tmp_path / name).write_text(program, encoding="utf-8")
    command = [sys.executable, "-c", ALL_PROGRAMS, *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
