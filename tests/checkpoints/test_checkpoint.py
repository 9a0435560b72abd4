"""Checkpoints: written from plans, read back by the safetensors library."""

import errno
import json
import math
import os
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import weightfill as wf
from tests.bits import DTYPES, assert_same_bits, bits
from tests.folders import names
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._checkpoints.writing import write_checkpoint
from weightfill._files.safetensors_file import entries, header, open_checkpoint
from weightfill._initializers.orthogonal import DeltaOrthogonal, Orthogonal
from weightfill._plan import Plan

NORMAL = Plan({"*": wf.Normal(std=0.02)}, seed=42)
MODEL = {"a.weight": (300, 701), "a.bias": (701,), "scalar": (), "empty": (0, 3), "ünï/ço∂e 'q'": (2, 3, 5)}
FIRST, SECOND, INDEX = "m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors", "m.safetensors.index.json"


def expected(init, name, shape, dtype=np.float32, seed=42):
    return wf.fill(np.empty(shape, dtype), init, seed=seed, stream=name)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_tensor_is_what_fill_writes(tmp_path, dtype):
    path = tmp_path / "m.safetensors"
    assert write_checkpoint(NORMAL, path, MODEL, dtype) == [path]
    arrays = open_checkpoint(path)
    assert arrays.keys() == MODEL.keys()
    for name, shape in MODEL.items():
        assert_same_bits(arrays[name], expected(wf.Normal(std=0.02), name, shape, dtype))
        assert not arrays[name].flags.writeable


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.itemsize > 1], ids=str)
def test_safetensors_library_reads_what_is_written(tmp_path, dtype):
    path = tmp_path / "m.safetensors"
    NORMAL.write(path, MODEL, dtype)
    arrays = load_file(path)
    assert arrays.keys() == MODEL.keys()
    for name, shape in MODEL.items():
        np.testing.assert_array_equal(
            bits(arrays[name]), bits(expected(wf.Normal(std=0.02), name, shape, dtype)), strict=True
        )
    with safe_open(path, "numpy") as opened:
        assert opened.metadata() == {"format": "pt"}
        assert opened.get_slice("a.weight").get_shape() == [300, 701]


@pytest.mark.parametrize(("dtype", "name"), [("float8_e4m3fn", "F8_E4M3"), ("float8_e5m2", "F8_E5M2")])
def test_safetensors_library_accepts_float8_under_its_name(tmp_path, dtype, name):
    NORMAL.write(tmp_path / "m.safetensors", MODEL, dtype)
    with safe_open(tmp_path / "m.safetensors", "numpy") as opened:
        assert set(opened.keys()) == MODEL.keys()
        assert opened.get_slice("a.weight").get_dtype() == name


INITIALIZERS = [
    wf.Uniform(),
    wf.TruncatedNormal(std=2.0),
    wf.KaimingNormal(),
    wf.Sparse(connections=3),
    wf.Sparse(connections=3, axis=0),
    wf.Padded(wf.Normal(), 2),
    wf.Identity(),
    Orthogonal(gain=2.0),
]


@pytest.mark.parametrize("init", INITIALIZERS, ids=lambda init: type(init).__name__)
def test_initializers_do_not_see_blocks(tmp_path, init):
    shapes = {"tall": (1201, 1103), "wide": (7, 300_001), "small": (5, 4)}
    if isinstance(init, Orthogonal):
        shapes = {"tall": (301, 103), "wide": (7, 3001), "small": (5, 4)}
    plan = Plan({"*": init}, seed=42)
    plan.write(tmp_path / "m.safetensors", shapes)
    for name, array in open_checkpoint(tmp_path / "m.safetensors").items():
        assert_same_bits(array, expected(init, name, shapes[name]))
    assert verify_checkpoint(tmp_path / "m.safetensors", plan)


@pytest.mark.parametrize("init", [wf.Dirac(groups=2), DeltaOrthogonal(), Orthogonal(axis=1)], ids=str)
def test_convolutions_do_not_see_blocks(tmp_path, init):
    shape = (402, 201, 3, 7) if isinstance(init, wf.Dirac) else (20, 11, 3, 7)
    plan = Plan({"*": init}, seed=42)
    plan.write(tmp_path / "m.safetensors", {"conv": shape})
    assert_same_bits(open_checkpoint(tmp_path / "m.safetensors")["conv"], expected(init, "conv", shape))
    assert verify_checkpoint(tmp_path / "m.safetensors", plan)


