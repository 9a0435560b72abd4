"""What says which parameters there are."""

import json
import math
import re
from itertools import chain, pairwise
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.bits import DTYPES
from tests.files.safetensors_bytes import entry, raw
from weightfill._checkpoints.ranges import boxes_of
from weightfill._models.manifest import Spec, specs

FLOAT32 = np.dtype(np.float32)
SHAPES = [(), (1,), (7,), (3, 4), (2, 3, 4), (1, 5, 1, 2), (2, 3, 2, 3)]


def written(path, text):
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_boxes_are_the_range_in_order_without_gaps(shape):
    elements = np.arange(math.prod(shape)).reshape(shape)
    for begin in range(elements.size + 1):
        for end in range(begin, elements.size + 1):
            parts = list(boxes_of(shape, begin, end))
            assert len(parts) <= max(1, 2 * len(shape) - 1)
            windows = [
                elements[tuple(slice(first, first + count) for first, count in zip(start, part, strict=True))]
                for start, part in parts
            ]
            inside = [np.ravel(window).tolist() for window in windows]
            assert all(window.shape == part for window, (_, part) in zip(windows, parts, strict=True))
            assert list(chain(*inside)) == list(range(begin, end))


def test_boxes_of_a_table_beyond_two_to_the_forty_elements():
    parts = list(boxes_of((2**40, 128), 2**46 - 1, 2**46 + 129))
    assert [part for _, part in parts] == [(1, 1), (1, 128), (1, 1)]
    assert all(a[0][0] + 1 == b[0][0] for a, b in pairwise(parts))


def test_shapes_are_integers_tuples_lists_arrays_and_specs():
    bfloat16 = np.dtype(ml_dtypes.bfloat16)
    found = specs(
        {
            "integer": 5,
            "tuple": (2, 3),
            "list": [np.int64(4)],
            "scalar": (),
            "array": np.empty((2, 2), np.float16),
            "parameter": SimpleNamespace(shape=(8, 1), dtype="torch.bfloat16"),
            "shaped": SimpleNamespace(shape=(8,)),
            "spec": Spec((3,), np.dtype(np.float64)),
        }
    )
    assert found == {
        "integer": ((5,), FLOAT32),
        "tuple": ((2, 3), FLOAT32),
        "list": ((4,), FLOAT32),
        "scalar": ((), FLOAT32),
        "array": ((2, 2), np.float16),
        "parameter": ((8, 1), bfloat16),
        "shaped": ((8,), FLOAT32),
        "spec": ((3,), np.float64),
    }


def test_dtype_given_is_that_of_all():
    found = specs({"array": np.empty(2, np.float32), "spec": Spec((3,), np.dtype(np.float64))}, "float16")
    assert {spec.dtype for spec in found.values()} == {np.dtype(np.float16)}


def test_manifest_has_shapes_with_or_without_dtypes(tmp_path):
    path = written(tmp_path / "m.json", {"w": [2, 3], "b": {"shape": [3], "dtype": "bfloat16"}, "s": {"shape": []}})
    assert specs(path) == {"w": ((2, 3), FLOAT32), "b": ((3,), ml_dtypes.bfloat16), "s": ((), FLOAT32)}
    assert specs(str(path), np.float64)["b"] == ((3,), np.float64)


