"""`weightfill inspect`: say what the tensors of a file hold."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from weightfill.cli.bars import bar
from weightfill.cli.names import nearest
from weightfill.cli.options import OUTPUT, WHAT, Json, Threads, dtype_option, file_name, file_option, option
from weightfill.cli.outputs import check_suffix
from weightfill.cli.picture import check_picture, write_picture
from weightfill.cli.reports import counted, json_number
from weightfill.cli.tensors import Array, blocks, files_of, tensors
from weightfill.dtypes import TARGET_DTYPES, as_dtype
from weightfill.histogram import ASCII, BLOCKS, Histogram, coarser, drawn
from weightfill.manifest import printable
from weightfill.summary import Summary
from weightfill.threads import threads_for

EXAMPLES = """**Examples**

```
weightfill inspect table.npy
weightfill inspect model.safetensors --match '*.attn.*' --match '*emb*'
weightfill inspect model.safetensors.index.json --png weights.png
```
"""

_DRAWN_BINS = 24
_BINS = 4 * _DRAWN_BINS  # in a picture


@dataclass
class Inspected:
    """A tensor; without summary if it holds no floats of a known type, without histogram if none is finite."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    elements: int
    bytes: int
    summary: Summary | None = None
    histogram: Histogram | None = None


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
        str | None, dtype_option("Type of a .npy file, needed for float8 only.", WHAT, "as the file says, or bfloat16")
    ] = None,
    png: Annotated[str | None, file_option("--png", "Draw histograms into this file.", OUTPUT, "<file.png>")] = None,
    force: Annotated[bool, option("--force", "Replace an existing picture.", OUTPUT)] = False,
    threads: Threads = None,
    as_json: Json = False,
) -> int:
    """Show mean, standard deviation, extremes, zeros, NaN and infinities of every tensor, and a small histogram.

    All numbers but the counts of NaN and infinities are those of the finite elements. The histogram covers
    mean +- 4 std, as far as there are elements; its first and last bin also count what lies outside.
    Integers and unknown types are listed only. The file is read twice, in blocks: it may be larger than the memory.
    """
    threads_for(0, threads)
    if png is not None:
        check_suffix("--png", png, ".png")
        _check_not_inspected(png, file)
        check_picture(png, force)
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
    read = [array for _, array in found if array.dtype in TARGET_DTYPES]
    with bar("reading", file, *(2 * sum(getattr(array, n) for array in read) for n in ("size", "nbytes"))) as show:

        def advance(elements: int) -> None:
            nonlocal done
            done += elements
            show(0, done, 0)

        for name, array in found:
            results.append(_inspected(name, array, threads, advance))
    left_out = None
    if png is not None:
        drawable = [(printable(result.name), result.histogram) for result in results if result.histogram]
        left_out = write_picture(png, drawable, force)
    if as_json:
        report = {"file": file, "tensors": [_report(result) for result in results], "total": _total(results)}
        print(json.dumps(report if left_out is None else {**report, "left_out_of_picture": left_out}))
        return 0
    _print_table(results)
    if left_out:
        print(f"{png}: {left_out:,} of {len(drawable):,} tensors left out; --match chooses others")
    return 0


def _check_not_inspected(png: str, file: str) -> None:
    if os.path.exists(png) and any(os.path.exists(name) and os.path.samefile(png, name) for name in files_of(file)):
        raise ValueError(f"--png must name another file than those inspected, got {png}")


def _inspected(name: str, array: Array, threads: int | None, advance: Callable[[int], None]) -> Inspected:
    result = Inspected(name, array.shape, array.dtype.name, array.size, array.nbytes)
    if array.dtype not in TARGET_DTYPES:
        result.dtype = str(array.dtype)
        return result
    result.summary = Summary()
    for block in blocks(array):
        result.summary.add(block, threads_for(block.size, threads))
        advance(block.size)
    if result.summary.count:
        result.histogram = Histogram.around_mean(result.summary, _BINS)
        for block in blocks(array):
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
        counts = coarser(result.histogram.counts, _DRAWN_BINS).tolist()
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


_HEADINGS = ("name", "shape", "dtype", "mean", "std", "min", "max", "zeros", "NaN", "inf", "from", "histogram", "to")
_LEFT = {"name", "dtype", "histogram", "to"}


def _print_table(results: list[Inspected]) -> None:
    rows = [_HEADINGS, *(_row(result) for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if heading in _LEFT else cell.rjust(width)
            for heading, cell, width in zip(_HEADINGS, row, widths, strict=True)
        )
        print("  ".join(cells).rstrip())
    total = _total(results)
    print(
        f"{counted(total['tensors'], 'tensor')}, {total['elements']:,} elements, {total['bytes']:,} bytes",
        end="",
    )
    print(
        "".join(f", {total[name]:,} {word}" for name, word in (("zeros", "zeros"), ("nan", "NaN"), ("infinite", "inf")))
    )


def _row(result: Inspected) -> tuple[str, ...]:
    shape = " x ".join(f"{n:,}" for n in result.shape) or "scalar"
    name, dtype = printable(result.name), printable(result.dtype)
    if not result.summary:
        return (name, shape, dtype, *[""] * (len(_HEADINGS) - 3))
    summary = result.summary
    moments = ("-" if number is None else f"{number:.4g}" for number in summary.numbers().values())
    counts = (f"{number:,}" for number in (summary.zeros, summary.nan, summary.infinite))
    low, line, high = "", "", ""
    if histogram := result.histogram:
        low, high = f"{histogram.low:.3g}", f"{histogram.high:.3g}"
        line = drawn(coarser(histogram.counts, _DRAWN_BINS), _marks())
    return (name, shape, dtype, *moments, *counts, low, line, high)


def _marks() -> str:
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ASCII
    return BLOCKS
