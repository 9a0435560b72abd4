"""Checkpoints written from a plan."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from pathlib import Path

from weightfill._arguments.dtypes import DTypeLike
from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._checkpoints.shards import appearing, checked_checkpoint_path, dealt_out, index_text, shard_names
from weightfill._checkpoints.written import Written, write_tensors
from weightfill._files.direct import opened_directly
from weightfill._files.hidden_files import errors_naming
from weightfill._files.npy import MAX_FILE_BYTES
from weightfill._files.safetensors_file import INDEX_SUFFIX, header
from weightfill._files.system import write_at
from weightfill._models.assignment import drawn_by, tensors_of
from weightfill._models.manifest import Shapes, specs
from weightfill._models.seeded_rules import SeededRules
from weightfill._run.progress import Progress, check_progress, ticking
from weightfill._run.threads import threads_for


def write_checkpoint(
    plan: SeededRules,
    path: str | os.PathLike[str],
    shapes: Shapes | None = None,
    dtype: DTypeLike | None = None,
    *,
    like: str | os.PathLike[str] | None = None,
    shard_bytes: int | None = None,
    replace: bool = False,
    sync: bool = False,
    direct: bool = False,
    threads: int | None = None,
    progress: Progress = None,
) -> list[Path]:
    """Write the initial values of a model into a safetensors file, or several; return them, an index last.

    The same as `Plan.write`, which says more. The files appear when all are whole, the index last, and not at all if
    anything goes wrong: what was there before stays. Ctrl-C and other signals wait while they appear, which takes
    milliseconds, and so do other processes that write the same name. SIGKILL leaves the old checkpoint, the new one or
    none, and to run again completes: where it has come while shards appeared, those that are there are known by their
    second, hidden name and replaced, even without `replace` (but not on file systems without hard links).

    What is replaced keeps its mode, owner and access list, as far as the system allows; shards in place of a file, or
    of other shards, have those of one of them.

    A tensor under several names is written under the first, and the metadata have the others, as
    `safetensors.torch.load_model` and transformers expect it. Batch counters of norms, `num_batches_tracked`, are
    written as zeros; other tensors of integers, such as position ids, only with the values that a manifest has, or a
    module in its memory.

    Memory is 4 MB a thread, at most 64 MB in all, whatever the size, but for tensors that can only be made in one piece
    (Orthogonal).

    Args:
        plan: what to write.
        path: of the file, ending in .safetensors.
        shapes: as for `specs`.
        dtype: as for `specs`.
        like: as for `specs`.
        shard_bytes: the most bytes of tensors in a file, at least 1.
        replace: whether the checkpoint of this name, a file or shards with their index, may be replaced. A symbolic
            link that one file is written to stays, and its file is replaced; shards or an index that are links are
            refused.
        sync: whether to wait until the files are on the disk.
        direct: whether to write past the system's page cache, as for `Plan.write`.
        threads: as for `fill`.
        progress: as for `fill`; counts elements.

    >>> import tempfile, weightfill as wf
    >>> plan = wf.Plan({"*": wf.Normal(std=0.02)}, seed=42)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_checkpoint(plan, f"{folder}/model.safetensors", {"a": (4, 8), "b": 16}, shard_bytes=128)
    ...     [file.name for file in files]
    ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors', 'model.safetensors.index.json']

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument has a wrong value, a parameter has no rule, a rule has no parameter, or an initializer
            does not fit its parameter; a file would have 2^63 bytes or more; a shard or index to be replaced is a
            symbolic link. The message names it.
        FileExistsError: a file of the checkpoint exists, and is not to be replaced.
        OSError: as the system says; nothing is left behind.
    """
    if not isinstance(plan, SeededRules):
        raise TypeError(f"plan must be a Plan, got {shown(plan)}")
    file = checked_checkpoint_path(path)
    tensors = specs(shapes, dtype, like=like)
    if not tensors:
        raise ValueError("shapes must have at least one parameter, got none")
    most = _checked_shard_bytes(shard_bytes)
    for argument, value in (("replace", replace), ("sync", sync), ("direct", direct)):
        if not isinstance(value, bool):
            raise TypeError(f"{argument} must be True or False, got {shown(value)}")
    tensors, assigned = drawn_by(plan, tensors)
    shards = dealt_out(tensors, most)
    drawn = tensors_of(plan, tensors, assigned)
    total = sum(tensor.size for tensor in drawn.values())
    count = threads_for(total, threads)
    check_progress(progress)

    names = shard_names(file, len(shards))
    headers, sizes = {}, {}
    places: dict[str, tuple[str, int]] = {}
    for name, part in zip(names, shards, strict=True):
        headers[name], offsets = header(part, {other: first for other, first in tensors.ties.items() if first in part})
        sizes[name] = len(headers[name]) + sum(math.prod(s.shape) * s.dtype.itemsize for s in part.values())
        if sizes[name] > MAX_FILE_BYTES:
            way_out = "; write shards (shard_bytes=)" if len(part) > 1 else ""
            raise ValueError(f"shapes must need less than 2^63 bytes in a file, got {sizes[name]}{way_out}")
        places |= {tensor: (name, offset) for tensor, offset in offsets.items()}
    index = index_text(dict(zip(names, shards, strict=True))) if len(names) > 1 else None

    with (
        appearing(file, sizes, index, replace=replace, sync=sync) as opened,
        ExitStack() as stack,
        ticking(progress, total) as tick,
    ):
        directly = {name: stack.enter_context(opened_directly(fd, direct)) for name, fd in opened.items()}
        for name, content in headers.items():
            with errors_naming(name):
                write_at(opened[name], content)
        for name in tensors.keys() - drawn.keys():
            shard, offset = places[name]
            known = tensors.known.get(name)  # None for counters, which are zeros
            size = math.prod(tensors[name].shape) * tensors[name].dtype.itemsize
            with errors_naming(shard):
                write_at(opened[shard], bytes(size) if known is None else known.tobytes(), offset)
        parts = [
            Written(drawn[name], 0, drawn[name].size, shard, opened[shard], directly[shard], offset)
            for name, (shard, offset) in places.items()
            if name in drawn
        ]
        write_tensors(parts, count, tick)
    files = [Path(name) for name in names]
    return files if index is None else [*files, Path(file + INDEX_SUFFIX)]


def _checked_shard_bytes(shard_bytes: int | None) -> int | None:
    if shard_bytes is None:
        return None
    number = as_integer(shard_bytes, "shard_bytes")
    if number < 1:
        raise ValueError(f"shard_bytes must be at least 1, got {shown(number)}")
    return number
