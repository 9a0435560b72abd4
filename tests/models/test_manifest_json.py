"""Manifests as JSON documents: ties, buffers with values, rows of zeros."""

import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

import weightfill as wf
from weightfill._models.manifest import specs
from weightfill._models.manifest_json import Entry, json_of, manifest_text, values_of

PLAN = wf.Plan({"*": wf.Normal(std=0.02)}, seed=42)
DOCUMENT = {
    "table": {"shape": [5, 4], "dtype": "float32", "zero_rows": [0, 3]},
    "head": {"tied_to": "table"},
    "ids": {"shape": [1, 3], "dtype": "int64", "buffer": True, "values": [[2, 0, 1]]},
    "mask": {"shape": [2, 2], "dtype": "bool", "values": True},
    "scale": {"shape": [3], "dtype": "float32", "buffer": True, "values": [1.5, -0.0, 0.10000000149011612]},
    "bias": [3],
}


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def drawn(name, shape):
    return wf.create(shape, wf.Normal(std=0.02), seed=42, stream=name)


def test_a_checkpoint_has_what_the_manifest_says(tmp_path, manifest):
    (file,) = PLAN.write(tmp_path / "model.safetensors", manifest)
    found = load_file(file)
    assert sorted(found) == ["bias", "ids", "mask", "scale", "table"]
    table = drawn("table", (5, 4))
    table[[0, 3]] = 0
    wanted = {
        "table": table,
        "bias": drawn("bias", (3,)),
        "ids": np.array([[2, 0, 1]]),
        "mask": np.ones((2, 2), bool),
        "scale": np.array([1.5, -0.0, 0.1], np.float32),
    }
    for name, array in wanted.items():
        assert (found[name].dtype, found[name].tobytes()) == (array.dtype, array.tobytes())
    assert wf.verify_checkpoint(file, PLAN, shapes=manifest)


def test_values_are_rounded_to_the_dtype_of_all_and_integers_stay(tmp_path, manifest):
    (file,) = PLAN.write(tmp_path / "model.safetensors", manifest, "bfloat16")
    found = wf.verify_checkpoint(file, PLAN, shapes=manifest)
    assert found
    assert len(found) == 5
    assert specs(manifest, "bfloat16")["ids"].dtype == np.int64
    assert specs(specs(manifest), "bfloat16").known["scale"].dtype == ml_dtypes.bfloat16


def test_a_verification_finds_other_values_of_buffers(tmp_path, manifest):
    (file,) = PLAN.write(tmp_path / "model.safetensors", manifest)
    for name, values in (("ids", [[2, 0, 2]]), ("mask", False), ("scale", [1.5, 0.0, 0.10000000149011612])):
        other = tmp_path / "other.json"
        other.write_text(json.dumps({**DOCUMENT, name: {**DOCUMENT[name], "values": values}}))
        found = wf.verify_checkpoint(file, PLAN, shapes=other)
        assert [one for one in found if not found[one]] == [name]


def test_explain_names_what_has_values_and_what_is_tied(manifest):
    found = PLAN.explain(manifest)
    assert [parameter.name for parameter in found] == ["table", "bias"]
    assert found.remarks() == ["head is tied to table", "with values that are known: ids, mask, scale"]


def test_a_buffer_is_drawn_by_a_rule_of_its_own_only(tmp_path, manifest):
    own = wf.Plan([("scale", wf.Ones()), *PLAN.rules], seed=42)
    (file,) = own.write(tmp_path / "model.safetensors", manifest)
    assert load_file(file)["scale"].tolist() == [1, 1, 1]
    document = {"weight": [2, 2], "noise": {"shape": [2], "buffer": True}}
    manifest.write_text(json.dumps(document))
    assert list(PLAN.tensors(manifest)) == ["weight"]
    assert list(wf.Plan({"noise": wf.Normal(), "*": wf.Zeros()}, seed=1).tensors(manifest)) == list(document)


def test_statistics_of_norms_have_the_values_of_the_manifest_if_it_has_some(tmp_path, manifest):
    kinds = {"running_mean": {"shape": [2]}, "running_var": {"shape": [2]}}
    counter = {"shape": [], "dtype": "int64", "buffer": True}
    document = {"w": [2], "n.num_batches_tracked": counter}
    for name, entry in kinds.items():
        document[f"n.{name}"] = {**entry, "buffer": True}
        document[f"frozen.{name}"] = {**entry, "values": 0.5}
    document["frozen.num_batches_tracked"] = {**counter, "values": 7}
    manifest.write_text(json.dumps(document))
    (file,) = PLAN.write(tmp_path / "model.safetensors", manifest)
    found = {name: array.tolist() for name, array in load_file(file).items() if name != "w"}
    assert found == {
        "n.running_mean": [0, 0],
        "n.running_var": [1, 1],
        "n.num_batches_tracked": 0,
        "frozen.running_mean": [0.5, 0.5],
        "frozen.running_var": [0.5, 0.5],
        "frozen.num_batches_tracked": 7,
    }
    assert wf.verify_checkpoint(file, PLAN, shapes=manifest)


