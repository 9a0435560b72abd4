"""What commands on whole models are given: a plan, and the shapes of the parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tomlkit
import typer
from tomlkit.exceptions import TOMLKitError

import weightfill as wf
from weightfill._cli import numbers
from weightfill._cli.options import VALUES, WHAT, checks, dtype_option, file_name, file_option, option
from weightfill._files.npy import content_of
from weightfill._models.manifest import Specs, specs

_MOST_PLAN_BYTES = 16 << 20

PlanFile = Annotated[str, typer.Argument(help="The plan, in TOML.", metavar="<plan.toml>", parser=file_name)]
ShapesFile = Annotated[
    str,
    file_option(
        "--shapes",
        'Names and shapes: a manifest in JSON such as {"fc.weight": [2, 3]}, or a checkpoint (.safetensors, '
        ".index.json), of which only the header is read.",
        WHAT,
    ),
]
PlanSeed = Annotated[
    int | None,
    option("--seed", "Random seed, 0 to 2^64 - 1; replaces the plan's.", VALUES, numbers.seed, "<n>", "the plan's"),
]
ModelDtype = Annotated[str | None, dtype_option("Type of all tensors.", WHAT, "as --shapes says, or float32")]


def plan_of(path: str, seed: int | None, *, without: int | None = None) -> wf.Plan:
    """Return the plan of a file, with another seed unless that is None; `without` is that of a plan without a seed.

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
        return wf.Plan.from_toml(_with_seed(text, seed, without), folder=Path(path).parent)
    except ValueError as error:
        swapped = "; it looks like JSON: are the plan and --shapes swapped?" if text.lstrip()[:1] == "{" else ""
        problem, seedless, _ = str(error).partition("; pass the same seed=")
        way_out = "; pass --seed, or write seed = into the plan" if seedless else swapped
        raise ValueError(f"{path}: {problem}{way_out}") from error


def specs_of(path: str, dtype: str | None) -> Specs:
    """Return shape and dtype of every parameter, by name; `dtype` is that of all unless None.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is damaged, or describes what cannot be filled.
    """
    if path.endswith(".toml"):
        raise ValueError(f"--shapes must be a manifest or a checkpoint, got {path}; are the plan and --shapes swapped?")
    with checks():
        return specs(path, dtype)


def _with_seed(text: str, seed: int | None, without: int | None) -> str:
    if seed is None and without is None:
        return text
    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        return text  # whoever reads it says what is wrong
    document["seed"] = document.get("seed", without) if seed is None else seed
    return tomlkit.dumps(document)
