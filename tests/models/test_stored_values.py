"""Values with many numbers, in a file beside a plan's document."""

import re

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import weightfill as wf

LARGE = np.sin(np.arange(3000.0)).reshape(2, 1500)
SINGLE = LARGE.astype(np.float32)


def test_large_values_are_in_a_file_beside_the_document(tmp_path):
    inner = wf.Blocks((wf.Values(SINGLE[:1]), wf.Scaled(wf.Values(LARGE), 0.5), wf.Values([[1.0]])), (1, 2, 1))
    plan = wf.Plan({"a": wf.Values(SINGLE), "b": inner, "c": wf.Values(SINGLE), "*": wf.Values([1, 2])}, seed=1)
    text = plan.to_toml(values=tmp_path / "tables.safetensors")
    assert len(text) < 1000
    assert 'file = "tables.safetensors"\ntensor = "a"' in text
    assert wf.Plan.from_toml(text, folder=tmp_path) == plan
    found = {name: array.dtype.name for name, array in load_file(tmp_path / "tables.safetensors").items()}
    assert found == {"a": "float32", "b": "float32", "b 2": "float64"}
    with pytest.raises(FileExistsError):
        plan.to_toml(values=tmp_path / "tables.safetensors")
    assert plan.to_toml(values=tmp_path / "tables.safetensors", replace=True) == text


def test_small_values_need_no_file(tmp_path):
    plan = wf.Plan({"*": wf.Values(SINGLE[:, :512])})
    assert plan.to_toml(values=tmp_path / "tables.safetensors") == plan.to_toml()
    assert not list(tmp_path.iterdir())


def test_large_values_need_a_file(tmp_path):
    plan = wf.Plan({"embed.weight": wf.Values(SINGLE)})
    message = (
        "values must be at most 1,024 numbers for a document, got Values of shape (2, 1500) from -0.9999911189079285 to"
    )
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        plan.to_toml()
    assert str(caught.value).endswith(
        "of the rule 'embed.weight'; let a file beside it have them: plan.to_toml(values=\"values.safetensors\")"
    )
    with pytest.raises(ValueError, match=re.escape("safetensors")):
        plan.to_toml(values=tmp_path / "tables.npy")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ('file = "none.safetensors"\ntensor = "a"', "No such file or directory; for one elsewhere, pass folder= to"),
        ("file = 3", "file must be the path of a safetensors file with the values, got 3"),
        ('file = "t.safetensors"', "tensor must be the name of one in 't.safetensors', got None"),
        ('file = "t.safetensors"\ntensor = "z"', "tensor must be the name of one in 't.safetensors', got 'z'"),
        ('file = "t.safetensors"\ntensor = "ints"', "tensor must be one of floats, got 'ints' of I64"),
    ],
)
def test_files_without_the_values_are_refused(tmp_path, rest, message):
    save_file({"ints": np.arange(3)}, tmp_path / "t.safetensors")
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        wf.Plan.from_toml(f'[[rule]]\nmatch = "*"\ninit = "Values"\n{rest}', folder=tmp_path)
    assert str(caught.value).startswith("rule 1 (*): ")


def test_the_folder_is_a_path():
    with pytest.raises(TypeError, match="folder must be a path, got 3"):
        wf.Plan.from_toml('[[rule]]\nmatch = "*"\ninit = "Zeros"', folder=3)
