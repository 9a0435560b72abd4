"""`weightfill model`: write the initial values of a model into a checkpoint."""

from __future__ import annotations

import json
import math
import time
from functools import partial
from typing import Annotated

from weightfill._arguments.messages import printable
from weightfill._cli import numbers
from weightfill._cli.bars import bar
from weightfill._cli.options import OUTPUT, Direct, Force, Json, Sync, Threads, checks, file_option, option
from weightfill._cli.outputs import check_space, check_suffix
from weightfill._cli.plans import ModelDtype, PlanFile, PlanSeed, ShapesFile, plan_of, specs_of
from weightfill._cli.reports import counted
from weightfill._models.assignment import drawn_by
from weightfill._models.manifest import Specs

EXAMPLES = """**Examples**

```
weightfill model plan.toml --shapes manifest.json --out model.safetensors
weightfill model plan.toml --shapes trained.safetensors.index.json \\
    --out model.safetensors --dtype bfloat16 --shard-size 5GB
```
"""

_MOST_NAMES = 8  # of files, that are printed; JSON has all


def model(
    plan: PlanFile,
    shapes: ShapesFile,
    *,
    seed: PlanSeed = None,
    dtype: ModelDtype = None,
    out: Annotated[str, file_option("--out", "The file to write.", OUTPUT, "<file.safetensors>")],
    shard_size: Annotated[
        int | None,
        option(
            "--shard-size",
            "The most bytes of tensors per file, such as 5GB or 512MiB.",
            OUTPUT,
            numbers.size,
            "<bytes>",
            "all",
        ),
    ] = None,
    threads: Threads = None,
    force: Force = False,
    sync: Sync = False,
    direct: Direct = False,
    as_json: Json = False,
) -> int:
    """Write the initial values of a model into a safetensors file. A plan says what they are.

    The file is created only if everything succeeds. The model may be larger than the memory. With --shard-size a
    larger model is split into model-00001-of-0000N.safetensors and so on (named after --out) with
    model.safetensors.index.json, as in Hugging Face. This fails if model.safetensors itself already exists.
    """
    check_suffix("--out", out, ".safetensors")
    rules = plan_of(plan, seed)
    parameters = specs_of(shapes, dtype)
    check_space(out, _bytes(parameters))
    with checks():
        written, _ = drawn_by(rules, parameters)
    elements, size = sum(math.prod(shape) for shape, _ in written.values()), _bytes(written)
    began = time.perf_counter()
    with bar("writing", out, elements, size) as show:
        files = rules.write(
            out,
            parameters,
            shard_bytes=shard_size,
            replace=force,
            sync=sync,
            direct=direct,
            threads=threads,
            progress=partial(show, 0),
        )
    seconds = time.perf_counter() - began
    report = {
        "plan": plan,
        "seed": rules.seed,
        "files": list(map(str, files)),
        "tensors": len(written),
        "elements": elements,
        "bytes": size,
        "left_out": written.left,
        "seconds": seconds,
        "gb_per_s": size / 1e9 / seconds,
    }
    if as_json:
        print(json.dumps(report))
        return 0
    names = list(map(str, files))
    if len(names) > _MOST_NAMES:
        names[1:-2] = [f"... {counted(len(names) - 3, 'more file')}"]
    for name in names:
        print(printable(name))
    if written.left:
        print(f"left out, as not drawn: {', '.join(map(printable, written.left))}")
    print(f"{counted(len(written), 'tensor')}, {elements:,} elements, {size:,} bytes", end="")
    print(f", {seconds:.3f} s, {report['gb_per_s']:.2f} GB/s")
    return 0


def _bytes(tensors: Specs) -> int:
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in tensors.values())
