"""A file that takes the place of another has its mode and owner."""

import os
import stat
import struct

import numpy as np
import pytest

import weightfill as wf
from weightfill._cli import run
from weightfill._files import permissions
from weightfill._files.npy import new_npy
from weightfill._files.permissions import take_after
from weightfill._plan import Plan

PLAN, SHAPES = Plan({"*": wf.Ones()}), {"a": 10, "b": 10, "c": 10}
NOBODY = 65534


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder):
    return {path.name: mode_of(path) for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def _usual_mask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o400, 0o755])
def test_replaced_table_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "table.npy"
    np.save(path, np.zeros(3))
    path.chmod(mode)
    with new_npy(path, (5,), np.float32, replace=True):
        (hidden,) = (name for name in os.listdir(tmp_path) if name != path.name)
        assert mode_of(tmp_path / hidden) == mode
    assert modes(tmp_path) == {"table.npy": mode}


def test_new_file_has_the_mode_of_new_files(tmp_path):
    with new_npy(tmp_path / "table.npy", (5,), np.float32, replace=True):
        pass
    PLAN.write(tmp_path / "m.safetensors", SHAPES, shard_bytes=40, replace=True)
    assert set(modes(tmp_path).values()) == {0o644}


def test_mode_that_changes_while_a_file_is_written_is_kept(tmp_path):
    path = tmp_path / "table.npy"
    np.save(path, np.zeros(3))
    with new_npy(path, (5,), np.float32, replace=True):
        path.chmod(0o600)
    assert mode_of(path) == 0o600


@pytest.mark.parametrize("how", [{}, {"shard_bytes": 40}, {"shard_bytes": 80}], ids=str)
@pytest.mark.parametrize("before", [{}, {"shard_bytes": 40}, {"shard_bytes": 80}], ids=str)
def test_every_file_of_a_replaced_checkpoint_is_as_private_as_the_old_one(tmp_path, before, how):
    for file in PLAN.write(tmp_path / "m.safetensors", SHAPES, **before):
        file.chmod(0o600)
    seen = set()
    PLAN.write(
        tmp_path / "m.safetensors",
        SHAPES,
        replace=True,
        progress=lambda *_: seen.update(modes(tmp_path).values()),
        **how,
    )
    assert seen | set(modes(tmp_path).values()) == {0o600}


def test_replaced_picture_keeps_its_mode(tmp_path):
    np.save(tmp_path / "t.npy", np.ones(3, np.float32))
    (tmp_path / "t.png").touch(0o600)
    assert run(["inspect", str(tmp_path / "t.npy"), "--png", str(tmp_path / "t.png"), "--force"]) == 0
    assert mode_of(tmp_path / "t.png") == 0o600
    assert (tmp_path / "t.png").stat().st_size


def test_link_stays_and_the_file_behind_it_keeps_its_mode(tmp_path):
    PLAN.write(tmp_path / "blob.safetensors", SHAPES)
    (tmp_path / "blob.safetensors").chmod(0o600)
    (tmp_path / "m.safetensors").symlink_to("blob.safetensors")
    PLAN.write(tmp_path / "m.safetensors", SHAPES, replace=True)
    assert (tmp_path / "m.safetensors").is_symlink()
    assert mode_of(tmp_path / "blob.safetensors") == 0o600


def test_replaced_file_keeps_its_owner_as_far_as_the_system_allows(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    PLAN.write(path, SHAPES)
    path.chmod(0o640)
    asked = []
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    else:  # as if it were another's
        stat_of = os.stat

        def foreign(name, **how):
            found = stat_of(name, **how)
            return os.stat_result((*found[:4], NOBODY, NOBODY, *found[6:10])) if str(name) == str(path) else found

        monkeypatch.setattr(permissions.os, "stat", foreign)
    chown = os.fchown
    monkeypatch.setattr(os, "fchown", lambda *given: (asked.append(given[1:]), chown(*given)))
    PLAN.write(path, SHAPES, replace=True)
    assert {(NOBODY, -1), (-1, NOBODY)} <= set(asked)
    if os.geteuid() == 0:
        assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (NOBODY, NOBODY, 0o640)


def test_group_that_cannot_be_kept_may_do_what_all_may(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError

    old, new = tmp_path / "old", tmp_path / "new"
    old.touch()
    found = os.stat(old)
    for mode, expected in ((0o660, 0o600), (0o664, 0o644), (0o604, 0o644), (0o600, 0o600)):
        foreign = os.stat_result((stat.S_IFREG | mode, *found[1:4], NOBODY, found.st_gid + 1, *found[6:10]))
        with monkeypatch.context() as patch, open(new, "wb") as opened:
            patch.setattr(os, "fchown", refuse)
            patch.setattr(os, "stat", lambda path, foreign=foreign: foreign)
            take_after(opened.fileno(), str(old))
        assert mode_of(new) == expected


def test_access_list_is_kept_where_there_are_any(tmp_path):
    path = tmp_path / "table.npy"
    np.save(path, np.zeros(3))
    entries = (
        (0x01, 6, 2**32 - 1),
        (0x02, 6, NOBODY),
        (0x04, 0, 2**32 - 1),
        (0x10, 6, 2**32 - 1),
        (0x20, 0, 2**32 - 1),
    )
    listed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", listed)
    except (AttributeError, OSError):  # a system or a file system without them
        listed = None
    with new_npy(path, (5,), np.float32, replace=True):
        pass
    if listed is not None:
        assert os.getxattr(path, "system.posix_acl_access") == listed
