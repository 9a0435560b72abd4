"""Datasets of h5py and zarr: the bits of arrays, whatever the chunks, in memory of a few chunks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bits import assert_same_bits

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
zarr = pytest.importorskip("zarr", reason="zarr is not installed")

import weightfill as wf  # noqa: E402
import weightfill._datasets  # noqa: E402

GUARD = 120  # seconds until a test that hangs fails
SHAPE = (37, 11)
INITIALIZERS = [
    wf.Constant(0.375),
    wf.TruncatedNormal(std=0.02),
    wf.KaimingNormal(),
    wf.Sparse(connections=3),
    wf.Padded(wf.Normal(), [0, 20]),
    wf.Blocks(wf.XavierUniform(), (30, 7)),
    wf.Sinusoid(),
    wf.Orthogonal(),
]
STORED = [
    ("hdf5", {}),
    ("hdf5", {"chunks": (5, 4)}),
    ("hdf5", {"chunks": (64, 1), "maxshape": (None, 11)}),
    ("hdf5", {"chunks": (5, 11), "compression": "gzip", "shuffle": True, "fletcher32": True}),
    ("hdf5", {"dtype": ">f4"}),
    ("zarr", {"chunks": (5, 4)}),
    ("zarr", {"chunks": (5, 4), "compressors": None}),
    ("zarr", {"chunks": (5, 4), "dtype": ">f4", "zarr_format": 2}),
    ("zarr", {"chunks": (2, 2), "shards": (8, 6)}),
]


@pytest.fixture
def stored(tmp_path):
    """A function that makes a dataset; HDF5 files are closed after the test."""
    files = []

    def make(form, shape=SHAPE, **options):
        options = {"dtype": "f4"} | options
        if form == "zarr":
            return zarr.create_array(zarr.storage.MemoryStore(), shape=shape, **options)
        files.append(h5py.File(tmp_path / f"{len(files)}.h5", "w"))
        return files[-1].create_dataset("table", shape, **options)

    yield make
    for file in files:
        file.close()


@pytest.fixture(autouse=True)
def block_bytes(monkeypatch):
    """Blocks of two chunks of 5 x 4."""
    monkeypatch.setattr(weightfill._datasets, "_BLOCK_BYTES", 160)


@pytest.mark.parametrize("init", INITIALIZERS, ids=lambda init: type(init).__name__)
@pytest.mark.parametrize(("form", "options"), STORED, ids=str)
def test_a_dataset_has_the_bits_of_an_array(stored, form, options, init):
    dataset = stored(form, **options)
    assert wf.fill(dataset, init, seed=42, stream="table") is dataset
    expected = wf.create(SHAPE, init, seed=42, stream="table")
    assert_same_bits(dataset[...].astype("f4"), expected)
    assert wf.verify(dataset, init, seed=42, stream="table") == wf.Verification(0, 407)


@pytest.mark.parametrize("block_bytes", [1, 160, 1000])
@pytest.mark.parametrize(("form", "options"), STORED[1:], ids=str)
def test_a_dataset_has_the_bits_of_an_array_for_every_size_of_block(stored, monkeypatch, block_bytes, form, options):
    monkeypatch.setattr(weightfill._datasets, "_BLOCK_BYTES", block_bytes)
    dataset = wf.Tensor(SHAPE, wf.Normal(), seed=42).fill(stored(form, **options))
    assert_same_bits(dataset[...].astype("f4"), wf.create(SHAPE, wf.Normal(), seed=42))
    assert wf.Tensor(SHAPE, wf.Normal(), seed=42).verify(dataset)


@pytest.mark.parametrize(("form", "options"), STORED, ids=str)
def test_verify_names_the_first_element_in_c_order_that_differs(stored, form, options):
    dataset = stored(form, **options)
    wf.fill(dataset, wf.Uniform(), seed=42)
    dataset[6, 1] = 7
    dataset[4, 9] = 5
    found = wf.verify(dataset, wf.Uniform(), seed=42)
    assert (found.differing, found.total, found.index, found.found) == (2, 407, (4, 9), 5)
    assert found.expected == wf.create(SHAPE, wf.Uniform(), seed=42)[4, 9]


@pytest.mark.parametrize(("form", "options"), [("hdf5", {}), ("zarr", {"zarr_format": 2})], ids=str)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8"])
def test_every_dtype_that_files_have_is_filled(stored, form, options, dtype):
    dataset = stored(form, dtype=dtype, **options)
    wf.fill(dataset, wf.Normal(), seed=1)
    native = np.dtype(dtype).newbyteorder("=")
    assert_same_bits(dataset[...].astype(native), wf.create(SHAPE, wf.Normal(), seed=1, dtype=native))


@pytest.mark.parametrize("init", INITIALIZERS, ids=lambda init: type(init).__name__)
@pytest.mark.parametrize("form", ["hdf5", "zarr"])
def test_a_dataset_may_be_a_part_of_a_larger_tensor(stored, form, init):
    dataset = stored(form, (20, 6), chunks=(7, 4))
    wf.fill(dataset, init, seed=42, shape=SHAPE, start=(9, 3))
    assert_same_bits(dataset[...], wf.create(SHAPE, init, seed=42)[9:29, 3:9])
    assert wf.verify(dataset, init, seed=42, shape=SHAPE, start=(9, 3))
    tensor = wf.Tensor(SHAPE, init, seed=42)
    assert tensor.verify(dataset, start=(9, 3))
    assert tensor.verify(tensor.fill(dataset, start=(17, 5)), start=(17, 5))


@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (3, 1, 2, 1, 2)], ids=str)
@pytest.mark.parametrize("form", ["hdf5", "zarr"])
def test_datasets_may_have_any_number_of_dimensions_and_no_elements(stored, form, shape):
    dataset = stored(form, shape)
    calls = []
    wf.fill(dataset, wf.Normal(), seed=1, progress=lambda *done: calls.append(done))
    expected = wf.create(shape, wf.Normal(), seed=1)
    assert_same_bits(np.asarray(dataset[...]), expected)
    assert wf.verify(dataset, wf.Normal(), seed=1) == wf.verify(expected, wf.Normal(), seed=1)
    assert calls == [(expected.size, expected.size)]


@pytest.mark.parametrize(("form", "options"), STORED, ids=str)
def test_no_chunk_is_written_twice(stored, form, options):
    dataset = stored(form, **options)
    unit = getattr(dataset, "shards", None) or dataset.chunks or (1, 1)
    seen = np.zeros(SHAPE, int)
    for box in weightfill._datasets._boxes(dataset, 4):
        seen[box] += 1
        for axis, step, size in zip(box, unit, SHAPE, strict=True):
            assert axis.start % step == 0
            assert axis.stop % step == 0 or axis.stop == size
    assert (seen == 1).all()


def test_blocks_are_rows_of_chunks_and_long_rows_are_cut(stored, monkeypatch):
    monkeypatch.setattr(weightfill._datasets, "_BLOCK_BYTES", 16 << 20)

    def shapes(shape, **options):
        boxes = weightfill._datasets._boxes(stored("hdf5", shape, **options), 4)
        return {tuple(axis.stop - axis.start for axis in box) for box in boxes}

    megabyte = 2**20 // 4  # elements
    assert shapes((40, megabyte)) == {(16, megabyte), (8, megabyte)}
    assert shapes((2, 20 * megabyte)) == {(1, 16 * megabyte), (1, 4 * megabyte)}
    assert shapes((40, megabyte), chunks=(8, megabyte // 8)) == {(16, megabyte), (8, megabyte)}
    assert shapes((40, megabyte), chunks=(32, megabyte)) == {(32, megabyte), (8, megabyte)}


def test_a_virtual_dataset_writes_the_files_it_is_made_of(stored, tmp_path):
    layout = h5py.VirtualLayout((4, 3), ">f4")
    for row in range(2):
        with h5py.File(tmp_path / f"part{row}.h5", "w") as file:
            file.create_dataset("rows", (2, 3), ">f4")
        layout[2 * row : 2 * row + 2] = h5py.VirtualSource(tmp_path / f"part{row}.h5", "rows", (2, 3))
    expected = wf.create((4, 3), wf.Normal(), seed=1)
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        whole = wf.fill(file.create_virtual_dataset("table", layout), wf.Normal(), seed=1)
        assert wf.verify(whole, wf.Normal(), seed=1)
    with h5py.File(tmp_path / "part1.h5") as file:
        assert_same_bits(file["rows"][...].astype("f4"), expected[2:])


@pytest.mark.parametrize("form", ["hdf5", "zarr"])
def test_progress_that_raises_stops_the_work_and_later_blocks_keep_their_values(stored, monkeypatch, form):
    monkeypatch.setattr(weightfill._datasets, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(weightfill._datasets, "TICK_SECONDS", 0)
    dataset, calls = stored(form, chunks=(5, 11)), []

    def stop(done, total):
        calls.append((done, total))
        if done == 110:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wf.fill(dataset, wf.Uniform(1, 2), seed=1, progress=stop)
    assert calls == [(55, 407), (110, 407)]
    assert_same_bits(dataset[:10], wf.create(SHAPE, wf.Uniform(1, 2), seed=1)[:10])
    assert not dataset[10:].any()


@pytest.mark.parametrize("form", ["hdf5", "zarr"])
def test_a_plan_fills_datasets_beside_arrays(stored, form):
    params = {"a.weight": stored(form), "b.weight": np.empty(SHAPE, np.float32), "b.bias": stored(form, 11)}
    params["num_batches_tracked"] = stored(form, (), dtype="i8")
    params["num_batches_tracked"][...] = 5
    plan, calls = wf.Plan({"*.bias": wf.Ones(), "*": wf.KaimingNormal()}, seed=42), []
    assert plan.fill(params, progress=lambda *done: calls.append(done)) is params
    for name in ("a.weight", "b.weight"):
        assert_same_bits(params[name][...], wf.create(SHAPE, wf.KaimingNormal(), seed=42, stream=name))
    assert (params["b.bias"][...] == 1).all()
    assert params["num_batches_tracked"][...] == 0
    assert calls[-1] == (825, 825)


def test_a_plan_fills_a_group_of_an_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.create_dataset("fc.weight", SHAPE, "f4")
        file.create_dataset("fc.bias", 37, "f4")
        plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.Normal()}, seed=1)
        plan.fill(file)
        assert wf.verify(file["fc.weight"], wf.Normal(), seed=1, stream="fc.weight")
        file["fc.tied"] = file["fc.weight"]
        with pytest.raises(ValueError, match=r"params must have memory of their own, got 'fc.tied' and 'fc.weight'"):
            plan.fill(file)
        with pytest.raises(TypeError, match=r"got h5py._hl.files.File; pass one of its datasets$"):
            wf.fill(file, wf.Normal(), seed=1)


def test_a_plan_refuses_what_it_cannot_fill_before_anything_is_written(stored, tmp_path):
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.create_dataset("b", SHAPE, "f4")
        file.create_dataset("num_batches_tracked", (), "i8")
    first, plan = stored("zarr"), wf.Plan({"*": wf.Normal()}, seed=1)
    with h5py.File(tmp_path / "model.h5") as file:
        with pytest.raises(
            ValueError, match=r"^params\['b'\], Normal.*: out must be writable, got <HDF5 dataset \"b\""
        ):
            plan.fill({"a": first, "b": file["b"]})
        with pytest.raises(ValueError, match=r"^params must be writable, got a read-only num_batches_tracked"):
            plan.fill({"a": first, "num_batches_tracked": file["num_batches_tracked"]})
    with pytest.raises(ValueError, match="params must have memory of their own, got 'a' and 'b'"):
        plan.fill({"a": first, "b": first})
    assert not first[...].any()
    with pytest.raises(TypeError, match=r"params must be a mapping from names to arrays, got Group; .*dict\(group.arr"):
        plan.fill(zarr.open_group(zarr.storage.MemoryStore()))


def test_datasets_that_cannot_be_written_are_refused(stored, tmp_path):
    with h5py.File(tmp_path / "table.h5", "w") as file:
        closed = file.create_dataset("table", SHAPE, "f4")
        file.create_dataset("empty", data=h5py.Empty("f4"))
    zarr.create_array(tmp_path / "table.zarr", shape=SHAPE, dtype="f4")
    with pytest.raises(ValueError, match=r"^out must be in an open file, got <Closed HDF5 dataset>$"):
        wf.fill(closed, wf.Normal(), seed=1)
    with h5py.File(tmp_path / "table.h5") as file:
        with pytest.raises(
            ValueError,
            match=r'^out must be writable, got <HDF5 dataset "table": shape \(37, 11\), type "<f4">, which is open '
            r"for reading; open it with mode='r\+'$",
        ):
            wf.fill(file["table"], wf.Normal(), seed=1)
        assert wf.verify(file["table"], wf.Zeros())
        with pytest.raises(
            ValueError, match=r"^target must have a shape, got <HDF5 dataset \"empty\".*, which is empty"
        ):
            wf.verify(file["empty"], wf.Zeros())
    read_only = zarr.open_array(tmp_path / "table.zarr", mode="r")
    with pytest.raises(
        ValueError, match=r"^out must be writable, got <Array file:.*>, which is open for reading; open"
    ):
        wf.fill(read_only, wf.Normal(), seed=1)
    assert wf.verify(read_only, wf.Zeros())


def test_dtypes_that_are_not_drawn_are_refused_with_a_way_out_that_works(stored):
    dataset = stored("hdf5", dtype="u2")
    with pytest.raises(
        TypeError,
        match=r"^out.dtype must be one of float32, .*, got uint16; for bfloat16 and float8, which HDF5 and zarr keep "
        r"as other types, assign parts of a Tensor: out\[a:b\] = tensor\[a:b\].view\(out.dtype\)$",
    ):
        wf.fill(dataset, wf.Normal(), seed=1)
    tensor = wf.Tensor(SHAPE, wf.Normal(), seed=1, dtype="bfloat16")
    dataset[3:9] = tensor[3:9].view(dataset.dtype)
    assert_same_bits(dataset[3:9].view("bfloat16"), tensor[3:9])
    with pytest.raises(TypeError, match=r"^target.dtype must be one of float32, .*, got int64$"):
        wf.verify(stored("zarr", dtype="i8"), wf.Normal(), seed=1)
    with pytest.raises(TypeError, match=r"^out.dtype must be one of float32"):
        wf.fill(stored("hdf5", dtype=[("a", "f4"), ("b", "f4")]), wf.Normal(), seed=1)


@pytest.mark.parametrize("form", ["hdf5", "zarr"])
def test_wrong_arguments_leave_a_dataset_as_it_was(stored, form):
    dataset = stored(form)
    for arguments, error, message in [
        ({"init": 5}, TypeError, "init must be an initializer"),
        ({"seed": None}, TypeError, "seed must be given"),
        ({"stream": 5}, TypeError, "stream must be"),
        ({"start": (0, 0)}, TypeError, "shape must be given with start"),
        ({"shape": (37,)}, ValueError, "shape must have as many dimensions as out, 2"),
        ({"shape": (40, 11), "start": (4, 0)}, ValueError, "shape must contain the window"),
        ({"threads": 0}, ValueError, "threads must be in"),
        ({"progress": 5}, TypeError, "progress must be"),
        ({"init": wf.Sparse(connections=12)}, ValueError, "connections"),
    ]:
        with pytest.raises(error, match=message):
            wf.fill(dataset, **{"init": wf.Normal(), "seed": 1} | arguments)
    with pytest.raises(ValueError, match="out must have the dtype of the tensor, float64, got float32"):
        wf.Tensor(SHAPE, wf.Zeros(), dtype="float64").fill(dataset)
    with pytest.raises(ValueError, match="start must be given for a part, got target of shape"):
        wf.Tensor((40, 11), wf.Zeros()).verify(dataset)
    with pytest.raises(
        TypeError, match=r"out must be a NumPy array, got .*; fill and verify take it, and a part of it"
    ):
        wf.fill_rows(dataset, wf.Normal(), [1], seed=1, shape=SHAPE)
    assert not dataset[...].any()


@pytest.mark.parametrize("form", ["hdf5", "zarr"])
def test_a_dataset_larger_than_memory_is_filled_and_verified(tmp_path, form):
    script = Path(__file__).with_name("datasets_in_little_memory.py")
    command = [sys.executable, str(script), form, str(tmp_path / "table")]
    subprocess.run(command, check=True, timeout=GUARD, env=os.environ | {"WEIGHTFILL_THREADS": "2"})
