"""`weightfill table`: write a table, or a shard of one, into a .npy file."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

import weightfill as wf
from weightfill._arguments.dtypes import as_dtype
from weightfill._arguments.messages import printable
from weightfill._checkpoints.written import Written, write_tensors
from weightfill._cli.bars import bar
from weightfill._cli.initializers import Drawn, initializer_of, with_initializer
from weightfill._cli.options import (
    OUTPUT,
    WHAT,
    Direct,
    Force,
    Json,
    Seed,
    Stream,
    Sync,
    Threads,
    check_seed,
    checks,
    count_option,
    dtype_option,
    file_option,
)
from weightfill._cli.outputs import check_space, check_suffix
from weightfill._files.direct import opened_directly
from weightfill._files.npy import new_npy
from weightfill._initializers.base import Law
from weightfill._reading.summary import Summary
from weightfill._run.threads import threads_for

EXAMPLES = """**Examples**

```
weightfill table --rows 10M --dim 128 --out table.npy \\
    --init truncated-normal --std 0.02 --seed 42 --stream item_table
weightfill table --rows 10M --dim 128 --start-row 5M --out half.npy \\
    --init normal --std 0.02 --seed 42 --stream item_table
weightfill table --rows 4096 --dim 1024 --out fc.weight.npy \\
    --init 'KaimingNormal(mode="fan_out")' --seed 42 --stream fc.weight
```
"""


@with_initializer("What to draw", required=True)
def table(
    rows: Annotated[int, count_option("--rows", "Rows of the full table, such as 10_000_000, 10M or 1e7.", WHAT)],
    dim: Annotated[int, count_option("--dim", "Elements per row.", WHAT)],
    drawn: Drawn,
    out: Annotated[str, file_option("--out", "The file to write.", OUTPUT, "<file.npy>")],
    seed: Seed = None,
    stream: Stream = "",
    dtype: Annotated[str, dtype_option("Type of the elements.", WHAT, "float32")] = "float32",
    start_row: Annotated[int, count_option("--start-row", "First row to write.", WHAT, "0")] = 0,
    end_row: Annotated[int | None, count_option("--end-row", "End row, exclusive.", WHAT, "all rows")] = None,
    threads: Threads = None,
    force: Force = False,
    sync: Sync = False,
    direct: Direct = False,
    as_json: Json = False,
) -> int:
    """Write a table, or a range of its rows, into a .npy file.

    The file is created only if everything succeeds. The table may be larger than the memory. --start-row and
    --end-row write only these rows; their values equal those of the full table.

    The .npy format has no name for bfloat16 and the float8 types. NumPy reads their elements as raw bytes;
    `np.load(FILE).view(ml_dtypes.bfloat16)` restores the type.
    """
    check_suffix("--out", out, ".npy")
    initializer = initializer_of(drawn)
    end = rows if end_row is None else end_row
    for name, number, least, most in (
        ("--rows", rows, 0, 2**63 - 1),
        ("--dim", dim, 1, 2**63 - 1),
        ("--start-row", start_row, 0, rows),
        ("--end-row", end, start_row, rows),
    ):
        if not least <= number <= most:
            raise ValueError(f"{name} must be from {least:,} to {most:,}, got {number:,}")
    check_seed(initializer, seed)
    item = as_dtype(dtype)
    whole = (rows, dim)
    with checks():
        tensor = wf.Tensor(whole, initializer, seed=seed, stream=stream, dtype=item)
        nothing = np.empty((0, dim), item)  # checks all before there is a file
        tensor.fill(nothing, start=(start_row, 0), threads=threads)

    shape = (end - start_row, dim)
    size = math.prod(shape)
    nbytes = size * item.itemsize
    check_space(out, nbytes)
    summary, add = _summing_up(start_row * dim)
    with (
        new_npy(out, shape, item, replace=force, sync=sync) as file,
        opened_directly(file.fd, direct) as fd,
        bar("filling", out, size, nbytes) as show,
    ):
        began = time.perf_counter()
        part = Written(tensor, start_row * dim, end * dim, out, file.fd, fd, file.offset)
        write_tensors([part], threads_for(size, threads), lambda done: show(0, done, size), add)
        seconds = time.perf_counter() - began
    speed = nbytes / 1e9 / seconds
    report = {
        "file": out,
        "shape": shape,
        "dtype": dtype,
        "initializer": repr(initializer),
        "seed": seed,
        "stream": stream,
        "rows": rows,
        "start_row": start_row,
        "end_row": end,
        "elements": size,
        "bytes": nbytes,
        "seconds": seconds,
        "gb_per_s": speed,
        **summary.numbers(),
    }
    if as_json:
        print(json.dumps(report))
        return 0
    words = f", seed {seed}, stream {stream!r}" if initializer.random else ""
    print(f"{printable(out)}: {shape[0]:,} x {dim:,} {dtype}, {initializer!r}{words}")
    print(f"{size:,} elements, {nbytes:,} bytes, {seconds:.3f} s, {speed:.2f} GB/s")
    if summary.count:
        print(_moments(summary, tensor.law))
    if item.isbuiltin == 2:
        print(printable(f"open with np.load({out!r}).view(ml_dtypes.{dtype})"))
    return 0


def _summing_up(first: int) -> tuple[Summary, Callable[[npt.NDArray[Any], int], None]]:
    """Return a summary, and what adds a block to it by the index of its first element, which is `first` for one.

    Blocks are added in their order, whichever comes first, so that no digit depends on threads.
    """
    summary, lock = Summary(), threading.Lock()
    waiting: dict[int, Summary] = {}

    def add(block: npt.NDArray[Any], begin: int) -> None:
        part = Summary()
        part.add(block, threads=1)
        with lock:
            waiting[begin] = part
            while first + summary.total in waiting:
                summary.merge(waiting.pop(first + summary.total))

    return summary, add


def _moments(summary: Summary, law: Law | None) -> str:
    """Return mean, std, min and max, and what the first two should be where that is not what was given."""
    parts = {name: f"{name} {number:.6g}" for name, number in summary.numbers().items() if number is not None}
    if isinstance(law, wf.TruncatedNormal):
        mean, std = law.moments()
        if mean != law.mean:
            parts["mean"] += f", expected {mean:.6g} ({law.mean:.6g} before the cut)"
        parts["std"] = f"std {summary.std:.4g}, expected {std:.4g} ({law.std:.6g} before the cut)"
    return ", ".join(parts.values())
