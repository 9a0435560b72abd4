"""`weightfill table`: write a table, or a shard of one, into a .npy file."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Annotated, Any

import numpy as np

import weightfill as wf
from weightfill import cli
from weightfill.cli.bars import bar
from weightfill.cli.options import (
    OUTPUT,
    WHAT,
    Cutoff,
    Force,
    High,
    Json,
    Low,
    Mean,
    Seed,
    Std,
    Stream,
    Sync,
    Threads,
    Value,
    check_seed,
    checks,
    count_option,
    dtype_option,
    file_option,
    init_option,
    initializer_of,
)
from weightfill.cli.outputs import check_space, check_suffix
from weightfill.cli.reports import expected_moments
from weightfill.dtypes import as_dtype
from weightfill.files import new_npy, populate
from weightfill.initializers import Law, WholeTensor
from weightfill.manifest import printable
from weightfill.summary import Summary
from weightfill.threads import threads_for

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


def table(
    rows: Annotated[int, count_option("--rows", "Rows of the whole table, such as 10_000_000, 10M or 1e7.", WHAT)],
    dim: Annotated[int, count_option("--dim", "Elements of a row.", WHAT)],
    init: Annotated[str, init_option("What to draw")],
    out: Annotated[str, file_option("--out", "The file to write.", OUTPUT, "<file.npy>")],
    seed: Seed = None,
    stream: Stream = "",
    dtype: Annotated[str, dtype_option("Type of the elements.", WHAT, "float32")] = "float32",
    value: Value = None,
    mean: Mean = None,
    std: Std = None,
    cutoff: Cutoff = None,
    low: Low = None,
    high: High = None,
    start_row: Annotated[int, count_option("--start-row", "First row of the shard to write.", WHAT, "0")] = 0,
    end_row: Annotated[int | None, count_option("--end-row", "Row after the shard's last.", WHAT, "as --rows")] = None,
    threads: Threads = None,
    force: Force = False,
    sync: Sync = False,
    as_json: Json = False,
) -> int:
    """Write a table, or a shard of it, into a .npy file.

    The file appears under its name when it is whole, and not at all if anything goes wrong; the table may be larger
    than the memory. A shard (rows START-ROW to END-ROW) holds the values which these rows of the whole table have.

    The .npy format has no name for bfloat16 and the float8 types: NumPy shows their items as opaque bytes,
    and `np.load(FILE).view(ml_dtypes.bfloat16)` restores the type.
    """
    check_suffix("--out", out, ".npy")
    initializer = initializer_of(init, value=value, mean=mean, std=std, cutoff=cutoff, low=low, high=high)
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
    how: dict[str, Any] = {"seed": seed, "stream": stream, "shape": (rows, dim), "threads": threads}
    with checks():
        if isinstance(initializer, WholeTensor):
            initializer.check((rows, dim), item)
        wf.fill(np.empty((0, dim), item), initializer, start=(start_row, 0), **how)  # before there is a file

    shape = (end - start_row, dim)
    check_space(out, (end - start_row) * dim * item.itemsize)
    # A block is summed up while still in memory: a larger table is never read back.
    block_rows = max(1, cli._BLOCK_BYTES // (dim * item.itemsize))
    if isinstance(initializer, WholeTensor):  # which each block would make anew
        block_rows = max(1, end - start_row)
    summary, seconds = Summary(), 0.0
    with (
        new_npy(out, shape, item, replace=force, sync=sync) as target,
        bar("filling", out, target.size, target.nbytes) as show,
    ):
        for first in range(0, len(target), block_rows):
            block = target[first : first + block_rows]
            began = time.perf_counter()
            populate(target, first, first + len(block))
            wf.fill(block, initializer, start=(start_row + first, 0), progress=partial(show, first * dim), **how)
            seconds += time.perf_counter() - began
            summary.add(block, threads_for(block.size, threads))
    speed = target.nbytes / 1e9 / seconds if seconds else 0.0
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
        "elements": target.size,
        "bytes": target.nbytes,
        "seconds": seconds,
        "gb_per_s": speed,
        **summary.numbers(),
    }
    if as_json:
        print(json.dumps(report))
        return 0
    drawn = f", seed {seed}, stream {stream!r}" if initializer.random else ""
    print(f"{printable(out)}: {shape[0]:,} x {dim:,} {dtype}, {initializer!r}{drawn}")
    print(f"{target.size:,} elements, {target.nbytes:,} bytes, {seconds:.3f} s, {speed:.2f} GB/s")
    if summary.count:
        print(_moments(summary, None if isinstance(initializer, WholeTensor) else initializer.law((rows, dim))))
    if item.isbuiltin == 2:
        print(printable(f"open with np.load({out!r}).view(ml_dtypes.{dtype})"))
    return 0


def _moments(summary: Summary, law: Law | None) -> str:
    """Return mean, std, min and max, and what the first two should be where that is not what was given."""
    parts = {name: f"{name} {number:.6g}" for name, number in summary.numbers().items() if number is not None}
    if isinstance(law, wf.TruncatedNormal):
        mean, std = expected_moments(law)
        if mean != law.mean:
            parts["mean"] += f", expected {mean:.6g} ({law.mean:.6g} before the cut)"
        parts["std"] = f"std {summary.std:.4g}, expected {std:.4g} ({law.std:.6g} before the cut)"
    return ", ".join(parts.values())