def test_a_stream_may_be_another_than_the_name(tmp_path, manifest):
    manifest.write_text(json.dumps({"module.w": {"shape": [4], "stream": "module.w"}}))
    tensor = wf.Plan({"module.*": wf.Normal(std=0.02)}, seed=42).tensors(manifest)["module.w"]
    assert tensor[:].tobytes() == drawn("module.w", (4,)).tobytes()
    manifest.write_text(json.dumps({"module.w": {"shape": [4]}}))
    assert PLAN.tensors(manifest)["module.w"].stream == "w"


BAD = [
    ({"tied_to": 5}, r": tied_to must be the name of another tensor, got 5"),
    ({"tied_to": "none"}, r" must be tied to another tensor, got 'none', which is not there"),
    ({"tied_to": "w"}, r" must be tied to another tensor, got 'w', which is tied itself"),
    ({"tied_to": "v", "shape": [3]}, r" must have no other key beside 'tied_to', got 'shape'"),
    ({"shape": [3], "buffer": 1}, r": buffer must be true or false, got 1"),
    ({"shape": [3], "buffer": False, "values": 1}, r": values must be those of a buffer, got a parameter; a plan says"),
    ({"shape": [3], "stream": None}, r": stream must be a string, got None"),
    ({"shape": [3], "zero_rows": [-1]}, r": zero_rows must be a list of rows, got \[-1\]"),
    ({"shape": [3], "values": [1, 2]}, r": values must be numbers of shape 3, or one for all, got \[1, 2\]"),
    ({"shape": [2, 2], "values": [[1], [1, 2]]}, r": values must be numbers of shape 2 x 2, or one for all, got "),
    ({"shape": [], "values": ["x"]}, r": values must be numbers of shape a scalar, or one for all, got \['x'\]"),
    ({"shape": [2], "values": None, "dtype": "int64"}, r": dtype must be one of .*, got 'int64'"),
    ({"shape": [2], "values": "a"}, r": values must be numbers of shape 2, or one for all, got 'a'"),
    ({"shape": [2], "dtype": "int8", "values": [1, 200]}, r": values must be those of int8, got \[1, 200\]"),
    ({"shape": [2], "dtype": "int8", "values": [1, 0.5]}, r": values must be those of int8, got \[1, 0.5\]"),
    ({"shape": [2], "dtype": "bool", "values": 2}, r": values must be those of bool, got 2"),
    ({"shape": [2], "dtype": "int4", "values": 2}, r": dtype must be one of .*, got 'int4'; leave this one out"),
    (
        {"shape": [2], "dtype": "complex64", "values": 2},
        r": dtype must be one of .*, got 'complex64'; .*leave",
    ),
]


@pytest.mark.parametrize(("entry", "message"), BAD, ids=lambda value: str(value)[:40])
def test_a_wrong_entry_is_an_error_that_names_it(manifest, entry, message):
    manifest.write_text(json.dumps({"v": [3], "w": entry}))
    with pytest.raises(ValueError, match=rf"\['w'\]{message}"):
        specs(manifest)


VALUES = [
    np.arange(6).reshape(2, 3),
    np.zeros((2, 0)),
    np.array(7),
    np.full((2, 3), True),
    np.array([True, False]),
    np.array([0.0, -0.0], np.float32),
    np.array([np.nan, np.inf, -np.inf], np.float16),
    np.array([0.1, 1e-40, 3e38], np.float32),
    np.array([0.1, 448, -2], ml_dtypes.float8_e4m3fn),
    np.full(3, 0.1, ml_dtypes.bfloat16),
    np.array([2**63 - 1, -(2**63)]),
    np.array([2**64 - 1, 0], np.uint64),
]


@pytest.mark.parametrize("values", VALUES, ids=lambda values: f"{values.dtype} {values.shape}")
def test_values_are_read_back_bit_for_bit(tmp_path, values):
    text = manifest_text({"b": Entry(values.shape, values.dtype.name, True, json_of(values, "b"))}, {"c": "b"})
    path = tmp_path / "m.json"
    path.write_text(text)
    found = specs(path)
    assert found.ties == {"c": "b"}
    assert (found["b"].shape, found.known["b"].dtype) == (values.shape, values.dtype)
    assert found.known["b"].tobytes() == values.tobytes()
    given = json.loads(text)["b"]["values"]
    assert values_of(given, values.shape, values.dtype, values.dtype, "b").tobytes() == values.tobytes()


def test_too_many_values_are_refused_with_a_way_out():
    assert json_of(np.zeros((2000, 2000)), "mask") == 0
    with pytest.raises(ValueError, match=r"^mask must have at most 1,048,576 values to stand in .*, got 4,000,000;"):
        json_of(np.arange(4_000_000), "mask")
