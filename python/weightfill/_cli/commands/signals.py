"""`weightfill signals`: show what becomes of signals and gradients in a new network, for one initializer or several."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

import weightfill as wf
from weightfill._arguments.messages import printable
from weightfill._cli import numbers
from weightfill._cli.functions import faults_of, function_named
from weightfill._cli.initializers import names_beginning, spelled_initializer
from weightfill._cli.options import (
    OUTPUT,
    VALUES,
    WHAT,
    Json,
    count_option,
    file_option,
    named_as_options,
    option,
)
from weightfill._cli.outputs import check_png
from weightfill._cli.plans import plan_of
from weightfill._cli.reports import counted
from weightfill._cli.tables import Column, Row, print_table, print_total, terminal_width
from weightfill._files.npy import open_npy

if TYPE_CHECKING:
    from weightfill.signals import Comparison, Report

EXAMPLES = """**Examples**

```
weightfill signals --layers 784,500x10,10 --activation tanh --init xavier-normal
weightfill signals --layers 784,500x10,10 --activation relu --init kaiming-normal \\
    --against normal:std=0.01 --against zeros --png signals.png
weightfill signals models.resnet:build --plan plan.toml --input 32,3,224,224
weightfill signals models.gpt:build --plan plan.toml --tokens 8,128,50257
```
"""

_MARKS, _ASCII = "▁▂▃▄▅▆▇█", "12345678"


class Given(NamedTuple):
    """What is measured: a stack of layers, or what a function builds."""

    layers: str | None
    activation: str
    bias: str
    samples: int
    batch: str | None
    model: str | None
    shape: tuple[int, ...]
    tokens: int | None
    seed: int | None


def signals(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A function or class that builds a torch model, found from the current folder.",
            metavar="module:function",
        ),
    ] = None,
    layers: Annotated[
        str | None,
        option(
            "--layers",
            "Inputs and layers: 784,500x10,10, or with convolutions 3@32x32,64c3x4,10.",
            WHAT,
            str,
            "<sizes>",
        ),
    ] = None,
    activation: Annotated[
        str, option("--activation", "After every layer: tanh, relu, gelu, ...", WHAT, str, "<name>", "tanh")
    ] = "tanh",
    init: Annotated[
        str | None,
        option(
            "--init",
            "What weights are drawn from: xavier-normal, normal:std=0.01, ...",
            VALUES,
            str,
            "<name>",
            choices=names_beginning,
        ),
    ] = None,
    plan: Annotated[
        str | None, file_option("--plan", "A plan for the weights and biases, instead.", VALUES, "<plan.toml>")
    ] = None,
    against: Annotated[
        list[str] | None,
        option(
            "--against",
            "Another initializer, or plan, to compare with; may be repeated.",
            VALUES,
            str,
            "<name or plan>",
            choices=names_beginning,
        ),
    ] = None,
    bias: Annotated[str, option("--bias", "What biases are drawn from.", VALUES, str, "<name>", "zeros")] = "zeros",
    samples: Annotated[int, count_option("--samples", "Standard normal inputs to draw.", WHAT, "1000")] = 1000,
    batch: Annotated[
        str | None, file_option("--batch", "Inputs of your own, samples first, instead.", WHAT, "<file.npy>")
    ] = None,
    shape: Annotated[
        str | None,
        option("--input", "Shape of a standard normal batch for the model: 32,3,224,224.", WHAT, str, "<shape>"),
    ] = None,
    tokens: Annotated[
        str | None,
        option("--tokens", "Shape of a batch of tokens, and how many there are: 8,128,50257.", WHAT, str, "<shape>"),
    ] = None,
    seed: Annotated[
        int | None,
        option("--seed", "Random seed, 0 to 2^64 - 1.", VALUES, numbers.seed, "<n>", "that of the plan, or 0"),
    ] = None,
    png: Annotated[
        str | None, file_option("--png", "Draw histograms and std by layer into this file.", OUTPUT, "<file.png>")
    ] = None,
    force: Annotated[bool, option("--force", "Replace an existing picture.", OUTPUT)] = False,
    as_json: Json = False,
) -> int:
    """Show what becomes of signals and gradients in a new network, and what theory predicts.

    Random inputs go forward and random gradients go backward. Each layer's mean, std, weights, dead and saturated units
    are shown, and a verdict. With --against there is one row for each initializer: the std in the first, middle and
    last layer, and a line of marks by layer, where ▅ is near 1 and each step is a factor of 10.

    The network is a stack of dense or convolutional layers (--layers), or a torch model that a function of yours
    builds. Without --plan such a model is measured as it is built.
    """
    if png is not None:
        check_png(png, force, "signals")
    given = _checked(model, layers, activation, bias, samples, batch, shape, tokens, seed)
    with named_as_options(_OPTIONS):
        drawn = _drawn(model, init, plan, against or [], seed)
        found = {label: _measured(given, one) for label, one in drawn.items()}
        report = next(iter(found.values()))
        result = report if len(found) == 1 else _compared(found)
        if png is not None:
            result.png(png, replace=force)
    if as_json:
        print(result.to_json())
        return 0
    if len(found) == 1:
        _print_report(report)
    else:
        _print_comparison(found, _compared(found))
    if png is not None:
        print(f"{printable(png)}: {counted(len(report.layers), 'layer')}")
    return 0


_OPTIONS = {"sizes": "--layers", "path": "--png", "init": "--init", "shape": "--input"}
_OPTIONS |= {name: f"--{name}" for name in ("activation", "bias", "samples", "batch", "seed")}


def _checked(
    model: str | None,
    layers: str | None,
    activation: str,
    bias: str,
    samples: int,
    batch: str | None,
    shape: str | None,
    tokens: str | None,
    seed: int | None,
) -> Given:
    if (model is None) == (layers is None):
        got = "both" if model else "neither"
        raise ValueError(f"one of --layers and module:function must be given, got {got}; as in: --layers 784,500x10,10")
    if model is None:
        for name, value in (("--input", shape), ("--tokens", tokens)):
            if value is not None:
                raise ValueError(f"{name} must be left out with --layers, which say the inputs, got {value}")
        return Given(layers, activation, bias, samples, batch, None, (), None, seed)
    if (shape is None) == (tokens is None):
        raise ValueError("one of --input and --tokens must be given with a model; as in: --input 32,3,224,224")
    if batch is not None:
        raise ValueError(f"--batch must be left out with a model, got {batch}; --input has the shape of a random one")
    sizes = _sizes("--input" if tokens is None else "--tokens", shape or tokens or "")
    count = None if tokens is None else sizes[-1]
    return Given(None, activation, bias, samples, None, model, sizes if tokens is None else sizes[:-1], count, seed)


def _sizes(name: str, text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(numbers.whole(part.strip()) for part in text.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1 or (name == "--tokens" and len(sizes) < 2):
        rule = "sizes such as 32,3,224,224" if name == "--input" else "a shape and the number of tokens: 8,128,50257"
        raise ValueError(f"{name} must be {rule}, got {text!r}")
    return sizes


def _drawn(
    model: str | None, init: str | None, plan: str | None, against: list[str], seed: int | None
) -> dict[str, wf.Initializer | wf.Plan | None]:
    """Return what weights are drawn from, by label; None for a model as it is built."""
    if init is not None and plan is not None:
        raise ValueError(f"--init must be left out with --plan, got {init}")
    first = plan if plan is not None else init
    if first is None:
        if model is None:
            raise ValueError("--init or --plan must be given with --layers; as in: --init xavier-normal")
        drawn: dict[str, Any] = {"as built": None}
    else:
        drawn = {first: _one("--plan" if plan is not None else "--init", first, plan is not None, seed)}
    for text in against:
        drawn[text] = _one("--against", text, text.endswith(".toml"), seed)
    if model is not None and not all(one is None or isinstance(one, wf.Plan) for one in drawn.values()):
        raise ValueError("--init and --against must be plans with a model, for which --plan names a file in TOML")
    return drawn


def _one(name: str, text: str, is_plan: bool, seed: int | None) -> wf.Initializer | wf.Plan:
    return plan_of(text, seed) if is_plan else spelled_initializer(text, name)


def _measured(given: Given, drawn: wf.Initializer | wf.Plan | None) -> Report:
    if given.model is None:
        from weightfill.signals import propagation  # here, as other commands need no SciPy

        assert given.layers is not None
        assert drawn is not None
        batch = None if given.batch is None else open_npy(given.batch)
        how: dict[str, Any] = {"samples": given.samples, "batch": batch, "seed": given.seed or 0, "progress": True}
        bias = spelled_initializer(given.bias, "--bias")
        return propagation(given.layers, given.activation, drawn, bias=bias, **how)
    from weightfill.torch._signals.propagation import initialized_propagation  # here, as torch is optional

    assert drawn is None or isinstance(drawn, wf.Plan)
    build = function_named(given.model)
    with faults_of(given.model):
        return initialized_propagation(
            build, drawn, given.shape, tokens=given.tokens, seed=given.seed or 0, progress=True
        )


def _compared(found: dict[str, Report]) -> Comparison:
    from weightfill.signals import compare  # here, as other commands need no SciPy

    return compare(found)


_REPORT = [
    Column("layer"),
    Column("mean", right=True, drop=1),
    Column("std", right=True),
    Column("predicted", right=True, drop=8),
    Column("gradient", right=True, drop=9),
    Column("predicted gradient", right=True, drop=5),
    Column("weight", right=True, drop=6),
    Column("grad/weight", right=True, drop=4),
    Column("dead", right=True, drop=7),
    Column("saturated", right=True, drop=7),
    Column("rank", right=True, drop=3),
    Column("correlation", right=True, drop=2),
]


def _print_report(report: Report) -> None:
    width = terminal_width()
    rows = [{name: printable(cell) for name, cell in row.items()} for row in report.rows()]
    print_total(printable(report.title), width)
    columns = [column for column in _REPORT if any(row[column.heading] for row in rows)]
    print_table(columns, rows, _report_style, width)
    for note in report.notes():
        print_total(printable(note), width)


def _report_style(heading: str, row: Row) -> str:
    return {"std": "green", "gradient": "green", "predicted": "dim", "predicted gradient": "dim"}.get(heading, "")


def _print_comparison(found: dict[str, Report], comparison: Comparison) -> None:
    width = terminal_width()
    rows = [{name: _encodable(printable(cell)) for name, cell in row.items()} for row in comparison.rows()]
    print_total(printable(next(iter(found.values())).title.partition(", ")[0]), width)
    columns = [
        Column("init"),
        Column("first", right=True, drop=2),
        Column("middle", right=True, drop=1),
        Column("last", right=True, drop=3),
        Column("forward"),
        Column("backward", drop=4),
        Column("verdict", narrow=lambda verdict: verdict.partition(":")[0]),
    ]
    print_table(columns, rows, _comparison_style, width)


def _comparison_style(heading: str, row: Row) -> str:
    if heading == "verdict":
        return "green" if row["verdict"].startswith("holds") else "red"
    return {"forward": "blue", "backward": "blue"}.get(heading, "")


def _encodable(text: str) -> str:
    """Return a text whose marks standard output can show, digits where it has no blocks."""
    try:
        _MARKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return text.translate(str.maketrans(_MARKS, _ASCII))
    return text