def test_bytes_are_independent_of_threads_and_shards(tmp_path):
    shapes = {"a": (1201, 1103), "b": (7, 300_001), "c": 5}
    for threads in (1, 2, 3, 7):
        NORMAL.write(tmp_path / f"{threads}.safetensors", shapes, threads=threads)
    contents = {(tmp_path / f"{threads}.safetensors").read_bytes() for threads in (1, 2, 3, 7)}
    assert len(contents) == 1
    NORMAL.write(tmp_path / "s.safetensors", shapes, shard_bytes=1)
    whole, sharded = (open_checkpoint(tmp_path / name) for name in ("1.safetensors", "s.safetensors.index.json"))
    for name in shapes:
        assert_same_bits(sharded[name], whole[name])


def test_tensors_of_several_dtypes_are_aligned(tmp_path):
    shapes = {
        f"{number}.{dtype.name}": np.empty(count, dtype)
        for number, count in enumerate((1, 3, 5, 7))
        for dtype in DTYPES[::-1]
    }
    NORMAL.write(tmp_path / "m.safetensors", shapes)
    found = entries(tmp_path / "m.safetensors")
    for name, entry in found.items():
        assert entry.dtype == shapes[name].dtype
        assert entry.offset % entry.dtype.itemsize == 0
    assert min(entry.offset for entry in found.values()) % 64 == 0
    assert os.path.getsize(tmp_path / "m.safetensors") == max(entry.offset + entry.nbytes for entry in found.values())


def test_file_is_the_same_in_every_run(tmp_path):
    plan = Plan({"*": wf.Ones()})
    plan.write(tmp_path / "m.safetensors", {"w": 2}, "bfloat16")
    text = b'{"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    text += b" " * 34
    content = len(text).to_bytes(8, "little") + text + np.ones(2, ml_dtypes.bfloat16).tobytes()
    assert (tmp_path / "m.safetensors").read_bytes() == content


def test_shards_are_those_of_hugging_face(tmp_path):
    path = tmp_path / "m.safetensors"
    files = NORMAL.write(path, {"a": 10, "large": 100, "b": 10, "c": 15, "d": 1}, shard_bytes=100)
    shards = [f"m-0000{number}-of-00004.safetensors" for number in (1, 2, 3, 4)]
    assert [file.name for file in files] == [*shards, INDEX]
    assert names(tmp_path) == sorted([*shards, INDEX])
    assert json.loads((tmp_path / INDEX).read_text()) == {
        "metadata": {"total_size": 544},
        "weight_map": {"a": shards[0], "large": shards[1], "b": shards[2], "c": shards[2], "d": shards[3]},
    }
    for shard, inside in zip(files, ({"a"}, {"large"}, {"b", "c"}, {"d"}), strict=False):
        assert load_file(shard).keys() == inside
    assert list(open_checkpoint(files[-1])) == ["a", "large", "b", "c", "d"]


def test_what_fits_into_one_shard_is_a_plain_file(tmp_path):
    path = tmp_path / "m.safetensors"
    assert NORMAL.write(path, {"a": 10, "b": 15}, shard_bytes=100) == [path]
    assert names(tmp_path) == ["m.safetensors"]


def test_checkpoint_like_another_has_its_tensors(tmp_path):
    first, second, third = (tmp_path / f"{number}.safetensors" for number in (1, 2, 3))
    NORMAL.write(first, MODEL, "bfloat16", shard_bytes=1000)
    NORMAL.write(second, like=f"{first}.index.json")
    NORMAL.write(third, second)
    assert second.read_bytes() == third.read_bytes()
    assert {array.dtype for array in open_checkpoint(second).values()} == {np.dtype(ml_dtypes.bfloat16)}


def test_large_header_is_read_back_and_a_larger_one_is_refused(tmp_path):
    shapes = {f"{'x' * 1000}.{number}": () for number in range(20_000)}
    NORMAL.write(tmp_path / "m.safetensors", shapes)
    assert open_checkpoint(tmp_path / "m.safetensors").keys() == shapes.keys()
    spec = ((), np.dtype(np.float32))
    with pytest.raises(ValueError, match=r"^shapes must need a header of at most 100,000,000 bytes in a file, got "):
        header({f"{'x' * 10**6}.{number}": spec for number in range(100)})


