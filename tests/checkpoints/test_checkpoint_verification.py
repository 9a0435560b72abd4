"""Verification says what has been trained or damaged."""

import numpy as np
import pytest

import weightfill as wf
from tests.files.safetensors_bytes import entry, raw
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._files.safetensors_file import entries, open_checkpoint
from weightfill._plan import Plan

NORMAL = Plan({"*": wf.Normal(std=0.02)}, seed=42)
INDEX = "m.safetensors.index.json"


def trained(path, name, index, value):
    """Change an element of a file."""
    place = entries(path)[name]
    array = np.memmap(place.file, place.dtype, "r+", place.offset, place.shape)
    array[index] = value
    array.flush()


def test_verification_says_what_has_changed(tmp_path):
    path = tmp_path / "m.safetensors"
    plan = Plan({"*.bias": wf.Zeros(), "*": wf.Normal()}, seed=42)
    plan.write(path, {"fc.weight": (5000, 1000), "fc.bias": 1000, "out.weight": (3, 5)})
    assert str(verify_checkpoint(path, plan)) == "3 of 3 tensors have their initial values"
    trained(path, "fc.weight", (4321, 7), 9.0)
    trained(path, "fc.weight", (4999, 999), 9.0)
    trained(path, "fc.bias", 5, -0.0)
    result = verify_checkpoint(path, plan)
    assert not result
    assert not result.equal
    assert list(result) == ["fc.weight", "fc.bias", "out.weight"]
    found = result["fc.weight"].verification
    assert (found.differing, found.total, found.index, float(found.found)) == (2, 5_000_000, (4321, 7), 9.0)
    assert found.expected == wf.create((5000, 1000), wf.Normal(), seed=42, stream="fc.weight")[4321, 7]
    assert result["fc.bias"].verification.index == (5,)
    assert result["out.weight"]
    lines = str(result).splitlines()
    assert lines[0].startswith("fc.weight: 2 of 5000000 elements differ, the first at (4321, 7): expected ")
    assert lines[1] == "fc.bias: 1 of 1000 elements differ, the first at (5,): expected 0.0, found -0.0"
    assert lines[2:] == ["1 of 3 tensors have their initial values"]


def test_verification_finds_changes_in_every_shard_block_and_box(tmp_path, monkeypatch):
    monkeypatch.setattr("weightfill._files.blockwise._BLOCK_BYTES", 1000)
    shapes = {"a": (31, 7, 11), "b": (5000,), "s": ()}
    NORMAL.write(tmp_path / "m.safetensors", shapes, "bfloat16", shard_bytes=5000)
    index = tmp_path / INDEX
    assert verify_checkpoint(index, NORMAL)
    for place in ((0, 0, 0), (12, 3, 4), (30, 6, 10)):
        before = open_checkpoint(index)["a"][place].copy()
        trained(index, "a", place, 3)
        found = verify_checkpoint(index, NORMAL)["a"].verification
        assert (found.differing, found.index, found.total) == (1, place, 31 * 7 * 11)
        trained(index, "a", place, before)
    assert verify_checkpoint(index, NORMAL)


def test_verification_with_shapes_knows_what_is_missing_and_what_is_not_expected(tmp_path):
    path = tmp_path / "m.safetensors"
    NORMAL.write(path, {"a": 3, "b": (2, 3), "c": 4})
    result = verify_checkpoint(path, NORMAL, shapes={"a": 3, "b": (3, 2), "d": 4})
    assert str(result).splitlines() == [
        "b: of shape (2, 3) instead of (3, 2)",
        "d: missing",
        "c: not expected",
        "1 of 4 tensors have their initial values",
    ]
    assert result["d"].verification is None


def test_verification_lists_integers_without_comparing_them(tmp_path):
    content = {"ids": entry("I64", [2], 0, 16), "w": entry("F32", [2], 16, 24)}
    (tmp_path / "m.safetensors").write_bytes(raw(content, bytes(24)))
    result = verify_checkpoint(tmp_path / "m.safetensors", Plan({"*": wf.Zeros()}))
    assert str(result).splitlines() == [
        "ids: not compared, its dtype is I64",
        "1 of 2 tensors have their initial values",
    ]


@pytest.mark.parametrize("plan", [None, {"*": wf.Zeros()}], ids=str)
def test_verification_needs_a_plan(tmp_path, plan):
    NORMAL.write(tmp_path / "m.safetensors", {"a": 3})
    with pytest.raises(TypeError, match=r"^plan must be a Plan, got "):
        verify_checkpoint(tmp_path / "m.safetensors", plan)


@pytest.mark.parametrize("path", [3, None, b"m.safetensors"], ids=str)
def test_verification_needs_a_path(path):
    for read in (open_checkpoint, lambda path: verify_checkpoint(path, NORMAL)):
        with pytest.raises(TypeError, match=rf"^path must be a path, got {path!r}; give a string or a pathlib\.Path$"):
            read(path)
        with pytest.raises(ValueError, match=r"^path must have no null character, got 'x\\x00\.safetensors'$"):
            read("x\0.safetensors")


def test_verification_has_the_errors_of_the_plan(tmp_path):
    NORMAL.write(tmp_path / "m.safetensors", {"a": 3})
    with pytest.raises(ValueError, match="'a'"):
        verify_checkpoint(tmp_path / "m.safetensors", Plan({"b": wf.Zeros()}))
    with pytest.raises(ValueError, match="'b'"):
        verify_checkpoint(tmp_path / "m.safetensors", Plan({"b": wf.Zeros(), "*": wf.Zeros()}))


def test_notebooks_show_what_differs(tmp_path):
    NORMAL.write(tmp_path / "m.safetensors", {"a<b": 3, "c": 3})
    plan = Plan({"a*": wf.Zeros(), "*": wf.Normal(std=0.02)}, seed=42)
    found = verify_checkpoint(tmp_path / "m.safetensors", plan)._repr_html_()
    assert "<tr><td>a&lt;b</td><td>3 of 3 elements differ, the first at (0,): expected 0.0, found " in found
    assert found.endswith("<p>1 of 2 tensors have their initial values</p>")
    found = verify_checkpoint(tmp_path / "m.safetensors", NORMAL)._repr_html_()
    assert found == "<table><thead></thead><tbody></tbody></table><p>2 of 2 tensors have their initial values</p>"
