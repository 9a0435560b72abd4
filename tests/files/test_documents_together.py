"""Small files that appear together, or not at all."""

import os

import pytest

from tests.folders import names
from weightfill._files import documents
from weightfill._files.documents import appearing_together


def write(folder, *contents, replace=False):
    paths = [str(folder / name) for name in ("a", "b")]
    with appearing_together(paths, replace=replace) as files:
        files.update(zip(paths, contents, strict=True))


def held(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def test_both_appear_with_their_contents_and_replace_others_if_asked(tmp_path):
    write(tmp_path, b"", b"long" * 1000)
    assert held(tmp_path) == {"a": b"", "b": b"long" * 1000}
    write(tmp_path, b"new", b"x", replace=True)
    assert held(tmp_path) == {"a": b"new", "b": b"x"}
    with pytest.raises(FileExistsError):
        write(tmp_path, b"1", b"2")
    assert held(tmp_path) == {"a": b"new", "b": b"x"}


def test_an_error_within_the_block_leaves_what_was_there(tmp_path):
    (tmp_path / "a").write_bytes(b"old")

    def work():
        with appearing_together([str(tmp_path / "a")], replace=True) as files:
            files[str(tmp_path / "a")] = b"new"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert held(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("before", [(), ("a",), ("a", "b")])
def test_an_error_of_the_second_takes_the_first_back(tmp_path, monkeypatch, before):
    for name in before:
        (tmp_path / name).write_bytes(b"old")
    publish = documents.publish

    def failing(hidden, final, *, replace):
        if final.endswith("b"):
            raise OSError(28, "No space left on device")
        publish(hidden, final, replace=replace)

    monkeypatch.setattr(documents, "publish", failing)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(tmp_path, b"1", b"2", replace=True)
    assert caught.value.filename == str(tmp_path / "b")
    assert held(tmp_path) == dict.fromkeys(before, b"old")


def test_a_file_that_comes_meanwhile_is_not_replaced(tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]

    def work():
        with appearing_together(paths, replace=False) as files:
            files.update(dict.fromkeys(paths, b"mine"))
            (tmp_path / "b").write_bytes(b"theirs")

    with pytest.raises(FileExistsError):
        work()
    assert held(tmp_path) == {"b": b"theirs"}


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    os.symlink("real", tmp_path / "a")
    write(tmp_path, b"1", b"2", replace=True)
    assert held(tmp_path) == {"a": b"1", "b": b"2", "real": b"1"}
    assert (tmp_path / "a").is_symlink()


def test_a_file_system_without_hard_links_is_enough(tmp_path, monkeypatch):
    def link(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    write(tmp_path, b"1", b"2")
    write(tmp_path, b"3", b"4", replace=True)
    assert held(tmp_path) == {"a": b"3", "b": b"4"}