def test_progress_counts_elements_and_what_it_raises_stops(tmp_path):
    told = []
    NORMAL.write(tmp_path / "m.safetensors", MODEL, progress=lambda *now: told.append(now))
    total = sum(math.prod(shape) for shape in MODEL.values())
    assert told[-1] == (total, total)
    verify_checkpoint(tmp_path / "m.safetensors", NORMAL, progress=lambda *now: told.append(now))
    assert told[-1] == (total, total)

    def interrupt(done, total):
        raise KeyboardInterrupt

    for shard_bytes in (None, 1000):
        with pytest.raises(KeyboardInterrupt):
            NORMAL.write(tmp_path / "other.safetensors", MODEL, shard_bytes=shard_bytes, progress=interrupt)
    assert names(tmp_path) == ["m.safetensors"]


BAD_CALLS = [
    ({"plan": None}, TypeError, r"^plan must be a Plan, got None$"),
    ({"path": None}, TypeError, r"^path must be a path, got None; give a string"),
    ({"path": b"m.safetensors"}, TypeError, r"^path must be a path, got b'm\.safetensors'; give a string"),
    ({"path": "x\0.safetensors"}, ValueError, r"^path must have no null character, got 'x\\x00\.safetensors'$"),
    ({"path": "\ud800.safetensors"}, ValueError, r"^path must be in the file system's encoding, got '\\ud800"),
    (
        {"path": "\udcff.safetensors", "shapes": {"w": 1, "x": 1}, "shard_bytes": 1},
        ValueError,
        r"^path must have a name in UTF-8 where shards are written, whose index has it, got '\\udcff-00001",
    ),
    ({"path": "m.bin"}, ValueError, r"^path must end in \.safetensors, got 'm\.bin'$"),
    ({"shapes": {}}, ValueError, r"^shapes must have at least one parameter, got none$"),
    ({"shapes": {"__metadata__": 1}}, ValueError, r"^shapes must not have '__metadata__' for a name"),
    ({"shapes": {"\ud800": 1}}, ValueError, r"^shapes must have names that can be written in UTF-8"),
    ({"shapes": None}, TypeError, r"^shapes must be given, or like instead"),
    ({"dtype": "int8"}, TypeError, r"^dtype must be one of"),
    ({"shard_bytes": 0}, ValueError, r"^shard_bytes must be at least 1, got 0$"),
    ({"shard_bytes": 1.5}, TypeError, r"^shard_bytes must be an integer, got 1\.5$"),
    ({"shard_bytes": True}, TypeError, r"^shard_bytes must be an integer, got True$"),
    ({"replace": "no"}, TypeError, r"^replace must be True or False, got 'no'$"),
    ({"sync": 1}, TypeError, r"^sync must be True or False, got 1$"),
    ({"direct": 1}, TypeError, r"^direct must be True or False, got 1$"),
    (
        {"shapes": {"a": 2**61 - 1}},
        ValueError,
        r"^shapes must need less than 2\^63 bytes in a file, got 9223372036854775996$",
    ),
    (
        {"shapes": {"x": 2**60, "w": 2**60}},
        ValueError,
        r"^shapes must need less than 2\^63 bytes in a file, got \d+; write shards \(shard_bytes=\)$",
    ),
    ({"threads": 0}, ValueError, r"^threads must be in \[1, 1024\], got 0$"),
    ({"progress": 5}, TypeError, r"^progress must be True"),
    ({"plan": Plan({"a": wf.Zeros()})}, ValueError, "'w'"),
    ({"plan": Plan({"x": wf.Zeros(), "*": wf.Zeros()})}, ValueError, "'x'"),
    (
        {"plan": Plan({"*": wf.KaimingNormal()}, seed=1)},
        ValueError,
        "^'w', KaimingNormal.*: shape must have at least 2",
    ),
    (
        {"plan": Plan({"*": wf.Constant(1e9)}), "dtype": "float16"},
        ValueError,
        r"^'w', Constant.*: init must stay within",
    ),
    ({"plan": Plan({"*": Orthogonal()}, seed=1)}, ValueError, "shape must have at least 2 dimensions"),
]


