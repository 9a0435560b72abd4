"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

import weightfill as wf
from weightfill._arguments.dtypes import NAMES, as_dtype
from weightfill._cli import numbers

# Where an option stands in the help of its command.
WHAT, VALUES, OUTPUT = "What", "Which values", "Output"


def option(
    name: str,
    text: str,
    panel: str,
    parse: Callable[[str], Any] | None = None,
    metavar: str = "",
    default: str | None = None,
    choices: Callable[[str], list[str]] | None = None,
) -> Any:
    """Return an option with its place, its kind and its default in the help; a flag has no kind."""
    return typer.Option(
        name,
        help=text if default is None else f"{text} [default: {default}]",
        show_default=False,
        parser=parse,
        metavar=metavar,
        rich_help_panel=panel,
        autocompletion=choices,
    )


def file_option(name: str, text: str, panel: str, metavar: str = "<file>", default: str | None = None) -> Any:
    """Return an option that names a file, which is not ''."""
    return option(name, text, panel, file_name, metavar, default)


def file_name(given: str) -> str:
    """Return the name of a file."""
    if not given:
        raise typer.BadParameter("must name a file, got ''")
    return given


def count_option(name: str, text: str, panel: str, default: str | None = None) -> Any:
    """Return an option whose value may be written as 10_000_000, 10M or 1e7."""
    return option(name, text, panel, numbers.count, "<n>", default)


def _dtype(given: str) -> str:
    try:
        return str(as_dtype(given).name)
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error).removeprefix("dtype ")) from None


def _dtypes(begin: str) -> list[str]:
    return [name for name in NAMES.split(", ") if name.startswith(begin)]


def dtype_option(text: str, panel: str, default: str | None) -> Any:
    """Return the option that names a dtype."""
    return option("--dtype", text, panel, _dtype, "<type>", default, _dtypes)


Seed = Annotated[
    int | None,
    option(
        "--seed",
        "Random seed, 0 to 2^64 - 1, the same for the whole model. Required for random values.",
        VALUES,
        numbers.seed,
        "<n>",
    ),
]
Stream = Annotated[
    str,
    option(
        "--stream",
        "Name of this table. Give every table its own name, or equal shapes get equal values.",
        VALUES,
        str,
        "<name>",
        "''",
    ),
]
Threads = Annotated[
    int | None, count_option("--threads", "The most threads to use.", OUTPUT, "all CPUs that this process may use")
]
Force = Annotated[bool, option("--force", "Replace existing files.", OUTPUT)]
Sync = Annotated[bool, option("--sync", "Wait until everything is on the disk.", OUTPUT)]
Direct = Annotated[
    bool,
    option(
        "--direct",
        "Write past the page cache (O_DIRECT). 1.5 to 2 times as fast on new memory of a virtual machine, else slower.",
        OUTPUT,
    ),
]
Json = Annotated[bool, option("--json", "Print one JSON object.", OUTPUT)]
All = Annotated[bool, option("--all", "Show every tensor, even of equal layers.", OUTPUT)]


def check_seed(init: wf.Initializer, seed: int | None) -> None:
    """Raise ValueError for an initializer that draws and no seed."""
    if init.random and seed is None:
        raise ValueError(f"--seed is required for {init!r}; give the whole model one seed, and every tensor a --stream")


@contextmanager
def checks() -> Iterator[None]:
    """Turn a TypeError of the package's checks into a ValueError, which `run` reports as bad input."""
    try:
        yield
    except TypeError as error:  # here the input's fault; elsewhere ours, with a traceback
        raise ValueError(str(error)) from error


@contextmanager
def named_as_options(options: Mapping[str, str]) -> Iterator[None]:
    """Have errors of arguments begin with the options that gave them, and be such that `run` reports them.

    Args:
        options: from the names of arguments to options, such as {"sizes": "--layers"}.
    """
    try:
        yield
    except (TypeError, ValueError, FloatingPointError, ImportError) as error:
        name, blank, rest = str(error).partition(" ")
        raise ValueError(options.get(name, name) + blank + rest) from error
