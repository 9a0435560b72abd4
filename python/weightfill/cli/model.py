"""`weightfill model`: write the initial values of a model into a checkpoint."""

from __future__ import annotations

import json
import math
import time
from functools import partial
from typing import Annotated

import typer

from weightfill.cli.bars import bar
from weightfill.cli.options import Force, Json, Sync, Threads, bytes_option
from weightfill.cli.plans import ModelDtype, PlanFile, PlanSeed, ShapesFile, plan_of, specs_of
from weightfill.cli.reports import counted

EXAMPLES = """**Examples**

```
weightfill model plan.toml --shapes manifest.json --out model.safetensors
weightfill model plan.toml --shapes trained.safetensors.index.json --out model.safetensors \\
    --dtype bfloat16 --shard-size 5GB
```
"""


def model(
    plan: PlanFile,
    shapes: ShapesFile,
    out: Annotated[str, typer.Option("--out", help="The .safetensors file to write.", metavar="<file>")],
    seed: PlanSeed = None,
    dtype: ModelDtype = None,
    shard_size: Annotated[
        int | None, bytes_option("--shard-size", "The most bytes of tensors in a file, such as 5GB [all].")
    ] = None,
    threads: Threads = None,
    force: Force = False,
    sync: Sync = False,
    as_json: Json = False,
) -> int:
    """Write the initial values of a model, as a plan has them, into a safetensors file.

    The file appears under its name when it is whole, and not at all if anything goes wrong; the model may be larger
    than the memory. With --shard-size a larger model becomes model-00001-of-0000N.safetensors and so on (named after
    --out), with model.safetensors.index.json, as Hugging Face has it; a whole file of that name must not be there.
    """
    rules = plan_of(plan, seed)
    parameters = specs_of(shapes, dtype)
    elements = [math.prod(shape) for shape, _ in parameters.values()]
    size = sum(count * item.itemsize for count, (_, item) in zip(elements, parameters.values(), strict=True))
    began = time.perf_counter()
    with bar("writing", sum(elements)) as show:
        files = rules.write(
            out,
            parameters,
            shard_bytes=shard_size,
            replace=force,
            sync=sync,
            threads=threads,
            progress=partial(show, 0),
        )
    seconds = time.perf_counter() - began
    report = {
        "plan": plan,
        "seed": rules.seed,
        "files": list(map(str, files)),
        "tensors": len(parameters),
        "elements": sum(elements),
        "bytes": size,
        "seconds": seconds,
        "gb_per_s": size / 1e9 / seconds,
    }
    if as_json:
        print(json.dumps(report))
        return 0
    for file in files:
        print(file)
    print(f"{counted(len(parameters), 'tensor')}, {sum(elements):,} elements, {size:,} bytes", end="")
    print(f", {seconds:.3f} s, {report['gb_per_s']:.2f} GB/s")
    return 0