@pytest.mark.parametrize(("changed", "error", "message"), BAD_CALLS, ids=[str(c) for c, _, _ in BAD_CALLS])
def test_wrong_argument_is_an_error_and_writes_nothing(tmp_path, monkeypatch, changed, error, message):
    monkeypatch.chdir(tmp_path)
    arguments = {"plan": NORMAL, "path": "m.safetensors", "shapes": {"w": (3,)}, **changed}
    with pytest.raises(error, match=message):
        write_checkpoint(**arguments)
    assert names(tmp_path) == []


@pytest.mark.parametrize("shard_bytes", [None, 1])
@pytest.mark.parametrize("existing", ["m.safetensors", INDEX, FIRST, SECOND])
def test_existing_output_is_refused_before_anything_is_written(tmp_path, monkeypatch, existing, shard_bytes):
    (tmp_path / existing).write_text("old")
    monkeypatch.setattr("weightfill._checkpoints.shards.hidden_file", None)
    if shard_bytes is None and existing in (FIRST, SECOND):
        return  # a shard is no output then
    with pytest.raises(FileExistsError) as caught:
        NORMAL.write(tmp_path / "m.safetensors", {"a": 3, "b": 4}, shard_bytes=shard_bytes)
    assert caught.value.filename == str(tmp_path / existing)
    assert names(tmp_path) == [existing]


def test_replacing_leaves_one_checkpoint_of_the_name(tmp_path):
    path = tmp_path / "m.safetensors"
    (tmp_path / "m-adapter.safetensors").write_text("another's")
    keep = {"m-adapter.safetensors"}

    def write(**how):
        return {file.name for file in NORMAL.write(path, {"a": 10, "b": 10, "c": 10}, replace=True, **how)}

    for how in ({}, {"shard_bytes": 80}, {"shard_bytes": 40}, {"shard_bytes": 80}, {"shard_bytes": 80}, {}):
        written = write(**how, sync=True)
        assert set(names(tmp_path)) == written | keep


def test_replacing_a_file_follows_a_link_to_it(tmp_path):
    (tmp_path / "blob").write_text("old")
    (tmp_path / "m.safetensors").symlink_to("blob")
    NORMAL.write(tmp_path / "m.safetensors", {"a": 10}, replace=True)
    assert (tmp_path / "m.safetensors").is_symlink()
    assert verify_checkpoint(tmp_path / "m.safetensors", NORMAL)
    assert names(tmp_path) == ["blob", "m.safetensors"]


@pytest.mark.parametrize("linked", [[INDEX], [SECOND], [INDEX, FIRST, SECOND]], ids=str)
@pytest.mark.parametrize("shard_bytes", [None, 40, 80])
def test_replacing_does_not_touch_a_checkpoint_that_links_lead_to(tmp_path, linked, shard_bytes):
    store, folder = tmp_path / "store", tmp_path / "folder"
    store.mkdir()
    folder.mkdir()
    shapes = {"a": 10, "b": 10, "c": 5}
    NORMAL.write(store / "m.safetensors", shapes, shard_bytes=60)
    for name in (INDEX, FIRST, SECOND):
        if name in linked:
            (folder / name).symlink_to(f"../store/{name}")
        else:
            (folder / name).write_bytes((store / name).read_bytes())
    assert verify_checkpoint(folder / INDEX, NORMAL)
    before = {path: path.read_bytes() for path in (*store.iterdir(), *folder.iterdir())}
    plan = Plan({"*": wf.Ones()})
    if INDEX in linked or shard_bytes == 80:
        with pytest.raises(ValueError, match=r"^path must have no symbolic links for the shards and index"):
            plan.write(folder / "m.safetensors", shapes, shard_bytes=shard_bytes, replace=True)
        assert {path: path.read_bytes() for path in (*store.iterdir(), *folder.iterdir())} == before
    else:  # the links are old shards, which go
        files = plan.write(folder / "m.safetensors", shapes, shard_bytes=shard_bytes, replace=True)
        assert names(folder) == sorted(file.name for file in files)
        assert verify_checkpoint(files[-1], plan)
    assert verify_checkpoint(store / INDEX, NORMAL)


