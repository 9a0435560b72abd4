"""Checkpoints are opened whole or not at all."""

import json
import ntpath
import os
import re

import numpy as np
import pytest

import weightfill as wf
from tests.files.safetensors_bytes import entry, raw
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._files.safetensors_file import entries, open_checkpoint
from weightfill._plan import Plan

NORMAL = Plan({"*": wf.Normal(std=0.02)}, seed=42)
FIRST, SECOND, INDEX = "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "m.safetensors.index.json"


WHOLE = raw({"w": entry("F32", [2], 0, 8)}, bytes(8))
DAMAGED = {
    "empty": b"",
    "short": b"123",
    "cut": WHOLE[:-1],
    "cut header": WHOLE[:20],
    "longer": WHOLE + b"\0",
    "header of 2^63 bytes": (2**63).to_bytes(8, "little") + WHOLE[8:],
    "header of 2^40 bytes": (2**40).to_bytes(8, "little") + WHOLE[8:],
    "no JSON": raw(b"{no json", b""),
    "array": raw(b"[1]", b""),
    "twice": raw(b'{"w":%s,"w":%s}' % ((json.dumps(entry("F32", [2], 0, 8)).encode(),) * 2), bytes(8)),
    "overlap": raw({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, bytes(12)),
    "hole": raw({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 16, 24)}, bytes(24)),
    "lying shape": raw({"w": entry("F32", [3], 0, 8)}, bytes(8)),
    "overflow": raw({"w": entry("F32", [2**40, 2**40], 0, 8)}, bytes(8)),
    "negative": raw({"w": entry("F32", [-2], 0, 8)}, bytes(8)),
    "backwards": raw({"w": entry("F32", [2], 8, 0)}, bytes(8)),
    "beyond": raw({"w": entry("F32", [4], 0, 16)}, bytes(8)),
    "unknown dtype": raw({"w": entry("F33", [2], 0, 8)}, bytes(8)),
    "empty beyond NumPy": raw({"w": entry("F32", [0, 2**63], 0, 0)}, b""),
    "text": b"this is not a checkpoint, whatever its name says",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_file_is_an_error_of_one_line(tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    for read in (entries, open_checkpoint, lambda path: verify_checkpoint(path, NORMAL)):
        with pytest.raises(ValueError, match=rf"^file must be a whole safetensors file, got {path}: .") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_checkpoint_of_empty_tensors_is_opened(tmp_path):
    NORMAL.write(tmp_path / "m.safetensors", {"a": 0, "b": (3, 0)})
    assert {name: array.shape for name, array in open_checkpoint(tmp_path / "m.safetensors").items()} == {
        "a": (0,),
        "b": (3, 0),
    }
    assert verify_checkpoint(tmp_path / "m.safetensors", NORMAL)


def test_what_is_no_file_is_an_error(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("pipe.safetensors", "folder.safetensors"):
        with pytest.raises(ValueError, match=r"^file must be a whole .*: it is not a regular file$"):
            open_checkpoint(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        open_checkpoint(tmp_path / "missing.safetensors")


def test_every_dtype_of_the_format_is_opened(tmp_path):
    kinds = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8, "F64": 8}
    content, end = {}, 0
    for name, size in kinds.items():
        content[name] = entry(name, [2, 3], end, end := end + 6 * size)
    (tmp_path / "m.safetensors").write_bytes(raw(content, bytes(end)))
    arrays = open_checkpoint(tmp_path / "m.safetensors")
    assert {name: (array.shape, array.dtype.itemsize) for name, array in arrays.items()} == {
        name: ((2, 3), size) for name, size in kinds.items()
    }


def test_tensor_of_a_dtype_that_numpy_lacks_is_its_bytes(tmp_path, monkeypatch):
    (tmp_path / "m.safetensors").write_bytes(raw({"w": entry("F16", [2, 3], 0, 12)}, bytes(range(12))))
    monkeypatch.setattr("weightfill._files.safetensors_file._NAMES", {})
    (array,) = open_checkpoint(tmp_path / "m.safetensors").values()
    np.testing.assert_array_equal(array, np.arange(12, dtype=np.uint8), strict=True)


def test_index_that_does_not_agree_with_its_shards_is_an_error(tmp_path):
    def message_of(document):
        (tmp_path / INDEX).write_text(document if isinstance(document, str) else json.dumps(document))
        with pytest.raises(ValueError, match=re.escape(str(tmp_path / INDEX))) as caught:
            open_checkpoint(tmp_path / INDEX)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(tmp_path) + "/", "")

    NORMAL.write(tmp_path / "m.safetensors", {"a": 10, "b": 10}, shard_bytes=40)
    assert message_of({"weight_map": {"a": FIRST, "b": FIRST}}).endswith(f"{FIRST} lacks it: 'b'")
    assert message_of({"weight_map": {"a": FIRST, "b": "other"}}).endswith(f"got {INDEX} without other")
    (tmp_path / FIRST).write_bytes((tmp_path / SECOND).read_bytes())
    assert f"got {INDEX}: {FIRST}" in message_of({"weight_map": {"a": FIRST, "b": SECOND}})
    for name in ("../m.safetensors", "/etc/passwd", "a\\b", "..", "", 5, None):
        assert message_of({"weight_map": {"a": name}}).endswith(f"{name!r} is not the name of a file beside it")
    for document in ("", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": "x", "a": "y"}}', "[" * 100_000):
        assert message_of(document).startswith("file must be a whole index of a checkpoint, got ")


def test_shard_on_another_drive_is_no_file_beside_the_index(tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "split", ntpath.split)
    (tmp_path / INDEX).write_text('{"weight_map": {"a": "D:x.safetensors"}}')
    with pytest.raises(ValueError, match=r"'D:x\.safetensors' is not the name of a file beside it$"):
        open_checkpoint(tmp_path / INDEX)


def test_files_of_other_writers_need_not_be_aligned(tmp_path):
    values = np.arange(6, dtype=np.float32)
    text = json.dumps({"w": entry("F32", [6], 0, 24)}).encode()
    text += b" " * (3 - len(text) % 8 if len(text) % 8 <= 3 else 11 - len(text) % 8)
    (tmp_path / "m.safetensors").write_bytes(raw(text, values.tobytes()))
    np.testing.assert_array_equal(open_checkpoint(tmp_path / "m.safetensors")["w"], values)
    assert not verify_checkpoint(tmp_path / "m.safetensors", NORMAL)
