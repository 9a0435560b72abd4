"""Checkpoints of several files: how tensors are dealt out, what the files are called, how they appear together."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from weightfill.files import hidden_name, hidden_names, remove_abandoned, reserved_file, sync_folder, write_at
from weightfill.manifest import Spec
from weightfill.safetensors_file import INDEX_SUFFIX

SUFFIX = ".safetensors"


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
            f"path must have a name in UTF-8 where shards are written, whose index has it, got {first!r}"
        ) from None


@contextmanager
def appearing(
    file: str, sizes: Mapping[str, int], index: bytes | None, *, replace: bool, sync: bool
) -> Iterator[dict[str, int]]:
    """Give the descriptors of the new files of a checkpoint, whose space is reserved, by path.

    When the block ends, the files appear, the index last; not at all if an exception ends it. Whatever ends the process
    leaves the old checkpoint or none: an old index, or an old whole file in place of which shards come, goes before the
    first new shard comes.

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
    if index is not None and not os.path.lexists(index_file):
        for shard in sizes:
            with suppress(OSError):  # what cannot be removed is an existing file below
                remove_abandoned(shard, unfinished=True)
    for path in dict.fromkeys((file, index_file, *sizes)):
        if os.path.lexists(path) and not (replace and os.path.isfile(path)):
            number = errno.EISDIR if os.path.isdir(path) else errno.EEXIST
            raise OSError(number, os.strerror(number), path)
        if path != file and os.path.islink(path):  # the new shards would come here, and the old ones stay there
            raise ValueError(
                "path must have no symbolic links for the shards and index to be replaced, "
                f"got the link {path!r}; remove the links first"
            )
    outdated = _shards_of(index_file) - sizes.keys() if replace else set()
    published: list[str] = []
    try:
        with ExitStack() as hidden, ExitStack() as files:  # `files` ends first, its last member first of all
            if index is not None:
                write_at(files.enter_context(reserved_file(index_file, len(index), replace=replace, sync=sync)), index)
            keep = hidden if index is not None else None
            opened = {
                path: files.enter_context(_published(published, path, size, replace, sync, keep))
                for path, size in reversed(list(sizes.items()))
            }
            if index is not None and replace:
                files.enter_context(_old_removed_first(file, sync))
            yield opened
    except BaseException:
        if index is not None and not os.path.lexists(index_file):
            for path in published:
                with suppress(OSError):
                    os.unlink(path)
        raise
    if replace:
        if index is None:
            _hide_index(file)
        for path in sorted(outdated):
            with suppress(OSError):
                os.unlink(path)
        remove_abandoned(index_file)


@contextmanager
def _published(
    published: list[str], path: str, size: int, replace: bool, sync: bool, keep: ExitStack | None
) -> Iterator[int]:
    with reserved_file(path, size, replace=replace, sync=sync, keep=keep) as fd:
        yield fd
    published.append(path)


@contextmanager
def _old_removed_first(file: str, sync: bool) -> Iterator[None]:
    yield
    _hide_index(file)
    with suppress(FileNotFoundError):
        os.unlink(file)
    if sync:
        sync_folder(os.path.dirname(file) or ".")


def _hide_index(file: str) -> None:
    """Give the index of an old checkpoint a hidden name; if this process dies, the next one sees what is outdated."""
    index_file = file + INDEX_SUFFIX
    with suppress(FileNotFoundError):
        os.rename(index_file, hidden_name(index_file))


def _shards_of(index_file: str) -> set[str]:
    """Return the shards of old checkpoints: what indices, also hidden ones, name that is called as shards are."""
    stem = re.escape(os.path.basename(index_file).removesuffix(SUFFIX + INDEX_SUFFIX))
    pattern = re.compile(rf"{stem}-\d{{5,}}-of-\d{{5,}}{re.escape(SUFFIX)}")
    shards: set[str] = set()
    with suppress(OSError):
        for path in (index_file, *hidden_names(index_file)):
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                with open(path, "rb") as opened:
                    names = json.loads(opened.read())["weight_map"].values()
                shards |= {name for name in names if isinstance(name, str) and pattern.fullmatch(name)}
    return {os.path.join(os.path.dirname(index_file), name) for name in shards}
