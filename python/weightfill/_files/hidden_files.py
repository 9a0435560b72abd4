"""Files that are written under a hidden name and get their own when they are whole.

The hidden name is `.NAME.<16 hex digits>.weightfill`, with a NAME that is shortened where that would be too long.
Whatever ends the writing removes the hidden file, except for SIGKILL and a power cut: what these leave behind goes when
the same name is next written, or could not be as it exists. The lock that a living writer holds tells its hidden file
from an abandoned one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from weightfill._files import system
from weightfill._files.permissions import take_after
from weightfill._run.interruption import uninterrupted

_MAX_NAME_BYTES = 255
_HIDDEN_BYTES = len("..0123456789abcdef.weightfill")  # what a hidden name has beside the file's own
_LOCK = "0" * 16  # in place of the random digits


class HiddenFile:
    """A file that is being written, open as `fd`, and the hidden name that it has meanwhile."""

    def __init__(self, fd: int, name: str) -> None:
        self.fd, self.name = fd, name

    def let_go(self) -> None:
        """Close it if it could not be renamed or removed otherwise; then it has no lock any more."""
        if not system.MOVES_OPEN_FILES:
            self.close()

    def close(self) -> None:
        """Close it, unless it is closed."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def discard(self) -> None:
        """Remove the hidden name, and close the file."""
        self.let_go()
        with suppress(OSError):
            os.unlink(self.name)
        self.close()


@contextmanager
def reserved_file(
    path: str | os.PathLike[str], size: int, *, replace: bool = False, sync: bool = False
) -> Iterator[int]:
    """Give the descriptor of a new file of `size` bytes, at least 1, whose space is reserved; the rest as `new_npy`."""
    final = os.path.realpath(path) if replace else os.fspath(path)  # through a link to the file that it names
    with suppress(OSError), moving(final):
        remove_abandoned(final)
    check_replaceable(path, replace)
    with hidden_file(path, size, beside=final, like=final) as hidden:
        yield hidden.fd
        with errors_naming(path):
            if sync:
                system.sync_file(hidden.fd)
            with moving(final):
                publish(hidden, final, replace=replace)
            if sync:
                system.sync_folder(os.path.dirname(final) or ".")


def check_replaceable(path: str | os.PathLike[str], replace: bool) -> None:
    """Raise unless a new file can come under this name.

    Raises:
        IsADirectoryError: a folder has it.
        FileExistsError: something else has it that is no regular file, or anything at all without `replace`.
    """
    if os.path.lexists(path) and not (replace and os.path.isfile(path)):
        number = errno.EISDIR if os.path.isdir(path) else errno.EEXIST
        way_out = "; replace=True replaces it" if os.path.isfile(path) else ""
        raise OSError(number, os.strerror(number) + way_out, os.fspath(path))


@contextmanager
def hidden_file(path: str | os.PathLike[str], size: int, *, beside: str, like: str) -> Iterator[HiddenFile]:
    """Give a new file of `size` bytes, whose space is reserved, under a hidden name that goes when the block ends.

    Args:
        path: what errors name.
        size: at least 1.
        beside: the file, in the same folder, among whose hidden names this one is.
        like: whose owner and mode the file shall have, if there is such a file.
    """
    hidden = None
    try:
        with errors_naming(path):
            hidden = _new_hidden_file(beside, like)
            system.reserve(hidden.fd, size, os.path.dirname(hidden.name))
        yield hidden
    finally:
        if hidden is not None:
            with uninterrupted():
                hidden.discard()


def moving(final: str) -> AbstractContextManager[None]:
    """Hold the lock of a file's name while hidden files get it, or abandoned ones go, if the lock of their own is lost.

    Where open files cannot be renamed, a writer closes its file first, which then looks abandoned.
    """
    return nullcontext() if system.MOVES_OPEN_FILES else locked(final)


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock of a file's name, for which other threads and processes wait; it ends with the process.

    Where the file system has no locks, this does nothing.
    """
    folder, name = os.path.split(path)
    lock = os.path.join(folder, f".{_short(name)}.{_LOCK}.weightfill")
    with errors_naming(path):
        held = HiddenFile(_locked(lock), lock)
    try:
        yield
    finally:
        with uninterrupted():
            held.discard()


def _locked(lock: str) -> int:
    while True:
        try:
            fd = os.open(lock, system.CREATE, 0o666)
        except FileExistsError:
            try:
                fd = _opened(lock)
            except FileNotFoundError:
                continue
        try:
            with suppress(OSError):
                system.lock(fd)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), os.lstat(lock)):
                    return fd  # otherwise its holder has removed it
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def hidden_name(path: str) -> str:
    """Return a new hidden name beside that of a file."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{_short(name)}.{secrets.token_hex(8)}.weightfill")


