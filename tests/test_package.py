"""What the package shows of itself."""

import subprocess
import sys
from pathlib import Path

import pytest

import weightfill as wf


def test_dir_has_the_public_names():
    assert set(dir(wf)) == {*wf.__all__, "benchmark", "torch", "jax", "keras", "dask", "signals", "__version__"}


def test_what_users_do_not_import_begins_with_an_underscore():
    package = Path(wf.__file__).parent
    modules = [file.relative_to(package).with_suffix("").parts for file in package.rglob("*.py")]
    public = {parts[:-1] if parts[-1] == "__init__" else parts for parts in modules}
    public = {".".join(parts) for parts in public if not any(part.startswith("_") for part in parts)}
    assert public == {"", "benchmark", "torch", "jax", "keras", "dask", "signals", "typing"}


MEANT = {
    "TruncNormal": "; did you mean weightfill.TruncatedNormal?",
    "kaiming_normal": "; did you mean weightfill.KaimingNormal?",
    "kaiming_normal_": "; did you mean weightfill.KaimingNormal or weightfill.torch.kaiming_normal_?",
    "trunc_normal_": "; did you mean weightfill.TruncatedNormal or weightfill.torch.trunc_normal_?",
    "Kaiming": "; did you mean weightfill.KaimingNormal or weightfill.KaimingUniform?",
    "creat": "; did you mean weightfill.create?",
    "qqq": "",
    "__path_of__": "",
}


@pytest.mark.parametrize("name", MEANT)
def test_an_unknown_attribute_gets_the_name_that_is_meant(name):
    with pytest.raises(AttributeError) as caught:
        getattr(wf, name)
    assert str(caught.value) == f"weightfill has no attribute {name!r}{MEANT[name]}"


def test_frameworks_are_imported_when_they_are_used():
    code = (
        "import sys, weightfill as wf\n"
        "dir(wf), hasattr(wf, 'qqq')\n"
        "assert not {'torch', 'jax', 'keras', 'dask', 'weightfill.torch'} & set(sys.modules)\n"
        "try:\n    wf.dask\nexcept ImportError:\n    pass\n"
        "else:\n    assert sys.modules['weightfill.dask'] is wf.dask\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
