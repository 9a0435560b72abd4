"""Checkpoints of several files: how tensors are dealt out, what the files are called, how they appear together."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from weightfill._arguments.messages import shown
from weightfill._files.hidden_files import (
    HiddenFile,
    check_replaceable,
    errors_naming,
    hidden_file,
    hidden_name,
    hidden_names,
    locked,
    moving,
    publish,
    remove_abandoned,
)
from weightfill._files.npy import checked_path, content_of
from weightfill._files.safetensors_file import INDEX_SUFFIX, MAX_INDEX_BYTES
from weightfill._files.system import sync_file, sync_folder, write_at
from weightfill._models.manifest import Spec
from weightfill._run.interruption import uninterrupted

SUFFIX = ".safetensors"


def checked_checkpoint_path(path: str | os.PathLike[str]) -> str:
    """Return the path of a new checkpoint as a string.

    Raises:
        TypeError: it is no path.
        ValueError: it does not end in .safetensors, or no file can have it.
    """
    file = checked_path(path)
    if not file.endswith(SUFFIX):
        raise ValueError(f"path must end in {SUFFIX}, got {shown(file)}")
    return file


def dealt_out(tensors: Mapping[str, Spec], shard_bytes: int | None) -> list[dict[str, Spec]]:
    """Return the tensors of every shard, in their order; a tensor of more than `shard_bytes` has one for itself."""
    shards: list[dict[str, Spec]] = [{}]
    used = 0
    for name, spec in tensors.items():
        size = math.prod(spec.shape) * spec.dtype.itemsize
        if shard_bytes is not None and shards[-1] and used + size > shard_bytes:
            shards.append({})
            used = 0
        shards[-1][name] = spec
        used += size
    return shards


def shard_names(file: str, count: int) -> list[str]:
    """Return the paths of the shards of a checkpoint `NAME.safetensors`, as Hugging Face calls them."""
    if count == 1:
        return [file]
    return [f"{file.removesuffix(SUFFIX)}-{number:05}-of-{count:05}{SUFFIX}" for number in range(1, count + 1)]


def index_text(shards: Mapping[str, Mapping[str, Spec]]) -> bytes:
    """Return the index of shards, given by path: which file a tensor is in, and how many bytes all have.

    Raises:
        ValueError: the name of a shard cannot stand in JSON, which is UTF-8.
    """
    specs = [spec for tensors in shards.values() for spec in tensors.values()]
    total = sum(math.prod(shape) * dtype.itemsize for shape, dtype in specs)
    weight_map = {name: os.path.basename(file) for file, tensors in shards.items() for name in tensors}
    document = {"metadata": {"total_size": total}, "weight_map": weight_map}
    try:
        return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
    except UnicodeEncodeError:  # the tensors' names are known to be in UTF-8
        first = next(iter(shards))
        raise ValueError(
            f"path must have a name in UTF-8 where shards are written, whose index has it, got {shown(first)}"
        ) from None


@contextmanager
def appearing(
    file: str, sizes: Mapping[str, int], index: bytes | None, *, replace: bool, sync: bool
) -> Iterator[dict[str, int]]:
    """Give the descriptors of the new files of a checkpoint, whose space is reserved, by path.

    When the block ends, the files appear, the index last; not at all if an exception ends it, or if anything goes wrong
    meanwhile: what was there before then comes back. No signal interrupts that, and other writers of the name wait.
    Whatever ends the process leaves the old checkpoint, the new one or none.

    Args:
        file: the path of the checkpoint, NAME.safetensors.
        sizes: in bytes, of the files: `file` alone, or its shards.
        index: the content of the index of the shards; None for `file` alone.
        replace: whether the checkpoint of this name, whole or in shards, may be replaced.
        sync: whether to wait until all is on the disk.

    Raises:
        FileExistsError: a file of the checkpoint exists, and is not to be replaced.
        ValueError: a shard or index to be replaced is a symbolic link.
        OSError: as the system says.
    """
    index_file = file + INDEX_SUFFIX
    new = dict(sizes) if index is None else {**sizes, index_file: len(index)}
    with suppress(OSError), locked(file):  # what cannot be removed is an existing file below
        _remove_remains(file)
    _check(file, new, replace)
    with moving(file):
        others = (file, index_file, *sorted(_shards_of(index_file))) if replace else ()
    with ExitStack() as stack:
        hidden: dict[str, HiddenFile] = {}
        for path, size in reversed(new.items()):
            # All shards are beside `file`: the next writer may have another number of them.
            beside = path if path == index_file else os.path.realpath(file) if index is None else file
            like = next(filter(os.path.exists, (path, *others)), path)
            hidden[path] = stack.enter_context(hidden_file(path, size, beside=beside, like=like))
        if index is not None:
            write_at(hidden[index_file].fd, index)
        yield {path: hidden[path].fd for path in sizes}
        if sync:
            for path, written in hidden.items():
                with errors_naming(path):
                    sync_file(written.fd)
        with locked(file), uninterrupted():
            _check(file, new, replace)
            _exchange(file, {path: hidden[path] for path in new}, replace, sync)


def _check(file: str, new: Mapping[str, int], replace: bool) -> None:
    """Raise unless these files can appear."""
    for path in dict.fromkeys((file, file + INDEX_SUFFIX, *new)):
        check_replaceable(path, replace)
        if path != file and os.path.islink(path):  # the new shards would come here, and the old ones stay there
            raise ValueError(
                "path must have no symbolic links for the shards and index to be replaced, "
                f"got the link {shown(path)}; remove the links first"
            )


def _exchange(file: str, new: Mapping[str, HiddenFile], replace: bool, sync: bool) -> None:
    """Give new files their names, in their order, in place of an old checkpoint; all of it, or an exception."""
    index_file, folder, alone = file + INDEX_SUFFIX, os.path.dirname(file) or ".", list(new) == [file]
    outdated = _shards_of(index_file) - new.keys() if replace else set()
    # A file that comes alone comes in one step. Shards cannot, so first the old index goes, and the new one comes last.
    old = (index_file,) if alone else (index_file, file, *sorted(outdated), *new)
    kept: list[str] = []
    with ExitStack() as undo:
        for path in dict.fromkeys(old) if replace else ():
            if os.path.isfile(path) or os.path.islink(path):
                kept.append(hidden_name(index_file if path == index_file else file))
                with errors_naming(path):
                    os.rename(path, kept[-1])
                undo.callback(os.rename, kept[-1], path)
        for path, written in new.items():
            if sync and (kept or path == index_file):
                sync_folder(folder)  # also a power cut leaves no index whose shards are not there
            with errors_naming(path):
                if alone and replace:
                    publish(written, os.path.realpath(path), replace=True)
                else:
                    publish(written, path, replace=False)
                    undo.callback(os.unlink, path)
        if sync:
            sync_folder(folder)
        undo.pop_all()
    for path in (*outdated, *reversed(kept)):  # a hidden index last: it says what is outdated
        with suppress(OSError):
            os.unlink(path)
    if replace:
        remove_abandoned(index_file)


def _remove_remains(file: str) -> None:
    """Remove what killed writers of a checkpoint have left: hidden files, and shards whose index did not come."""
    index_file = file + INDEX_SUFFIX
    remove_abandoned(file, None if os.path.lexists(index_file) else _shards_pattern(index_file))
    if os.path.islink(file):
        remove_abandoned(os.path.realpath(file))
    outdated = _named(hidden_names(index_file), index_file) - _named([index_file], index_file)
    if not any(map(os.path.lexists, outdated)):  # otherwise a writer that replaces has to know them
        remove_abandoned(index_file)


def _shards_pattern(index_file: str) -> re.Pattern[str]:
    stem = re.escape(os.path.basename(index_file).removesuffix(SUFFIX + INDEX_SUFFIX))
    return re.compile(rf"{stem}-\d{{5,}}-of-\d{{5,}}{re.escape(SUFFIX)}")


def _shards_of(index_file: str) -> set[str]:
    """Return the shards of old checkpoints, which indices, also hidden ones, name."""
    with suppress(OSError):
        return _named([index_file, *hidden_names(index_file)], index_file)
    return set()


def _named(indices: list[str], index_file: str) -> set[str]:
    """Return what these indices name and is called as the shards of this one are."""
    pattern = _shards_pattern(index_file)
    shards: set[str] = set()
    for path in indices:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            names = json.loads(content_of(path, "index", "in JSON", MAX_INDEX_BYTES))["weight_map"].values()
            shards |= {name for name in names if isinstance(name, str) and pattern.fullmatch(name)}
    return {os.path.join(os.path.dirname(index_file), name) for name in shards}