def test_path_that_is_not_utf_8_is_an_error_of_shards_only(tmp_path):
    (file,) = NORMAL.write(tmp_path / "\udcff.safetensors", {"a": 10})
    assert verify_checkpoint(file, NORMAL)


def test_shards_of_the_longest_names_are_replaced_by_shards_and_by_a_file(tmp_path):
    path = tmp_path / f"{'m' * (255 - len('-00001-of-00003.safetensors'))}.safetensors"
    for shard_bytes in (40, 80, None):
        files = NORMAL.write(path, {"a": 10, "b": 10, "c": 5}, shard_bytes=shard_bytes, replace=True)
        assert names(tmp_path) == sorted(file.name for file in files)
        assert verify_checkpoint(files[-1], NORMAL)


def test_failure_while_files_appear_leaves_nothing(tmp_path, monkeypatch):
    link, calls = os.link, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return link(*arguments)

    monkeypatch.setattr(os, "link", failing)
    with pytest.raises(OSError, match="Input/output error"):
        NORMAL.write(tmp_path / "m.safetensors", {"a": 10, "b": 10}, shard_bytes=40)
    assert names(tmp_path) == []


def test_folder_that_is_missing_is_an_error_that_names_the_path(tmp_path):
    path = tmp_path / "no" / "m.safetensors"
    with pytest.raises(FileNotFoundError) as caught:
        NORMAL.write(path, MODEL)
    assert caught.value.filename == str(path)


UNPRIVILEGED = "import os; os.geteuid() or os.setuid(65534)\n"
WRITE = """
import errno, os, sys
from pathlib import Path
import weightfill as wf
from weightfill._plan import Plan
try:
    Plan({"*": wf.Ones()}).write(sys.argv[1], {"a": 1 << 20, "b": 1 << 20}, shard_bytes=eval(sys.argv[2]))
except OSError as error:
    print(errno.errorcode[error.errno], os.path.basename(error.filename))
"""


def run_python(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_folder_that_cannot_be_written_is_an_error(tmp_path):
    # The imports come first: another user may not be allowed to read them.
    imports, rest = WRITE.split("try:")
    preload = "import weightfill._checkpoints.writing, safetensors\n"
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and parent.stat().st_mode & 0o077 == 0:
            parent.chmod(0o711)
    assert run_python(f"{imports}{preload}{UNPRIVILEGED}try:{rest}", folder / "m.safetensors", None).startswith(
        "EACCES"
    )
    assert names(folder) == []


@pytest.mark.parametrize("shard_bytes", [None, 4 << 20])
def test_file_size_limit_is_an_error_and_leaves_no_file(tmp_path, shard_bytes):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    name = SECOND if shard_bytes else "m.safetensors"
    assert run_python(limit + WRITE, tmp_path / "m.safetensors", shard_bytes) == f"EFBIG {name}"
    assert names(tmp_path) == []


def test_disk_that_is_full_in_spite_of_the_reservation_is_an_error_and_leaves_no_file(tmp_path):
    reserve = "import weightfill._files.hidden_files; weightfill._files.hidden_files._reserve = lambda fd, size: None\n"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    assert run_python(reserve + limit + WRITE, tmp_path / "m.safetensors", None) == "EFBIG m.safetensors"
    assert names(tmp_path) == []


def test_memory_stays_small_while_a_large_checkpoint_is_written_and_verified(tmp_path):
    script = """
import sys
import safetensors, weightfill as wf
from weightfill._checkpoints.verification import verify_checkpoint
from weightfill._plan import Plan
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) // 1024
plan = Plan({"*": wf.Ones()})
plan.write(sys.argv[1] + ".small.safetensors", {"a": 1000})
before = peak()
plan.write(sys.argv[1], {"a": (64 << 20,), "b": (1 << 20, 63)}, threads=2)
print(peak() - before)
assert verify_checkpoint(sys.argv[1], plan)
print(peak() - before)
"""
    written, verified = map(int, run_python(script, tmp_path / "m.safetensors").split())
    assert written < 32
    assert verified < 80
    assert (tmp_path / "m.safetensors").stat().st_size > 508 << 20
