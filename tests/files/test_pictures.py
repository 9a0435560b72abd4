"""Pictures are files like others: whole or not there, never in place of one that is not to be replaced."""

import importlib.util
import os

import pytest

from weightfill._files.pictures import check_picture, new_figure, write_picture


def test_picture_is_written_whole_and_without_pyplot(tmp_path):
    path = tmp_path / "p.png"
    check_picture(path, replace=False, extra="plot")
    assert list(tmp_path.iterdir()) == []
    write_picture(path, new_figure(2, 1, dpi=50), replace=False)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FileExistsError, match="File exists; replace=True replaces it"):
        check_picture(path, replace=False, extra="plot")
    with pytest.raises(FileExistsError):
        write_picture(path, new_figure(3, 1), replace=False)
    assert path.read_bytes() == content
    write_picture(path, new_figure(3, 1), replace=True)
    assert path.read_bytes() != content
    assert os.listdir(tmp_path) == ["p.png"]


def test_pictures_refuse(tmp_path, monkeypatch):
    (tmp_path / "folder.png").mkdir()
    for path, error, message in (
        (3, TypeError, "path must be a path, got 3"),
        (tmp_path / "p.jpg", ValueError, r"path must end in .png, got '.*p.jpg'"),
        (tmp_path / "folder.png", IsADirectoryError, "Is a directory"),
        (tmp_path / "none" / "p.png", FileNotFoundError, "No such file or directory: '.*none/p.png'"),
    ):
        with pytest.raises(error, match=message):
            check_picture(path, replace=True, extra="plot")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pictures need matplotlib: pip install 'weightfill\[signals\]'"):
        check_picture(tmp_path / "p.png", replace=True, extra="signals")
