"""The `weightfill` command: fill a table in a file, check a file against its seed, say what this machine can do.

Exit codes: 0 done (`verify`: equal), 1 `verify` found a difference, 2 bad input or a failed file operation, 130 Ctrl-C,
128 + n another signal. Errors are one line on stderr, results go to stdout, the progress bar to a terminal only.
"""

from __future__ import annotations

import json
import math
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from types import FrameType
from typing import Annotated, Any, NoReturn

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

import weightfill as wf
from weightfill import _core
from weightfill.dtypes import as_dtype
from weightfill.files import new_npy, open_npy, populate
from weightfill.memory import empty
from weightfill.summary import Summary
from weightfill.threads import threads_for

_BLOCK_BYTES = 32 << 20  # filled, then summed up while still in memory: a table larger than that is never read back
_CEILING_BYTES = 256 << 20
_INTERRUPTED = 130

_UsageError: Any = typer.BadParameter.__base__  # click's, which newer versions of typer carry inside

app = typer.Typer(
    name="weightfill",
    help="Initial weights of neural networks, written at the speed of memory; the same bits on every machine.",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


class DtypeName(str, Enum):
    """The types of which a table can be."""

    float32 = "float32"
    float64 = "float64"
    float16 = "float16"
    bfloat16 = "bfloat16"
    float8_e4m3fn = "float8_e4m3fn"
    float8_e5m2 = "float8_e5m2"


class InitName(str, Enum):
    """The initializers."""

    zeros = "zeros"
    ones = "ones"
    constant = "constant"
    uniform = "uniform"
    normal = "normal"
    truncated_normal = "truncated-normal"


_INITIALIZERS: dict[InitName, tuple[Callable[..., wf.Initializer], tuple[str, ...]]] = {
    InitName.zeros: (wf.Zeros, ()),
    InitName.ones: (wf.Ones, ()),
    InitName.constant: (wf.Constant, ("value",)),
    InitName.uniform: (wf.Uniform, ("low", "high")),
    InitName.normal: (wf.Normal, ("mean", "std")),
    InitName.truncated_normal: (wf.TruncatedNormal, ("mean", "std", "cutoff", "low", "high")),
}


def _integer(given: str | int) -> int:
    text = str(given)  # typer parses defaults, too
    factor = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}.get(text[-1:].upper(), 1)
    try:
        return int(text if factor == 1 else text[:-1]) * factor
    except ValueError:
        raise typer.BadParameter(f"must be an integer such as 10_000_000 or 10M, got {text!r}") from None


def _integer_option(name: str, text: str) -> Any:
    return typer.Option(name, help=text, parser=_integer, metavar="<int>")


