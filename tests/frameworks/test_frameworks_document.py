import re
import subprocess
import sys

import pytest

from tests.repository import DOCS

DOCUMENT = (DOCS / "frameworks.md").read_text()
SECTIONS = {
    title.lower(): body
    for title, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
}


NEEDED = {
    "torch": ["torch"],
    "jax": ["jax", "flax"],
    "keras": ["keras", "jax"],
    "dask": ["dask", "zarr"],
    "datasets": ["h5py", "zarr"],
}


@pytest.mark.parametrize("framework", NEEDED)
def test_the_code_of_the_document_runs(framework, tmp_path):
    for package in NEEDED[framework]:
        pytest.importorskip(package, reason=f"{package} is not installed")
    blocks = re.findall(r"^```python\n(.*?)^```$", SECTIONS[framework], re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    for number, block in enumerate(blocks):
        script = tmp_path / f"example_{number}.py"
        script.write_text(block)
        done = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
