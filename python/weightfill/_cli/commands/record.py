"""`weightfill record`: write the plan and the manifest of a model as its own code initializes it."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import packages_distributions, version
from typing import Annotated, Any

import typer

import weightfill as wf
from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import printable
from weightfill._cli import numbers
from weightfill._cli.calls import Arguments, arguments_of
from weightfill._cli.functions import function_named, kind_of
from weightfill._cli.options import OUTPUT, VALUES, WHAT, Force, Json, file_option, option
from weightfill._cli.outputs import check_suffix
from weightfill._cli.plans import plan_of
from weightfill._cli.reports import counted
from weightfill._files.documents import appearing_together
from weightfill._models.assignment import drawn_by
from weightfill._models.manifest import Specs, specs
from weightfill._models.recorded_manifest import manifest_of, with_optional
from weightfill._models.stored_values import large_values

EXAMPLES = """**Examples**

```
weightfill record transformers:AutoModelForCausalLM.from_config --config config.json \\
    --out plan.toml --shapes manifest.json --seed 42
weightfill record torchvision.models:resnet50 --arg num_classes=10 --out plan.toml --shapes manifest.json
weightfill record models.gpt:build --out plan.toml --shapes manifest.json && \\
    weightfill model plan.toml --shapes manifest.json --seed 42 --out model.safetensors
```
"""

# Words of Python in messages, and the options that do the same.
_OPTIONS = {
    "pass rules={pattern: initializer} for them": "give rules for them by --rules <plan.toml>",
    'by computed="keep"': "by --computed keep",
    'by copies="draw"': "by --copies draw",
    "leave this one out": "register a buffer that no checkpoint needs with persistent=False",
}


def record(
    function: Annotated[
        str,
        typer.Argument(
            help="A function or class that builds a torch model, of a library or found from the current folder.",
            metavar="<module:function>",
        ),
    ],
    *,
    arg: Annotated[
        list[str] | None,
        option(
            "--arg",
            "A named argument of the function, in JSON or Python, or else a string; may be repeated.",
            WHAT,
            str,
            "<name=value>",
        ),
    ] = None,
    config: Annotated[
        str | None,
        file_option(
            "--config",
            "A JSON file: with a model_type it becomes the config object of transformers, and is the first argument; "
            "otherwise its keys are named arguments.",
            WHAT,
            "<config.json>",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        option(
            "--seed",
            "Random seed of the plan, 0 to 2^64 - 1.",
            VALUES,
            numbers.seed,
            "<n>",
            "none; then model needs --seed",
        ),
    ] = None,
    rules: Annotated[
        str | None,
        file_option(
            "--rules",
            "A plan whose rules come first: your own, for parameters that no initializer describes.",
            VALUES,
            "<plan.toml>",
        ),
    ] = None,
    copies: Annotated[
        str,
        option(
            "--copies",
            "What to do with copies of drawn parameters: refuse them, or draw each for itself (draw).",
            VALUES,
            str,
            "<refuse|draw>",
            "refuse",
        ),
    ] = "refuse",
    computed: Annotated[
        str,
        option(
            "--computed",
            "What to do with parameters whose numbers the code computes: refuse them, or keep the numbers (keep), many "
            "in a file beside the plan.",
            VALUES,
            str,
            "<refuse|keep>",
            "refuse",
        ),
    ] = "refuse",
    out: Annotated[str, file_option("--out", "The plan to write.", OUTPUT, "<plan.toml>")],
    shapes: Annotated[
        str, file_option("--shapes", "The manifest to write: names, shapes and ties.", OUTPUT, "<manifest.json>")
    ],
    force: Force = False,
    as_json: Json = False,
) -> int:
    """Write the plan of a model as its own code initializes it, and its manifest, without making the model.

    The function is called with torch's parameters taking no memory, and what it draws, sets and copies is recorded.
    The plan has its distributions as rules that you can read and change. The manifest has what a checkpoint of the
    model holds. Give both to model, which writes the checkpoint. Both files are created only if everything succeeds.
    What the function prints goes to stderr.
    """
    check_suffix("--out", out, ".toml")
    check_suffix("--shapes", shapes, ".json")
    values = out.removesuffix(".toml") + ".values.safetensors"
    if os.path.realpath(out) == os.path.realpath(shapes):
        raise ValueError(f"--shapes must be another file than --out, got {shapes}")
    check_choice(copies, ("refuse", "draw"), "--copies")
    check_choice(computed, ("refuse", "keep"), "--computed")
    _check_torch()
    build = function_named(function)
    given = arguments_of(arg or [], config)
    own = None if rules is None else plan_of(rules, None, without=0).rules
    how = {"rules": own, "copies": copies, "computed": computed}
    with appearing_together([out, shapes], replace=force) as files:
        began = time.perf_counter()
        plan, tensors = _recorded(function, build, given, seed, how)
        seconds = time.perf_counter() - began
        libraries = _versions(function)
        files[shapes] = manifest_of(tensors, plan).encode()
        document = plan.to_toml(values=values, replace=force) if _has_file(plan) else plan.to_toml()
        if seed is None:
            document = document.removeprefix(f"seed = {plan.seed}\n\n")
        files[out] = (_header(function, arg or [], config, libraries) + document).encode()
    report = _report(tensors, plan) | {
        "plan": out,
        "shapes": shapes,
        "values": values if _has_file(plan) else None,
        "function": function,
        "versions": libraries,
        "seed": seed,
        "seconds": seconds,
    }
    if as_json:
        print(json.dumps(report))
    else:
        _print(report)
    return 0


def _check_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise ValueError("record needs torch, which is not installed: pip install 'weightfill[torch]'")


def _recorded(
    function: str, build: Callable[..., Any], given: Arguments, seed: int | None, how: Mapping[str, Any]
) -> tuple[wf.Plan, Specs]:
    """Return the plan of what a function builds, and the tensors of that."""
    import torch  # here, as torch is optional

    from weightfill.torch import recording

    with redirect_stdout(sys.stderr):
        with recording() as recorded:
            model = build(*given.positional, **given.named)
        if not isinstance(model, torch.nn.Module):
            raise ValueError(
                f"{function} must return a torch.nn.Module, got {kind_of(model)}; name a function of your own that "
                "returns the module"
            )
        with _in_words_of_options(function):
            plan = recorded.plan(model, seed=seed or 0, **how)
            tensors = specs(model)
    return wf.Plan(with_optional(plan, tensors), seed=plan.seed), tensors


@contextmanager
def _in_words_of_options(function: str) -> Iterator[None]:
    """Have errors of a recording name the function, and options in place of Python's arguments."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        for words, spelled in _OPTIONS.items():
            text = text.replace(words, spelled)
        raise ValueError(f"{function}: {text}") from error


