"""weightfill.dask: any chunks, any scheduler, lost workers, little memory: the bits of the whole."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bits import assert_same_bits

dask = pytest.importorskip("dask", reason="dask is not installed")
distributed = pytest.importorskip("distributed", reason="distributed is not installed")
zarr = pytest.importorskip("zarr", reason="zarr is not installed")

import dask.array as da  # noqa: E402

import weightfill as wf  # noqa: E402
import weightfill.dask  # noqa: E402
from tests.frameworks.dask_tasks import kill_the_worker_once  # noqa: E402

HERE = Path(__file__).parent
GUARD = 300  # seconds until a test that hangs fails
SHAPE = (37, 11, 5)
KAIMING = {"init": wf.KaimingNormal(), "seed": 42, "stream": "conv"}
CHUNKINGS = [
    "auto",
    "1kB",
    -1,
    4,
    (10, 3, 5),
    (10, None, -1),
    ("auto", 2, 5),
    ((30, 7), (11,), (1, 4)),
    ((37, 0), (11,), (5,)),
    {0: 9},
    np.array([8, 8, 8]),
]
INITIALIZERS = [
    wf.Constant(0.375),
    wf.TruncatedNormal(std=0.02),
    wf.XavierUniform(gain="tanh"),
    wf.LecunNormal(layout="keras"),
    wf.Sparse(connections=3),
    wf.Identity(),
    wf.Padded(wf.Normal(), [0, 20]),
    wf.DepthScaled(wf.Normal(), layers=12),
    wf.Scaled(wf.Sparse(connections=3), 0.8731),
]


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs="CRITICAL"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def fills(monkeypatch):
    """The (start, shape) of the parts that are filled in this process."""
    parts = []
    fill = wf.Tensor.fill

    def noted(tensor, out, *, start, **arguments):
        parts.append((start, out.shape))
        return fill(tensor, out, start=start, **arguments)

    monkeypatch.setattr(wf.Tensor, "fill", noted)
    return parts


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("chunks", CHUNKINGS, ids=str)
def test_every_chunking_gives_the_bits_of_the_whole(chunks, scheduler):
    array = weightfill.dask.create(SHAPE, **KAIMING, chunks=chunks)
    assert array.chunks == da.core.normalize_chunks(chunks, SHAPE, dtype=np.float32)
    assert_same_bits(array.compute(scheduler=scheduler), wf.create(SHAPE, **KAIMING))


@pytest.mark.parametrize("init", INITIALIZERS, ids=str)
def test_every_initializer_gives_the_bits_of_the_whole(init):
    array = weightfill.dask.create((40, 24), init, seed=7, stream="w", chunks=(9, 7))
    assert_same_bits(array.compute(scheduler="threads"), wf.create((40, 24), init, seed=7, stream="w"))


def test_every_dtype_gives_the_bits_of_the_whole(dtype):
    array = weightfill.dask.create((40, 24), wf.Uniform(), seed=7, chunks=(9, 7), dtype=dtype.name)
    assert array.dtype == dtype
    assert_same_bits(array.compute(scheduler="threads"), wf.create((40, 24), wf.Uniform(), seed=7, dtype=dtype))


@pytest.mark.parametrize("shape", [(), 0, 7, (0, 5), (5, 0, 2)], ids=str)
@pytest.mark.parametrize("chunks", ["auto", -1, 3, "64MB"])
def test_scalars_and_empty_arrays_are_arrays_too(shape, chunks):
    array = weightfill.dask.create(shape, wf.Normal(), seed=7, chunks=chunks)
    expected = wf.create(shape, wf.Normal(), seed=7)
    result = array.compute(scheduler="synchronous")
    assert result.shape == array.shape == expected.shape
    assert_same_bits(result, expected)


def test_processes_of_a_pool_give_the_bits_of_the_whole():
    array = weightfill.dask.create(SHAPE, **KAIMING, chunks=(10, 11, 2))
    assert_same_bits(array.compute(scheduler="processes", num_workers=2), wf.create(SHAPE, **KAIMING))


@pytest.mark.parametrize("chunks", [-1, (10, 11, 2), ((30, 7), (11,), (1, 4))], ids=str)
def test_workers_of_a_cluster_give_the_bits_of_the_whole(client, chunks):
    array = weightfill.dask.create(SHAPE, **KAIMING, chunks=chunks)
    assert_same_bits(client.compute(array).result(GUARD), wf.create(SHAPE, **KAIMING))


def test_workers_of_a_cluster_give_every_dtype(client, dtype):
    array = weightfill.dask.create((40, 24), wf.Normal(), seed=7, chunks=(9, 7), dtype=dtype)
    words = array.view(f"u{dtype.itemsize}")  # distributed cannot send float8_e5m2 from process to process
    result = client.compute(words).result(GUARD).view(dtype)
    assert_same_bits(result, wf.create((40, 24), wf.Normal(), seed=7, dtype=dtype))


def test_chunks_that_die_with_their_worker_are_filled_again_with_the_same_bits(client, tmp_path):
    array = client.persist(weightfill.dask.create(SHAPE, **KAIMING, chunks=(4, -1, -1)))
    distributed.wait(array, GUARD)
    holders = set(sum(client.who_has(array).values(), ()))
    assert len(holders) == 2
    marker = tmp_path / "a worker died"
    mortal = array.map_blocks(kill_the_worker_once, marker, dtype=array.dtype, meta=array._meta)
    expected = wf.create(SHAPE, **KAIMING)
    assert_same_bits(client.compute(mortal).result(GUARD), expected)
    assert marker.exists()
    assert_same_bits(client.compute(array).result(GUARD), expected)
    client.wait_for_workers(2, GUARD)
    assert len(holders - set(client.scheduler_info()["workers"])) == 1


def test_a_slice_computes_its_chunks_only(fills):
    table = weightfill.dask.create((10**9, 128), wf.Normal(), seed=42, stream="item_table", chunks=(1000, 64))
    part = table[2500:3500:7, 70:]
    window = np.empty((2000, 128), np.float32)
    wf.fill(window, wf.Normal(), seed=42, stream="item_table", shape=(10**9, 128), start=(2000, 0))
    assert_same_bits(part.compute(scheduler="synchronous"), window[500:1500:7, 70:])
    assert sorted(fills) == [((2000, 64), (1000, 64)), ((3000, 64), (1000, 64))]


def test_equal_calls_share_chunks_and_different_ones_do_not(fills):
    def create(**changed):
        same = {"shape": (8, 6), "init": wf.Normal(std=2.0), "seed": 1, "stream": "a", "chunks": (4, 6)}
        return weightfill.dask.create(**{**same, **changed})

    others = [
        create(shape=(8, 5)),
        create(init=wf.Normal(std=2.5)),
        create(seed=2),
        create(stream="b"),
        create(chunks=(4, 3)),
        create(dtype="float8_e4m3fn"),
        create(dtype="float8_e5m2"),
    ]
    assert create().name == create(init=wf.Normal(0, 2), seed=np.uint64(1), chunks=4 * np.array([1, 2])).name
    assert len({array.name for array in [create(), *others]}) == 8
    dask.compute(create().sum(), create(chunks=((4, 4), -1)).max(), scheduler="synchronous")
    assert sorted(fills) == [((0, 0), (4, 6)), ((4, 0), (4, 6))]


def test_names_are_the_same_in_every_process():
    call = "weightfill.dask.create((8, 6), wf.LecunNormal(layout=wf.Layout(1, 0)), seed=1, stream='a', chunks=3).name"
    program = f"import weightfill as wf, weightfill.dask; print({call})"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    output = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True).stdout
    assert output.decode().strip() == eval(call)


def test_the_graph_of_many_chunks_is_small_until_it_is_computed():
    few = weightfill.dask.create((10**5, 128), wf.Normal(), seed=1, chunks=(10**4, -1))
    many = weightfill.dask.create((10**9, 128), wf.Normal(), seed=1, chunks=(10**4, -1))
    assert many.npartitions == 10**5
    assert [type(layer) for layer in many.dask.layers.values()] == [type(layer) for layer in few.dask.layers.values()]
    assert not any(layer.is_materialized() for layer in many.dask.layers.values())
    assert len(pickle.dumps(many.dask)) < 10 * many.npartitions


@pytest.mark.parametrize("form", ["zarr", "npy"])
def test_arrays_larger_than_memory_are_stored(form, tmp_path):
    program = [sys.executable, HERE / "dask_in_little_memory.py", form, tmp_path / "table"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("chunks", [(16, -1), (7, 10)], ids=str)
def test_workers_store_to_zarr_what_the_whole_is(client, chunks, tmp_path):
    table = weightfill.dask.create((50, 24), wf.Normal(), seed=42, chunks=chunks)
    stored = da.to_zarr(table, str(tmp_path / "table.zarr"), compute=False)
    client.compute(stored).result(GUARD)
    assert_same_bits(zarr.open_array(str(tmp_path / "table.zarr"))[:], wf.create((50, 24), wf.Normal(), seed=42))


def test_uneven_chunks_are_stored_into_an_existing_zarr_array(tmp_path):
    target = zarr.create_array(str(tmp_path / "table.zarr"), shape=(50, 24), chunks=(10, 24), dtype="float32")
    table = weightfill.dask.create((50, 24), wf.Normal(), seed=42, chunks=((20, 30), 24))
    da.store(table, target, scheduler="threads", lock=False)
    assert_same_bits(target[:], wf.create((50, 24), wf.Normal(), seed=42))


def test_what_is_made_as_a_whole_takes_one_chunk_that_may_be_cut_later():
    array = weightfill.dask.create((24, 16), wf.Orthogonal(), seed=42, chunks=-1).rechunk((5, 16))
    assert array.numblocks == (5, 1)
    assert_same_bits(array.compute(scheduler="threads"), wf.create((24, 16), wf.Orthogonal(), seed=42))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": 2.5}, TypeError, "shape must be a tuple of integers, got 2.5"),
        ({"shape": (-1, 6)}, ValueError, "shape must have no negative dimension, got (-1, 6)"),
        ({"init": wf.Normal}, TypeError, "init must be an initializer, got the class Normal; write Normal(...)"),
        ({"seed": None}, TypeError, "seed must be given for Normal(mean=0.0, std=1.0), got None"),
        ({"seed": -1}, ValueError, "seed must be in [0, 2**64), got -1"),
        ({"stream": 3}, TypeError, "stream must be a string, got 3"),
        ({"dtype": "int32"}, TypeError, "dtype must be one of float32, float64"),
        ({"init": wf.Normal(std=20000.0), "dtype": "float16"}, ValueError, "init must stay within +-65504"),
        ({"shape": 8, "chunks": -1, "init": wf.XavierNormal()}, ValueError, "shape must have at least 2 dimensions"),
        ({"init": wf.Sparse(connections=7)}, ValueError, "connections must be"),
        ({"shape": 8, "chunks": -1, "init": wf.Orthogonal()}, ValueError, "shape must have at least 2 dimensions"),
        (
            {"init": wf.Orthogonal()},
            ValueError,
            "chunks must be one chunk for Orthogonal(gain=1.0, axis=0), which must be made in one piece, got 4; "
            "pass chunks=-1 and rechunk the array",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_errors_are_raised_before_anything_is_computed(arguments, error, message):
    call = {"shape": (8, 6), "init": wf.Normal(), "seed": 42, "chunks": (4, 3), **arguments}
    with pytest.raises(error) as raised:
        weightfill.dask.create(**call)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        (None, "None is no size"),
        ("many", "Could not interpret 'many' as a byte unit"),
        ("0B", "a size in bytes must be at least 1"),
        (("-1MB", 6), "a size in bytes must be at least 1"),
        (0, "the size of chunks of 8 elements must be at least 1, or -1"),
        ((20, 0), "the size of chunks of 6 elements must be at least 1, or -1"),
        (-5, "the size of chunks of 8 elements must be at least 1, or -1"),
        ({2: 5}, "there is no axis 2"),
        ({0: 4, -1: 3}, "there is no axis -1"),
        ({"rows": 3}, "there is no axis 'rows'"),
        (True, "a bool is no size"),
        ((4, True), "a bool is no size"),
        ({0: (True, 7)}, "a bool is no size"),
        (np.array([True, True]), "a bool is no size"),
        (2.5, "integers"),
        (object(), "object is no kind of chunks"),
        ({4}, "set is no kind of chunks"),
        (float("nan"), "unknown"),
        (float("inf"), ""),
        (((3, 3), (6,)), "Chunks do not add up to shape"),
        ((4, 3, 2), "same length/dimension"),
        (((9, -1), (6,)), "every size must be known and at least 0"),
        (((4, 4), (float("nan"),)), "every size must be known and at least 0"),
    ],
    ids=lambda value: str(value).partition(" at ")[0],
)
def test_chunks_that_do_not_cut_the_shape_are_an_error(chunks, reason):
    error = TypeError if "bool" in reason or "kind" in reason else ValueError
    with pytest.raises(error, match=r"^chunks must cut the shape \(8, 6\) as dask.array does, got ") as raised:
        weightfill.dask.create((8, 6), wf.Normal(), seed=42, chunks=chunks)
    assert reason in str(raised.value)
    assert str(raised.value).endswith("; pass one size for each axis, -1 for a whole axis")


@pytest.mark.parametrize(
    ("shape", "chunks", "count"),
    [
        ((2**40, 2**24), "auto", 2**39),
        ((2**40, 2**24), {0: "auto"}, 2**39),
        ((2**40, 2**24), ("1MiB", 2**24), 2**40),
        ((2**60,), 1, 2**60),
        ((10**9, 128), (1, -1), 10**9),
        ((5000, 5000), 1, 25 * 10**6),
        ((2**30, 2), (100.0, (1, 1)), 21474838),
    ],
    ids=str,
)
def test_absurdly_many_chunks_are_an_error_before_their_sizes_are_made(shape, chunks, count, monkeypatch):
    monkeypatch.setattr(da.core, "normalize_chunks", None)
    with pytest.raises(ValueError, match=f"^chunks must be at most 10000000 .* got {count} or more .* larger ones$"):
        weightfill.dask.create(shape, wf.Normal(), seed=42, chunks=chunks)


def test_the_limit_of_chunks_is_that_of_those_dask_makes(monkeypatch):
    monkeypatch.setattr(weightfill.dask, "_MOST_CHUNKS", 8)
    arguments = {"shape": (40, 24), "init": wf.Normal(), "seed": 42}
    assert weightfill.dask.create(**arguments, chunks=(10, 12)).npartitions == 8
    with pytest.raises(ValueError, match="^chunks must be at most 8 .* got 12 or more"):
        weightfill.dask.create(**arguments, chunks=((10,) * 4, (8,) * 3))
    with dask.config.set({"array.chunk-size": "400B"}), pytest.raises(ValueError, match="^chunks must be at most 8 "):
        weightfill.dask.create(**arguments)


@pytest.mark.parametrize("chunks", ["auto", "1kB", {1: "auto"}], ids=str)
def test_no_chunks_are_needed_where_there_are_no_elements(chunks):
    assert weightfill.dask.create((0, 10**9), wf.Normal(), seed=42, chunks=chunks).chunks == ((0,), (10**9,))


def test_npy_stacks_of_types_that_numpy_does_not_have_are_viewed_as_them(tmp_path):
    for dtype in ("bfloat16", "float8_e4m3fn"):
        table = weightfill.dask.create((50, 24), wf.Normal(), seed=42, chunks=(20, -1), dtype=dtype)
        da.to_npy_stack(str(tmp_path / dtype), table)
        stored = da.from_npy_stack(str(tmp_path / dtype)).view(dtype)
        assert_same_bits(stored.compute(), wf.create((50, 24), wf.Normal(), seed=42, dtype=dtype))


# dask.array.random


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_dask_makes_a_generator_of_ours_for_every_chunk(scheduler):
    def draws(bit_generator):
        array = da.random.default_rng(bit_generator).standard_normal((40, 6), chunks=(10, 3))
        return array.compute(scheduler=scheduler)

    values = draws(wf.PhiloxBitGenerator(1, "a"))
    parent = wf.PhiloxBitGenerator(1, "a").seed_seq
    expected = np.random.Generator(wf.PhiloxBitGenerator(parent.spawn(1)[0])).standard_normal((10, 3))
    assert_same_bits(values[:10, :3], expected)
    assert len(np.unique(values)) == values.size
    assert_same_bits(draws(wf.PhiloxBitGenerator(1, "a")), values)
    for other in (wf.PhiloxBitGenerator(2, "a"), wf.PhiloxBitGenerator(1, "b")):
        assert not np.isin(draws(other), values).any()


def test_dask_chooses_and_permutes_with_a_generator_of_ours():
    rng = da.random.default_rng(wf.PhiloxBitGenerator(1))
    chosen = rng.choice(10, size=30, p=[0.5, 0.5] + [0.0] * 8, chunks=10).compute()
    assert set(chosen) == {0, 1}
    np.testing.assert_array_equal(np.sort(rng.permutation(100).compute()), np.arange(100))


def test_a_tensor_is_what_dask_takes_for_an_array():
    tensor = wf.Tensor((1000, 7), wf.Normal(std=0.02), seed=42, stream="w", dtype="bfloat16")
    array = da.from_array(tensor, chunks=(300, 4))
    whole = np.asarray(tensor)
    assert array.dtype == tensor.dtype
    assert array.compute(scheduler="synchronous").tobytes() == whole.tobytes()
    assert array[::3, 2:].compute(scheduler="synchronous").tobytes() == whole[::3, 2:].tobytes()
    assert da.from_array(tensor, chunks=(300, 4)).name == array.name


def test_arrays_of_dask_are_refused_with_the_way_out():
    with pytest.raises(
        TypeError, match=r"^out must be a NumPy array, got dask\.array.*; weightfill\.dask\.create makes"
    ):
        wf.fill(da.zeros((2, 3), dtype="float32"), wf.Zeros())
