"""`weightfill inspect`: say what the tensors of a file hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Annotated, Any

import numpy as np
import typer

from weightfill._arguments.dtypes import CORE_DTYPES, as_dtype
from weightfill._arguments.messages import printable
from weightfill._cli.bars import bar
from weightfill._cli.inspected import BINS, DRAWN_BINS, Inspected, columns_of, grouped, row_of, style
from weightfill._cli.names import nearest
from weightfill._cli.options import OUTPUT, WHAT, All, Json, Threads, dtype_option, file_name, file_option, option
from weightfill._cli.outputs import check_png, check_suffix
from weightfill._cli.picture import LawOf, write_picture
from weightfill._cli.plans import plan_of
from weightfill._cli.reports import counted, json_number
from weightfill._cli.tables import print_table, print_total, terminal_width
from weightfill._cli.tensors import files_of, tensors
from weightfill._files.stored import StoredArray
from weightfill._initializers.base import Law
from weightfill._reading.histogram import Histogram, coarser
from weightfill._reading.summary import Summary
from weightfill._run.threads import threads_for
from weightfill._tensor import Tensor

EXAMPLES = """**Examples**

```
weightfill inspect table.npy
weightfill inspect model.safetensors --match '*.attn.*' --match '*emb*'
weightfill inspect model.safetensors.index.json --png weights.png --plan plan.toml
```
"""


def inspect(
    file: Annotated[
        str,
        typer.Argument(
            help="A .npy or .safetensors file, or a model.safetensors.index.json.", metavar="<file>", parser=file_name
        ),
    ],
    match: Annotated[
        list[str] | None,
        option("--match", "Names of tensors, such as '*.weight'; may be repeated.", WHAT, str, "<glob>", "all"),
    ] = None,
    dtype: Annotated[
        str | None, dtype_option("Type of a .npy file; needed only for float8.", WHAT, "as in the file, or bfloat16")
    ] = None,
    png: Annotated[
        str | None, file_option("--png", "Draw histograms, and std by layer, into this file.", OUTPUT, "<file.png>")
    ] = None,
    plan: Annotated[
        str | None, file_option("--plan", "Also draw the densities of this plan, in red.", OUTPUT, "<plan.toml>")
    ] = None,
    force: Annotated[bool, option("--force", "Replace an existing picture.", OUTPUT)] = False,
    all_rows: All = False,
    threads: Threads = None,
    as_json: Json = False,
) -> int:
    """Show mean, standard deviation, extremes, zeros, NaN and infinities of every tensor, and a small histogram.

    NaN and infinities are counted but excluded from the statistics. The histogram covers mean +- 4 std, or
    less where there are no elements; its first and last bins include everything outside. Integers and unknown types are
    only listed. The file is read twice, in blocks, so it may be larger than the memory.

    A terminal shows a table that fits its width, with one row for equal layers. A file or a pipe gets one line per
    tensor.
    """
    threads_for(0, threads)
    if png is not None:
        check_suffix("--png", png, ".png")  # first, as the inspected file may be the one that is named
        _check_not_inspected(png, file)
        check_png(png, force, "plot")
    elif plan is not None:
        raise ValueError(f"--plan must be left out without --png, got {plan}")
    law_of = _laws(plan)
    found = list(tensors(file, as_dtype(dtype) if dtype else None))
    if match:
        names = [name for name, _ in found]
        found = [(name, array) for name, array in found if any(fnmatchcase(name, glob) for glob in match)]
        if not found:
            known = ", ".join(map(repr, nearest(names, match[0])))
            raise ValueError(
                f"--match must name a tensor of {file}, got {' and '.join(map(repr, match))}; there are {known}"
            )

    results: list[Inspected] = []
    done = 0
    read = [array for _, array in found if array.dtype in CORE_DTYPES]
    with bar("reading", file, *(2 * sum(getattr(array, n) for array in read) for n in ("size", "nbytes"))) as show:

        def advance(elements: int) -> None:
            nonlocal done
            done += elements
            show(0, done, 0)

        for name, array in found:
            results.append(_inspected(name, array, threads, advance))
    left_out = None
    if png is not None:
        kinds = grouped(results)
        left_out = write_picture(png, results if all_rows else kinds, kinds, law_of, force)
    if as_json:
        report = {"file": file, "tensors": [_report(result) for result in results], "total": _total(results)}
        print(json.dumps(report if left_out is None else {**report, "left_out_of_picture": left_out}))
        return 0
    _print_table(results, all_rows)
    if png is not None and left_out:
        print(f"{printable(png)}: {counted(left_out, 'tensor')} left out; --match chooses others")
    return 0


def _laws(path: str | None) -> LawOf:
    """Return the function that says which law the plan in a file has for a tensor, or for all of equal layers."""
    plan = None if path is None else plan_of(path, 0)  # no law depends on a seed

    def law_of(tensor: Inspected) -> Law | None:
        if plan is None:
            return None
        if tensor.layers:
            laws = {law_of(layer) for layer in tensor.layers}
            return laws.pop() if len(laws) == 1 else None
        try:  # in the widest dtype, which holds every law
            return Tensor(tensor.shape, plan.rule(tensor.name).init, seed=0, stream=tensor.name, dtype=np.float64).law
        except ValueError:  # no rule has this tensor, or its law no such shape
            return None

    return law_of


def _check_not_inspected(png: str, file: str) -> None:
    if os.path.exists(png) and any(os.path.exists(name) and os.path.samefile(png, name) for name in files_of(file)):
        raise ValueError(f"--png must name another file than those inspected, got {png}")


def _inspected(name: str, array: StoredArray, threads: int | None, advance: Callable[[int], None]) -> Inspected:
    result = Inspected(name, array.shape, array.dtype.name, array.size, array.nbytes)
    if array.dtype not in CORE_DTYPES:
        result.dtype = str(array.dtype)
        return result
    result.summary = Summary()
    for block in array.blocks():
        result.summary.add(block, threads_for(block.size, threads))
        advance(block.size)
    if result.summary.count:
        result.histogram = Histogram.around_mean(result.summary, BINS)
        for block in array.blocks():
            result.histogram.add(block, threads_for(block.size, threads))
            advance(block.size)
    return result


def _report(result: Inspected) -> dict[str, Any]:
    report: dict[str, Any] = {
        "name": result.name,
        "shape": result.shape,
        "dtype": result.dtype,
        "elements": result.elements,
        "bytes": result.bytes,
    }
    if result.summary:
        report |= _numbers(result.summary)
    if result.histogram:
        counts = coarser(result.histogram.counts, DRAWN_BINS).tolist()
        report["histogram"] = {"low": result.histogram.low, "high": result.histogram.high, "counts": counts}
    return report


def _total(results: list[Inspected]) -> dict[str, Any]:
    summary = Summary()
    for result in results:
        if result.summary:
            summary.merge(result.summary)
    return {
        "tensors": len(results),
        "elements": sum(result.elements for result in results),
        "bytes": sum(result.bytes for result in results),
        **_numbers(summary),
    }


def _numbers(summary: Summary) -> dict[str, Any]:
    moments = summary.numbers().items()
    numbers = {name: None if number is None else json_number(number) for name, number in moments}
    return {**numbers, "zeros": summary.zeros, "nan": summary.nan, "infinite": summary.infinite}


def _print_table(results: list[Inspected], all_rows: bool) -> None:
    width = terminal_width()
    shown = results if width is None or all_rows else grouped(results)
    rows = [row_of(tensor) for tensor in shown]
    print_table(columns_of(shown, rows), rows, style, width)
    total = _total(results)
    counts = "".join(
        f", {total[key]:,} {word}" for key, word in (("zeros", "zeros"), ("nan", "NaN"), ("infinite", "inf"))
    )
    print_total(
        f"{counted(total['tensors'], 'tensor')}, {total['elements']:,} elements, {total['bytes']:,} bytes{counts}"
        + (f", {len(rows)} kinds; --all shows each" if len(rows) < len(results) else ""),
        width,
    )
