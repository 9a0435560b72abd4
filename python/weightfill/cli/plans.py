"""What commands on whole models are given: a plan, and the shapes of the parameters."""

from __future__ import annotations

from typing import Annotated

import tomlkit
import typer
from tomlkit.exceptions import TOMLKitError

import weightfill as wf
from weightfill.cli.options import DtypeName, checks, integer_option
from weightfill.manifest import Spec, content_of, specs

_MOST_PLAN_BYTES = 16 << 20

PlanFile = Annotated[str, typer.Argument(help="The plan, in TOML.", metavar="<plan.toml>")]
ShapesFile = Annotated[
    str,
    typer.Option(
        "--shapes",
        help='Names and shapes: a manifest in JSON such as {"fc.weight": [2, 3]}, or a checkpoint (.safetensors, '
        ".index.json), of which only the header is read.",
        metavar="<file>",
    ),
]
PlanSeed = Annotated[int | None, integer_option("--seed", "0 to 2^64 - 1; replaces the plan's.")]
ModelDtype = Annotated[
    DtypeName | None, typer.Option("--dtype", help="Type of all tensors [as --shapes says, or float32].")
]


def plan_of(path: str, seed: int | None) -> wf.Plan:
    """Return the plan of a file, with another seed unless that is None.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file has no plan; the message names it.
    """
    content = content_of(path, "plan", "a TOML document", _MOST_PLAN_BYTES)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"plan must be a TOML document in UTF-8, got {path}: {error}") from error
    try:
        return wf.Plan.from_toml(text if seed is None else _with_seed(text, seed))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def specs_of(path: str, dtype: DtypeName | None) -> dict[str, Spec]:
    """Return shape and dtype of every parameter, by name; `dtype` is that of all unless None.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is damaged, or describes what cannot be filled.
    """
    with checks():
        return specs(path, dtype.value if dtype else None)


def _with_seed(text: str, seed: int) -> str:
    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        return text  # whoever reads it says what is wrong
    document["seed"] = seed
    return tomlkit.dumps(document)
