"""Files appear whole or not at all."""

import errno
import os
import re
import shutil
import subprocess
import sys
from io import BytesIO

import ml_dtypes
import numpy as np
import pytest

from tests.folders import names
from weightfill._files.npy import new_npy, open_npy
from weightfill._files.system import lock, write_at

OPAQUE = [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2]


def write(path, values, **how):
    with new_npy(path, values.shape, values.dtype, **how) as file:
        write_at(file.fd, values.tobytes(), file.offset)


def run_python(script, *arguments, prefix=()):
    command = [*prefix, sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ">f4", np.int64])
def test_file_is_the_one_that_numpy_saves(tmp_path, dtype):
    values = np.arange(35).astype(dtype).reshape(5, 7)
    write(tmp_path / "table.npy", values)
    saved = BytesIO()
    np.save(saved, values)
    assert (tmp_path / "table.npy").read_bytes() == saved.getvalue()


@pytest.mark.parametrize("dtype", OPAQUE)
def test_numpy_loads_opaque_items_which_a_view_restores(tmp_path, dtype):
    values = np.arange(12).astype(dtype).reshape(3, 4)
    write(tmp_path / "table.npy", values)
    loaded = np.load(tmp_path / "table.npy")
    assert loaded.dtype == np.dtype(f"V{values.itemsize}")
    np.testing.assert_array_equal(loaded.view(dtype), values)
    np.testing.assert_array_equal(open_npy(tmp_path / "table.npy", dtype), values)


def test_opaque_items_of_two_bytes_are_bfloat16(tmp_path):
    np.save(tmp_path / "table.npy", np.ones(3, ml_dtypes.bfloat16))
    assert open_npy(tmp_path / "table.npy").dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (4, 0), (2, 3, 4)])
def test_any_shape_can_be_written_and_opened(tmp_path, shape):
    values = np.full(shape, 2, np.float32)
    write(tmp_path / "table.npy", values)
    opened = open_npy(tmp_path / "table.npy")
    assert opened.shape == shape
    np.testing.assert_array_equal(opened, values)


def test_new_array_is_zero_and_aligned_and_an_opened_one_is_read_only(tmp_path):
    with new_npy(tmp_path / "table.npy", (100, 3), np.float64) as file:
        assert file.offset % 64 == 0
    array = open_npy(tmp_path / "table.npy")
    assert not array.flags.writeable
    assert array.flags.c_contiguous
    assert not array.any()


def test_file_appears_when_the_block_ends(tmp_path):
    with new_npy(tmp_path / "table.npy", (1000,), np.float32):
        (hidden,) = names(tmp_path)
        assert re.fullmatch(r"\.table\.npy\.[0-9a-f]{16}\.weightfill", hidden)
        assert (tmp_path / hidden).stat().st_blocks * 512 >= 4000
    assert names(tmp_path) == ["table.npy"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_no_file_is_left_by_an_exception(tmp_path, error):
    with pytest.raises(error), new_npy(tmp_path / "table.npy", (1000,), np.float32):
        raise error
    assert names(tmp_path) == []


def test_existing_file_is_refused_and_kept(tmp_path):
    (tmp_path / "table.npy").write_text("old")
    with pytest.raises(FileExistsError) as caught, new_npy(tmp_path / "table.npy", (1000,), np.float32):
        pytest.fail("the block ran")
    assert caught.value.filename == str(tmp_path / "table.npy")
    assert caught.value.strerror == "File exists; replace=True replaces it"
    assert (tmp_path / "table.npy").read_text() == "old"
    assert names(tmp_path) == ["table.npy"]


def test_file_that_appears_meanwhile_is_kept(tmp_path):
    with pytest.raises(FileExistsError), new_npy(tmp_path / "table.npy", (1000,), np.float32):
        (tmp_path / "table.npy").write_text("other")
    assert (tmp_path / "table.npy").read_text() == "other"
    assert names(tmp_path) == ["table.npy"]


def test_replaced_file_stays_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "table.npy").write_text("old")
    with pytest.raises(ValueError), new_npy(tmp_path / "table.npy", (2,), np.float32, replace=True):  # noqa: PT011
        raise ValueError
    assert (tmp_path / "table.npy").read_text() == "old"
    with new_npy(tmp_path / "table.npy", (2,), np.float32, replace=True, sync=True):
        assert (tmp_path / "table.npy").read_text() == "old"
    assert open_npy(tmp_path / "table.npy").shape == (2,)
    assert names(tmp_path) == ["table.npy"]