Init = Annotated[InitName, typer.Option("--init", help="What to draw.")]
Value = Annotated[float | None, typer.Option("--value", help="Of constant.")]
Mean = Annotated[float | None, typer.Option("--mean", help="Of normal and truncated-normal [0].")]
Std = Annotated[float | None, typer.Option("--std", help="Of normal and truncated-normal, before truncation [1].")]
Cutoff = Annotated[float | None, typer.Option("--cutoff", help="Of truncated-normal: the bounds in units of std [2].")]
Low = Annotated[float | None, typer.Option("--low", help="Lower bound of uniform [0] or truncated-normal.")]
High = Annotated[float | None, typer.Option("--high", help="Upper bound of uniform [1] or truncated-normal.")]
Seed = Annotated[int | None, _integer_option("--seed", "0 to 2^64 - 1, the same for the whole model.")]
Stream = Annotated[str, typer.Option("--stream", help="The table's name; another stream is independent.")]
Threads = Annotated[int | None, _integer_option("--threads", "Number of threads [the CPUs this process may use].")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(
    epilog="""**Examples**

```
weightfill table --rows 10M --dim 128 --dtype bfloat16 --out table.npy \\
    --init truncated-normal --std 0.02 --seed 42 --stream item_table
weightfill table --rows 10M --dim 128 --start-row 5M --out half.npy \\
    --init normal --std 0.02 --seed 42 --stream item_table
```
"""
)
def table(
    rows: Annotated[int, _integer_option("--rows", "Rows of the whole table, such as 10_000_000 or 10M.")],
    dim: Annotated[int, _integer_option("--dim", "Elements of a row.")],
    out: Annotated[str, typer.Option("--out", help="The .npy file to write.", metavar="<file>")],
    init: Init,
    seed: Seed = None,
    stream: Stream = "",
    dtype: Annotated[DtypeName, typer.Option("--dtype", help="Type of the elements.")] = DtypeName.float32,
    value: Value = None,
    mean: Mean = None,
    std: Std = None,
    cutoff: Cutoff = None,
    low: Low = None,
    high: High = None,
    start_row: Annotated[int, _integer_option("--start-row", "First row of the shard to write.")] = 0,
    end_row: Annotated[int | None, _integer_option("--end-row", "Row after the shard's last [--rows].")] = None,
    threads: Threads = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Wait until the table is on the disk.")] = False,
    as_json: Json = False,
) -> int:
    """Write a table, or a shard of it, into a .npy file.

    The file appears under its name when it is whole, and not at all if anything goes wrong; the table may be larger
    than the memory. A shard (rows START-ROW to END-ROW) holds the values which these rows of the whole table have.

    The .npy format has no name for bfloat16 and the float8 types: NumPy shows their items as opaque bytes,
    and `np.load(FILE).view(ml_dtypes.bfloat16)` restores the type.
    """
    initializer = _initializer(init, value=value, mean=mean, std=std, cutoff=cutoff, low=low, high=high)
    end = rows if end_row is None else end_row
    for name, number, least, most in (
        ("--rows", rows, 0, 2**63 - 1),
        ("--dim", dim, 1, 2**63 - 1),
        ("--start-row", start_row, 0, rows),
        ("--end-row", end, start_row, rows),
    ):
        if not least <= number <= most:
            raise ValueError(f"{name} must be from {least:,} to {most:,}, got {number:,}")
    item = as_dtype(dtype.value)
    how: dict[str, Any] = {"seed": seed, "stream": stream, "shape": (rows, dim), "threads": threads}
    with _checks():
        wf.fill(np.empty((0, dim), item), initializer, start=(start_row, 0), **how)  # before there is a file

    shape = (end - start_row, dim)
    block_rows = max(1, _BLOCK_BYTES // (dim * item.itemsize))
    summary, seconds = Summary(), 0.0
    with new_npy(out, shape, item, replace=force, sync=sync) as target, _bar("filling", target.size) as show:
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
        "dtype": dtype.value,
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
    print(f"{out}: {shape[0]:,} x {dim:,} {dtype.value}, {initializer!r}, seed {seed}, stream {stream!r}")
    print(f"{target.size:,} elements, {target.nbytes:,} bytes, {seconds:.3f} s, {speed:.2f} GB/s")
    if summary.count:
        print(", ".join(f"{name} {number:.6g}" for name, number in summary.numbers().items() if number is not None))
    if item.isbuiltin == 2:
        print(f"open with np.load({out!r}).view(ml_dtypes.{dtype.value})")
    return 0


@app.command(
    epilog="""**Examples**

```
weightfill verify table.npy \\
    --init truncated-normal --std 0.02 --seed 42 --stream item_table
weightfill verify half.npy --start-row 5M \\
    --init normal --std 0.02 --seed 42 --stream item_table
```
"""
)
def verify(
    file: Annotated[str, typer.Argument(help="The .npy file to check.", metavar="<file>")],
    init: Init,
    seed: Seed = None,
    stream: Stream = "",
    dtype: Annotated[
        DtypeName | None,
        typer.Option("--dtype", help="Type of the elements, needed for float8 only [as the file says, or bfloat16]."),
    ] = None,
    value: Value = None,
    mean: Mean = None,
    std: Std = None,
    cutoff: Cutoff = None,
    low: Low = None,
    high: High = None,
    rows: Annotated[int | None, _integer_option("--rows", "Rows of the whole table [up to the file's last].")] = None,
    start_row: Annotated[int, _integer_option("--start-row", "The whole table's row with which the file begins.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
) -> int:
    """Check a .npy file against initializer, seed and stream, bit for bit.

    Exit code 0 if all elements are equal; 1 if any differs, with their number and the first one; 2 for bad input.
    """
    initializer = _initializer(init, value=value, mean=mean, std=std, cutoff=cutoff, low=low, high=high)
    found = open_npy(file, as_dtype(dtype.value) if dtype else None)
    if not found.ndim:
        raise ValueError(f"file must hold rows, got a single element in {file}")
    how: dict[str, Any] = {
        "seed": seed,
        "stream": stream,
        "shape": (start_row + len(found) if rows is None else rows, *found.shape[1:]),
        "start": (start_row, *(0 for _ in found.shape[1:])),
        "threads": threads,
    }
    with _checks():
        wf.verify(found[:0], initializer, **how)
    with _bar("verifying", found.size) as show:
        result = wf.verify(found, initializer, progress=partial(show, 0), **how)
    if as_json:
        report: dict[str, Any] = {
            "file": file,
            "equal": result.equal,
            "elements": result.total,
            "differing": result.differing,
        }
        if not result.equal:
            report["first"] = {
                "index": result.index,
                "expected": _json_number(result.expected),
                "found": _json_number(result.found),
            }
        print(json.dumps(report))
    elif result.equal:
        print(
            f"{file}: all {result.total:,} elements are as {initializer!r}, seed {seed}, stream {stream!r} gives them"
        )
    else:
        print(
            f"{file}: {result.differing:,} of {result.total:,} elements differ, "
            f"the first at {result.index}: expected {result.expected}, found {result.found}"
        )
    return 0 if result.equal else 1


@app.command()
def info(as_json: Json = False) -> int:
    """Show the version, the instruction sets, the threads and how fast this machine can write memory."""
    threads = wf.get_threads()
    report = {
        "version": wf.__version__,
        "stream_version": _core.STREAM_VERSION,
        "targets_built": _core.built_targets(),
        "targets_supported": _core.supported_targets(),
        "target_active": _core.active_target(),
        "threads": threads,
        "cpus": os.cpu_count(),
        "ceiling_gb_per_s": round(_ceiling(threads), 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    if as_json:
        print(json.dumps(report))
        return 0
    for name, content in report.items():
        text = " ".join(content) if isinstance(content, tuple | list) else content
        print(f"{name.replace('_', ' ').replace('gb per s', '(GB/s)'):<18}{text}")
    return 0


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"weightfill {wf.__version__}")
        raise typer.Exit


def _initializer(init: InitName, **given: float | None) -> wf.Initializer:
    make, names = _INITIALIZERS[init]
    parameters = {name: number for name, number in given.items() if number is not None}
    for name, number in parameters.items():
        if name not in names:
            takes = " and ".join(f"--{name}" for name in names) or "no parameters"
            raise ValueError(f"--{name} must be left out with --init {init.value}, got {number}; it takes {takes}")
    if init is InitName.constant and not parameters:
        raise ValueError("--value must be given with --init constant")
    with _checks():
        return make(**parameters)


@contextmanager
def _checks() -> Iterator[None]:
    try:
        yield
    except TypeError as error:  # here the input's fault; elsewhere ours, with a traceback
        raise ValueError(str(error)) from error


@contextmanager
def _bar(verb: str, total: int) -> Iterator[Callable[[int, int, int], None]]:
    if not sys.stderr.isatty():
        yield lambda before, done, of: None
        return
    columns = (TextColumn(verb), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(verb, total=total)
        yield lambda before, done, of: progress.update(task, completed=before + done)


def _ceiling(threads: int) -> float:
    buffer = empty((_CEILING_BYTES,), np.dtype(np.uint8))
    buffer[:] = 1
    seconds = []
    for _ in range(9):
        began = time.perf_counter()
        _core.streaming_ceiling(buffer, threads)
        seconds.append(time.perf_counter() - began)
    return _CEILING_BYTES / 1e9 / statistics.median(seconds)


def _json_number(value: Any) -> float | str:
    number = float(value)
    return number if math.isfinite(number) else str(number)


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code."""
    code = 2
    try:
        code = app(list(arguments) or ["--help"], prog_name="weightfill", standalone_mode=False) or 0
        sys.stdout.flush()
        if code != _INTERRUPTED:
            return code
        problem = "interrupted"
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as leaving:
        if leaving.code != 1:
            raise
        return _reader_gone()  # as click leaves then
    except _UsageError as error:
        problem = f"{error.format_message()} See 'weightfill --help'."
    except FileExistsError as error:
        problem = f"{error.filename} exists; --force replaces a file"
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except ValueError as error:
        problem = str(error)
    except (KeyboardInterrupt, typer.Abort):
        code, problem = _INTERRUPTED, "interrupted"
    print("weightfill:", " ".join(problem.split()), file=sys.stderr)
    return code


def _reader_gone() -> int:
    """Return the exit code of a command whose output nobody reads any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still buffered
    return 128 + signal.SIGPIPE


def main() -> NoReturn:
    """Run the command of this process."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # as an exception, so that no hidden file is left
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _leave)
    sys.exit(run(sys.argv[1:]))


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
