"""Options that several commands take, and the initializer that they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Annotated, Any

import typer

import weightfill as wf


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


def integer_option(name: str, text: str) -> Any:
    """Return an option whose value may be written as 10_000_000 or 10M."""
    return typer.Option(name, help=text, parser=_integer, metavar="<int>")


def _bytes(given: str | int) -> int:
    try:
        return _integer(str(given).upper().removesuffix("B"))
    except typer.BadParameter:
        raise typer.BadParameter(f"must be whole bytes such as 5GB, 1100MB or 5_000_000_000, got {given!r}") from None


def bytes_option(name: str, text: str) -> Any:
    """Return an option whose value may be written as 5GB, 5G or 5_000_000_000."""
    return typer.Option(name, help=text, parser=_bytes, metavar="<bytes>")


Init = Annotated[InitName, typer.Option("--init", help="What to draw.")]
Value = Annotated[float | None, typer.Option("--value", help="Of constant.")]
Mean = Annotated[float | None, typer.Option("--mean", help="Of normal and truncated-normal [0].")]
Std = Annotated[float | None, typer.Option("--std", help="Of normal and truncated-normal, before truncation [1].")]
Cutoff = Annotated[float | None, typer.Option("--cutoff", help="Of truncated-normal: the bounds in units of std [2].")]
Low = Annotated[float | None, typer.Option("--low", help="Lower bound of uniform [0] or truncated-normal.")]
High = Annotated[float | None, typer.Option("--high", help="Upper bound of uniform [1] or truncated-normal.")]
Seed = Annotated[int | None, integer_option("--seed", "0 to 2^64 - 1, the same for the whole model.")]
Stream = Annotated[str, typer.Option("--stream", help="The table's name; another stream is independent.")]
Threads = Annotated[int | None, integer_option("--threads", "Number of threads [the CPUs this process may use].")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Sync = Annotated[bool, typer.Option("--sync", help="Wait until everything is on the disk.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def initializer_of(init: InitName, **given: float | None) -> wf.Initializer:
    """Return the initializer of these options; those not given are None.

    Raises:
        ValueError: an option is missing, belongs to another initializer, or has a wrong value.
    """
    make, names = _INITIALIZERS[init]
    parameters = {name: number for name, number in given.items() if number is not None}
    for name, number in parameters.items():
        if name not in names:
            takes = " and ".join(f"--{name}" for name in names) or "no parameters"
            raise ValueError(f"--{name} must be left out with --init {init.value}, got {number}; it takes {takes}")
    if init is InitName.constant and not parameters:
        raise ValueError("--value must be given with --init constant")
    with checks():
        return make(**parameters)


@contextmanager
def checks() -> Iterator[None]:
    """Turn a TypeError of the package's checks into a ValueError, which `run` reports as bad input."""
    try:
        yield
    except TypeError as error:  # here the input's fault; elsewhere ours, with a traceback
        raise ValueError(str(error)) from error