def test_replacing_follows_a_link_and_creating_does_not(tmp_path):
    (tmp_path / "link.npy").symlink_to("table.npy")
    with pytest.raises(FileExistsError):
        write(tmp_path / "link.npy", np.zeros(2))
    (tmp_path / "table.npy").write_text("old")
    write(tmp_path / "link.npy", np.ones(3), replace=True)
    assert (tmp_path / "link.npy").is_symlink()
    assert open_npy(tmp_path / "table.npy").shape == (3,)


def test_only_regular_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileExistsError):
        write(tmp_path / "pipe", np.zeros(2), replace=True)
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "folder", np.zeros(2), replace=True)
    assert names(tmp_path) == ["folder", "pipe"]


def test_folder_that_is_missing_or_a_file_is_an_error_that_names_the_path(tmp_path):
    (tmp_path / "file").touch()
    for path, error in (
        (tmp_path / "no" / "t.npy", FileNotFoundError),
        (tmp_path / "file" / "t.npy", NotADirectoryError),
    ):
        with pytest.raises(error) as caught:
            write(path, np.zeros(2))
        assert caught.value.filename == str(path)


def test_file_system_without_hard_links_works_too(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path / "table.npy", np.ones(3))
    assert names(tmp_path) == ["table.npy"]
    with pytest.raises(OSError), new_npy(tmp_path / "other.npy", (2,), np.float32):  # noqa: PT011
        (tmp_path / "other.npy").write_text("other")
    assert (tmp_path / "other.npy").read_text() == "other"


@pytest.mark.parametrize("how", ["missing", "unsupported"])
def test_space_is_reserved_with_zeros_where_the_system_cannot_reserve(tmp_path, monkeypatch, how):
    def refuse(*arguments):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    if how == "missing":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    else:
        monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with new_npy(tmp_path / "table.npy", (3 << 19,), np.float32):
        (hidden,) = tmp_path.iterdir()
        assert hidden.stat().st_blocks * 512 >= 3 << 21
    assert not open_npy(tmp_path / "table.npy").any()


def test_abandoned_hidden_file_is_removed_and_a_locked_one_is_kept(tmp_path):
    abandoned, living = (tmp_path / f".table.npy.{digit * 16}.weightfill" for digit in "ab")
    foreign = [tmp_path / f".other.npy.{'a' * 16}.weightfill", tmp_path / ".table.npy.weightfill"]
    for path in (abandoned, living, *foreign):
        path.touch()
    with living.open("r+") as writer:
        lock(writer.fileno())
        write(tmp_path / "table.npy", np.ones(3))
    assert names(tmp_path) == sorted(["table.npy", living.name, *(path.name for path in foreign)])


LONG = ["x" * 226, "x" * 227, "x" * 255, "ü" * 127, "x" * 254 + "\udcff", "\udcff" * 255]


@pytest.mark.parametrize("name", LONG, ids=ascii)
def test_file_with_a_long_name_appears_and_its_abandoned_hidden_file_is_removed(tmp_path, name):
    with new_npy(tmp_path / name, (3,), np.float32):
        (hidden,) = tmp_path.iterdir()
        assert 200 < len(os.fsencode(hidden.name)) <= 255
    assert names(tmp_path) == [name]
    hidden.touch()
    write(tmp_path / name, np.ones(4), replace=True)
    assert names(tmp_path) == [name]


def test_long_names_with_a_common_beginning_do_not_disturb_each_other(tmp_path):
    first, second = (tmp_path / ("x" * 254 + end) for end in "ab")
    with new_npy(first, (3,), np.float32):
        (hidden,) = tmp_path.iterdir()
    hidden.touch()
    write(second, np.ones(3))
    assert names(tmp_path) == sorted([hidden.name, first.name, second.name])


def test_name_that_is_too_long_is_an_error_before_the_block(tmp_path):
    with pytest.raises(OSError, match="File name too long"), new_npy(tmp_path / ("x" * 256), (3,), np.float32):
        pytest.fail("the block ran")
    assert names(tmp_path) == []