def _has_file(plan: wf.Plan) -> bool:
    return bool(large_values(plan))


def _versions(function: str) -> dict[str, str]:
    """Return the versions of the library that has a function, if it is an installed one, and of torch."""
    package = function.partition(":")[0].partition(".")[0]
    names = [*packages_distributions().get(package, [])[:1], "torch"]
    return {name: version(name) for name in dict.fromkeys(names)}


def _header(function: str, given: list[str], config: str | None, libraries: Mapping[str, str]) -> str:
    """Return the comment that says what was recorded, and with which versions."""
    options = [word for one in given for word in ("--arg", one)] + (["--config", config] if config else [])
    used = ", ".join(f"{name} {number}" for name, number in libraries.items())
    lines = [
        f"Recorded by weightfill {wf.__version__}: how this code initializes its parameters.",
        shlex.join([function, *options]),
        used,
    ]
    return "".join(f"# {printable(line)}\n" for line in lines) + "\n"


def _report(tensors: Specs, plan: wf.Plan) -> dict[str, Any]:
    kept, _ = drawn_by(plan, tensors)
    assert tensors.state is not None
    buffers = len(tensors.state.buffers & kept.keys())
    sizes = {name: math.prod(shape) for name, (shape, _) in kept.items()}
    return {
        "rules": len(plan.rules),
        "parameters": len(kept) - buffers,
        "buffers": buffers,
        "elements": sum(sizes.values()),
        "bytes": sum(sizes[name] * dtype.itemsize for name, (_, dtype) in kept.items()),
    }


def _print(report: Mapping[str, Any]) -> None:
    used = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    seed = "no seed" if report["seed"] is None else f"seed {report['seed']}"
    print(f"{printable(report['plan'])}: {counted(report['rules'], 'rule')}, {seed}; recorded with {used}")
    if report["values"] is not None:
        print(f"{printable(report['values'])}: numbers that the code computes")
    buffers = f" and {counted(report['buffers'], 'buffer')}" if report["buffers"] else ""
    print(
        f"{printable(report['shapes'])}: {counted(report['parameters'], 'parameter')}{buffers}, "
        f"{report['elements']:,} elements, {report['bytes']:,} bytes, {report['seconds']:.3f} s"
    )
