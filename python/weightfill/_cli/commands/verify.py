"""`weightfill verify`: check a table against initializer, seed and stream, or a checkpoint against its plan."""

from __future__ import annotations

import json
from typing import Annotated

import numpy as np
import typer

import weightfill as wf
from weightfill._arguments.dtypes import as_dtype
from weightfill._arguments.messages import printable
from weightfill._checkpoints.compared import verify_stored
from weightfill._cli.bars import bar
from weightfill._cli.checkpoints import verify_model
from weightfill._cli.initializers import Drawn, initializer_of, with_initializer
from weightfill._cli.options import (
    OUTPUT,
    VALUES,
    WHAT,
    Json,
    Seed,
    Stream,
    Threads,
    check_seed,
    checks,
    count_option,
    dtype_option,
    file_name,
    file_option,
)
from weightfill._cli.reports import difference, difference_text
from weightfill._cli.tables import print_total, terminal_width
from weightfill._files.npy import stored_npy

EXAMPLES = """**Examples**

```
weightfill verify table.npy \\
    --init truncated-normal --std 0.02 --seed 42 --stream item_table
weightfill verify half.npy --start-row 5M \\
    --init normal --std 0.02 --seed 42 --stream item_table
weightfill verify model.safetensors --plan plan.toml
```
"""


@with_initializer("What a .npy file should hold", required=False)
def verify(
    file: Annotated[
        str, typer.Argument(help="The .npy file, or the checkpoint, to check.", metavar="<file>", parser=file_name)
    ],
    drawn: Drawn,
    plan: Annotated[
        str | None, file_option("--plan", "The plan of a checkpoint, in TOML.", VALUES, "<plan.toml>")
    ] = None,
    shapes: Annotated[
        str | None,
        file_option("--shapes", "The tensors that a checkpoint should have.", WHAT, default="not checked"),
    ] = None,
    seed: Seed = None,
    stream: Stream = "",
    dtype: Annotated[
        str | None, dtype_option("Type of a .npy file; needed only for float8.", WHAT, "as in the file, or bfloat16")
    ] = None,
    rows: Annotated[
        int | None, count_option("--rows", "Rows of the full table.", WHAT, "up to the last row of the file")
    ] = None,
    start_row: Annotated[
        int, count_option("--start-row", "Index in the full table of the first row of the file.", WHAT, "0")
    ] = 0,
    limit: Annotated[int, count_option("--limit", "How many differing tensors to name at most.", OUTPUT, "10")] = 10,
    threads: Threads = None,
    as_json: Json = False,
) -> int:
    """Check a .npy file against --init, --seed and --stream, or a checkpoint against --plan, bit for bit.

    The exit code is 0 if all elements are equal, 1 if any differs, and 2 for bad input. The number of differences and
    the first one are printed. For a checkpoint (.safetensors, or the .index.json of a sharded one) the tensors that
    differ are named: those that were trained or damaged. --seed replaces the seed of the plan.
    """
    if plan is not None and file.endswith(".npy"):
        raise ValueError(f"--plan must be left out for a .npy file, got {plan}; give --init, --seed and --stream")
    if plan is not None:
        others = {"init": drawn.init, "stream": stream or None, "dtype": dtype, **drawn.parameters}
        for name, given in {**others, "rows": rows, "start-row": start_row or None}.items():
            if given is not None:
                raise ValueError(f"--{name} must be left out with --plan, got {given}")
        return verify_model(file, plan, shapes, seed, limit, threads, as_json)
    if file.endswith((".safetensors", ".json")):
        raise ValueError(f"--plan must be given for a checkpoint, got {file} without; --init is for a .npy file")
    if drawn.init is None:
        raise ValueError("--init must be given for a .npy file, or --plan for a checkpoint")
    if shapes is not None:
        raise ValueError(f"--shapes must be left out without --plan, got {shapes}")
    initializer = initializer_of(drawn)
    check_seed(initializer, seed)
    found = stored_npy(file, as_dtype(dtype) if dtype else None)
    if not found.shape:
        raise ValueError(f"file must hold rows, got a single element in {file}")
    whole = (start_row + found.shape[0] if rows is None else rows, *found.shape[1:])
    start = (start_row, *(0 for _ in found.shape[1:]))
    with checks():
        tensor = wf.Tensor(whole, initializer, seed=seed, stream=stream, dtype=found.dtype)
        tensor.verify(np.empty((0, *found.shape[1:]), found.dtype), start=start, threads=threads)
    with bar("verifying", file, found.size, found.nbytes) as show:
        result = verify_stored(found, tensor, start=start, threads=threads, tick=lambda done: show(0, done, found.size))
    if as_json:
        print(json.dumps({"file": file, "equal": result.equal, **difference(result)}))
    elif result.equal:
        words = f", seed {seed}, stream {stream!r} gives" if initializer.random else " gives"
        print(f"{printable(file)}: all {result.total:,} elements are as {initializer!r}{words} them")
    else:
        print_total(f"{printable(file)}: {difference_text(result)}", terminal_width())
        if initializer.random and result.differing > result.total // 2:
            print("most elements differ: another seed, stream, --rows or initializer?")
    return 0 if result.equal else 1