def hidden_names(path: str) -> list[str]:
    """Return the paths of all regular files under hidden names beside that of a file."""
    folder, name = os.path.split(path)
    pattern = re.compile(rf"\.{re.escape(_short(name))}\.[0-9a-f]{{16}}\.weightfill")
    with os.scandir(folder or ".") as entries:
        return [
            os.path.join(folder, entry.name)
            for entry in entries
            if pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        ]


def _short(name: str) -> str:
    """Return what stands for a file's name in its hidden names: a beginning and a hash where it is too long.

    A name that no file can have is left as it is: so that the hidden file already fails, not the whole one.
    """
    encoded, room = os.fsencode(name), _MAX_NAME_BYTES - _HIDDEN_BYTES
    if not room < len(encoded) <= _MAX_NAME_BYTES:
        return name
    end = f"~{hashlib.blake2b(encoded, digest_size=8).hexdigest()}"
    while len(os.fsencode(name)) > room - len(end):
        name = name[:-1]
    return name + end


def remove_abandoned(path: str, unfinished: re.Pattern[str] | None = None) -> None:
    """Remove the hidden files of a file's former writers that are no longer alive.

    With `unfinished`, also the other names that these files have in the folder, as far as they match.
    """
    for name in hidden_names(path):
        with suppress(OSError):
            abandoned = HiddenFile(_opened(name), name)
            try:
                system.lock(abandoned.fd, wait=False)  # fails while its writer lives
                others = [] if unfinished is None else _other_names(abandoned.fd, os.path.dirname(path), unfinished)
                abandoned.let_go()
                for unwanted in (*others, name):
                    os.unlink(unwanted)
            finally:
                abandoned.close()


def _other_names(fd: int, folder: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the paths of the names of this pattern that an open file has in a folder."""
    status = os.fstat(fd)
    if status.st_nlink == 1:
        return []
    paths = [os.path.join(folder, name) for name in os.listdir(folder or ".") if pattern.fullmatch(name)]
    return [path for path in paths if os.path.samestat(os.lstat(path), status)]


def _opened(hidden: str) -> int:
    try:
        fd = os.open(hidden, os.O_RDWR | system.OPEN_NO_LINK)  # NFS locks only what may be written
    except PermissionError:  # of mode 0400, as the file that it should have replaced
        fd = os.open(hidden, os.O_RDONLY | system.OPEN_NO_LINK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), hidden)
    return fd


@contextmanager
def errors_naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Have the system's errors name this file."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, error.strerror or os.strerror(number), os.fspath(path)) from error


def _new_hidden_file(path: str, like: str) -> HiddenFile:
    replacing = os.path.exists(like)
    while True:
        name = hidden_name(path)
        mode = 0o600 if replacing else 0o666  # nobody may read what is to replace a file that they may not
        hidden = HiddenFile(os.open(name, system.CREATE, mode), name)
        with suppress(OSError):  # some file systems have no locks: there, abandoned files stay
            system.lock(hidden.fd)
        if os.fstat(hidden.fd).st_nlink:
            break
        hidden.close()  # taken for an abandoned one before it was locked
    try:
        with suppress(FileNotFoundError):
            take_after(hidden.fd, like)
    except BaseException:
        hidden.discard()
        raise
    return hidden


def publish(hidden: HiddenFile, final: str, *, replace: bool) -> None:
    """Give a hidden file its own name; without `replace` it keeps the hidden one, too, where files can have two.

    Within `moving`, as it may be closed then.

    Raises:
        FileExistsError: the name is taken, without `replace`.
    """
    if replace:
        with suppress(FileNotFoundError):  # whose mode and owner may have changed meanwhile
            take_after(hidden.fd, final)
    hidden.let_go()
    if replace:
        os.replace(hidden.name, final)
    elif not system.linked(hidden.name, final):  # unlike a rename, fails if `final` has appeared meanwhile
        os.rename(hidden.name, final)