def test_checkpoint_gives_shapes_and_dtypes(tmp_path):
    arrays = {dtype.name: np.zeros((2, 3), dtype) for dtype in DTYPES if dtype.itemsize > 1}
    save_file(arrays, tmp_path / "model.safetensors")
    wanted = {dtype.name: ((2, 3), dtype) for dtype in DTYPES if dtype.itemsize > 1}
    assert specs(None, like=tmp_path / "model.safetensors") == wanted
    assert specs(tmp_path / "model.safetensors") == wanted
    assert specs(None, np.float16, like=tmp_path / "model.safetensors")["float64"] == ((2, 3), np.float16)


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_integers_are_never_drawn_and_batch_counters_are_zeros(tmp_path, dtype):
    arrays = {
        "ids": np.arange(3),
        "mask": np.ones(3, bool),
        "n.num_batches_tracked": np.array(7),
        "w": np.ones(3, np.float32),
    }
    save_file(arrays, tmp_path / "model.safetensors")
    wanted = {"n.num_batches_tracked": ((), np.int64), "w": ((3,), FLOAT32)}
    for found in (
        specs(arrays, dtype),
        specs(specs(arrays), dtype),
        specs(tmp_path / "model.safetensors", dtype),
        specs(None, dtype, like=tmp_path / "model.safetensors"),
        specs({name: SimpleNamespace(shape=a.shape, dtype=f"torch.{a.dtype}") for name, a in arrays.items()}, dtype),
    ):
        assert found == wanted
        assert sorted(found.left) == ["ids", "mask"]
    manifest = {"w": 3, "n.num_batches_tracked": {"shape": [], "dtype": "int64"}}
    assert specs(written(tmp_path / "m.json", manifest), dtype) == wanted


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_complex_numbers_are_refused_with_a_way_out_that_works(tmp_path, dtype):
    arrays = {"z": np.ones(3, np.complex64), "w": np.ones(3, np.float32)}
    save_file(arrays, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"^shapes\['z'\]: dtype must be one of .*, got complex64; .*leave this one out$"
    ):
        specs(arrays, dtype)
    with pytest.raises(ValueError, match=r"\['z'\] must be of one of .*, got C64; give a mapping of shapes without"):
        specs(tmp_path / "model.safetensors", dtype)


def test_other_dtypes_of_a_checkpoint_need_one_for_all(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw({"w": entry("F8_E8M0", [4], 0, 4)}, bytes(4)))
    with pytest.raises(ValueError, match=r"\['w'\] must be of one of float32, .*, got F8_E8M0; give a dtype for all"):
        specs(path)
    assert specs(path, "float32")["w"] == ((4,), FLOAT32)


@pytest.mark.parametrize("suffix", [".index.json", ".index.fp16.json"])
def test_the_index_of_a_variant_is_an_index(tmp_path, suffix):
    save_file({"w": np.ones((2, 3), np.float16)}, tmp_path / "model.safetensors")
    index = tmp_path / f"model.safetensors{suffix}"
    index.write_text(json.dumps({"weight_map": {"w": "model.safetensors"}}))
    assert specs(index) == specs(None, like=index) == {"w": ((2, 3), np.float16)}


BAD_SHAPES = [
    ([3, -1], ValueError, r"must have no negative dimension, got \(3, -1\)"),
    ([3, 1.5], TypeError, r"must be a shape such as \(1024, 128\), got \[3, 1.5\]"),
    ([3, 2.0], TypeError, r"must be a shape such as \(1024, 128\), got \[3, 2.0\]"),
    ([True], TypeError, r"must be a shape such as \(1024, 128\), got \[True\]"),
    ("3", TypeError, r"must be a shape such as \(1024, 128\), got '3'"),
    (None, TypeError, r"must be a shape such as \(1024, 128\), got None"),
    ([[3]], TypeError, r"must be a shape such as \(1024, 128\), got \[\[3\]\]"),
    ([2**31, 2**30], ValueError, r"must need less than 2\^63 bytes, got \(2147483648, 1073741824\) of float32"),
    ([10**30], ValueError, r"must need less than 2\^63 bytes, got "),
    ([0, 2**62], ValueError, r"must need less than 2\^63 bytes, got "),
    ([1] * 65, ValueError, r"must have at most 64 dimensions, got 65"),
]


@pytest.mark.parametrize(("shape", "error", "message"), BAD_SHAPES, ids=lambda value: str(value)[:20])
def test_bad_shape_is_an_error_that_names_the_parameter(tmp_path, shape, error, message):
    path = written(tmp_path / "m.json", {"fine": [2], "h.0.w": shape})
    with pytest.raises(error, match=rf"^{re.escape(str(path))}\['h.0.w'\] {message}"):
        specs(path)
    if shape is not None:
        with pytest.raises(error, match=rf"^shapes\['h.0.w'\] {message}"):
            specs({"h.0.w": shape})