def test_two_writers_of_one_name_do_not_disturb_each_other(tmp_path):
    with new_npy(tmp_path / "table.npy", (2,), np.float32, replace=True) as first:
        write_at(first.fd, np.ones(2, np.float32).tobytes(), first.offset)
        write(tmp_path / "table.npy", np.full(2, 2.0), replace=True)
        np.testing.assert_array_equal(open_npy(tmp_path / "table.npy"), [2, 2])
    np.testing.assert_array_equal(open_npy(tmp_path / "table.npy"), [1, 1])
    assert names(tmp_path) == ["table.npy"]


def test_killed_writer_leaves_no_file_and_the_next_one_clears_up(tmp_path):
    script = """
import sys, numpy as np
from weightfill._files.npy import new_npy
with new_npy(sys.argv[1], (1000,), np.float32):
    print("halfway", flush=True)
    sys.stdin.read()
"""
    path = tmp_path / "table.npy"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "halfway\n"
        writer.kill()
        writer.wait()
    (hidden,) = names(tmp_path)
    assert hidden.startswith(".table.npy.")
    write(path, np.ones(3))
    assert names(tmp_path) == ["table.npy"]


FILL_UP = """
import errno, sys, numpy as np
from weightfill._files.npy import new_npy
try:
    with new_npy(sys.argv[1], (4 << 20,), np.float32):
        print("the block ran")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def test_file_size_limit_is_an_error_and_leaves_no_file(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    assert run_python(limit + FILL_UP, tmp_path / "table.npy") == "EFBIG"
    assert names(tmp_path) == []


def test_full_disk_is_an_error_and_leaves_no_file(tmp_path):
    listing = "import os; print(os.listdir(os.path.dirname(sys.argv[1])))"
    # A small file system of its own for the child, where the system lets us; a limit on the size of files elsewhere.
    for user in (["--user", "--map-root-user"], []):
        mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
        prefix = ["unshare", *user, "--mount", "sh", "-c", mount, str(tmp_path)]
        probe = [*prefix, sys.executable, "-c", ""]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            output = run_python(FILL_UP + listing, tmp_path / "table.npy", prefix=prefix)
            assert output.splitlines() == ["ENOSPC", "[]"]
            return
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    assert run_python(limit + FILL_UP + listing, tmp_path / "table.npy").splitlines() == ["EFBIG", "[]"]


def test_size_beyond_what_a_file_can_have_is_an_error(tmp_path):
    message = r"^shape must need less than 2\^63 bytes, got \(4611686018427387904, 4\) of float32$"
    with pytest.raises(ValueError, match=message), new_npy(tmp_path / "table.npy", (2**62, 4), np.float32):
        pytest.fail("the block ran")
    assert names(tmp_path) == []


def test_opening_what_is_no_npy_file_is_an_error(tmp_path):
    path = tmp_path / "table.npy"
    np.save(path, np.ones(1000))
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:50], whole[:-1], whole.replace(b"'<f8'", b"'<f1'"), whole.replace(b"{", b"(")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"^file must be a whole \.npy file, got {re.escape(str(path))}: "):
            open_npy(path)
    np.save(path, np.array([None]), allow_pickle=True)
    with pytest.raises(ValueError, match="file must be a whole"):
        open_npy(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        open_npy(path)


def test_opening_with_another_dtype_than_the_files_is_an_error(tmp_path):
    np.save(tmp_path / "single.npy", np.ones(4, np.float32))
    np.save(tmp_path / "half.npy", np.ones(4, np.float16))
    np.save(tmp_path / "byte.npy", np.ones(4, "V1"))
    with pytest.raises(ValueError, match=r"^dtype must be what the file holds \(float32\), got float64$"):
        open_npy(tmp_path / "single.npy", np.float64)
    with pytest.raises(ValueError, match=r"^dtype must be what the file holds \(float16\), got bfloat16$"):
        open_npy(tmp_path / "half.npy", ml_dtypes.bfloat16)
    with pytest.raises(ValueError, match=r"^dtype must be given for a file of opaque 1-byte items, got "):
        open_npy(tmp_path / "byte.npy")