def test_tensor_of_one_byte_less_than_the_limit_is_fine():
    assert specs({"w": 2**63 - 1}, "float8_e5m2")["w"].shape == (2**63 - 1,)


BAD_MANIFESTS = [
    ("", r"must be a manifest in JSON, got .*: Expecting value"),
    ("{", "must be a manifest in JSON, got "),
    ("\xff", "must be a manifest in JSON, got "),
    ("[" * 100_000, "must be a manifest in JSON, got "),
    ('{"w": ' + "9" * 5000 + "}", "must be a manifest in JSON, got .*: an integer of 5,000 digits"),
    ('{"w": ' + "9" * 500 + "}", "must need less than 2.63 bytes, got "),
    (
        '{"model_type": "gpt2", "n_layer": 12}',
        "must be a manifest in JSON, got .*, the config of a model of type 'gpt2'; weightfill record --config writes",
    ),
    ("[1]", "must be a JSON object, name -> shape, got .* with a list"),
    ('{"w": [1], "w": [2]}', "must be a manifest in JSON, got .*: 'w' occurs twice"),
    ('{"w": {"shape": [1], "shape": [2]}}', "must be a manifest in JSON, got .*: 'shape' occurs twice"),
    ('{"w": {"dtype": "float32"}}', r"\['w'\] must have a 'shape', got {'dtype': 'float32'}"),
    (
        '{"w": {"shape": [1], "type": "F32"}}',
        r"\['w'\] must have no keys but 'shape', .* or 'tied_to' alone, got 'type'",
    ),
    ('{"w": {"shape": [1], "dtype": "int8"}}', r"\['w'\]: dtype must be one of float32, .*, got 'int8'"),
    ('{"w": {"shape": [1], "dtype": "(,)f4"}}', r"\['w'\]: dtype must be one of float32, .*, got '\(,\)f4'; give a"),
    ('{"w": {"shape": [1], "dtype": null}}', r"\['w'\]: dtype must be one of float32, .*, got None"),
    ('{"__metadata__": [1]}', "must not have '__metadata__' for a name"),
    ('{"\\ud800": [1]}', "must have names that can be written in UTF-8, got "),
]


@pytest.mark.parametrize(("text", "message"), BAD_MANIFESTS, ids=[text[:30].encode() for text, _ in BAD_MANIFESTS])
def test_bad_manifest_is_an_error_of_one_line(tmp_path, text, message):
    path = tmp_path / "m.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message) as caught:
        specs(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_wrong_kinds_are_errors(tmp_path):
    with pytest.raises(TypeError, match=r"^shapes must be given, or like instead, got shapes=None, like=None$"):
        specs(None)
    with pytest.raises(TypeError, match="^shapes must be given, or like instead"):
        specs({"w": 1}, like=tmp_path)
    with pytest.raises(TypeError, match=r"^like must be the path of a checkpoint, got 5$"):
        specs(None, like=5)
    with pytest.raises(
        TypeError, match=r"^shapes must be a mapping from names to shapes, or a path, got \[1\]; of pairs"
    ):
        specs([1])
    with pytest.raises(TypeError, match=r"^shapes must have strings for names, got 5$"):
        specs({5: (1,)})
    with pytest.raises(TypeError, match=r"^dtype must be one of"):
        specs({"w": 1}, "int8")
    with pytest.raises(FileNotFoundError):
        specs(tmp_path / "missing.json")


@pytest.mark.parametrize(
    "shape", [(n for n in (2, 3)), b"23", bytearray(b"23"), {2, 3}, {2: 3}], ids=lambda s: type(s).__name__
)
def test_a_shape_is_a_tuple_or_a_list(shape):
    with pytest.raises(TypeError, match=r"^shapes\['w'\] must be a shape such as \(1024, 128\), got "):
        specs({"w": shape})
