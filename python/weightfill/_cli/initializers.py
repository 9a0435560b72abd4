"""What a table holds: --init, and an option for every parameter of an initializer."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

import weightfill as wf
from weightfill._cli import numbers
from weightfill._cli.options import VALUES, checks, option
from weightfill._initializers import written
from weightfill._initializers.base import Initializer
from weightfill._initializers.names import kind_named

_PLAIN = ("zeros", "ones", "constant", "uniform", "normal", "truncated-normal")  # what help names first


class Drawn(NamedTuple):
    """What was given.

    Attributes:
        init: a name, or a call such as 'KaimingNormal(mode="fan_out")'; None if it was left out.
        parameters: the options of its parameters that were given.
    """

    init: str | None
    parameters: dict[str, Any]


def _real(name: str, text: str, default: str | None = None) -> Any:
    return option(name, text, VALUES, numbers.real, "<x>", default)


def _word(name: str, text: str) -> Any:
    return option(name, text, VALUES, str, "<word>")


def _gain(given: str) -> float | str:
    try:
        return numbers.real(given)
    except typer.BadParameter:
        return given


_PARAMETERS: dict[str, Any] = {
    "value": Annotated[float | None, _real("--value", "Value of constant.")],
    "mean": Annotated[
        float | None, _real("--mean", "Mean of normal, laplace, truncated-normal (before the cut).", "0")
    ],
    "std": Annotated[
        float | None, _real("--std", "Std of normal, sparse, truncated-normal (before the cut).", "1, sparse 0.01")
    ],
    "cutoff": Annotated[float | None, _real("--cutoff", "Bounds of truncated-normal, in units of std.", "2")],
    "low": Annotated[
        float | None, _real("--low", "Smallest value of uniform, log-uniform, truncated-normal.", "0, -cutoff * std")
    ],
    "high": Annotated[
        float | None, _real("--high", "Largest value of uniform, log-uniform, truncated-normal.", "1, cutoff * std")
    ],
    "gain": Annotated[
        Any,
        typer.Option(
            "--gain",
            "--nonlinearity",
            help="Gain of a scheme: a number, or a nonlinearity such as tanh. [default: relu for kaiming, else 1]",
            show_default=False,
            parser=_gain,
            metavar="<x or name>",
            rich_help_panel=VALUES,
        ),
    ],
    "mode": Annotated[
        str | None,
        _word("--mode", "Fan of kaiming, variance-scaling: fan_in, fan_out, fan_avg, fan_geo_avg. [default: fan_in]"),
    ],
    "scale": Annotated[float | None, _real("--scale", "Scale of variance-scaling and laplace.", "1")],
    "distribution": Annotated[
        str | None,
        _word("--distribution", "Distribution of variance-scaling: uniform, normal. [default: truncated_normal]"),
    ],
    "truncated": Annotated[
        bool | None,
        option(
            "--truncated", "Cut the normal distribution of a scheme at 2 std, without a change of its variance.", VALUES
        ),
    ],
    "connections": Annotated[
        int | None,
        option(
            "--connections",
            "How many values of sparse are not zero, in every row or column: see --axis. [default: 10]",
            VALUES,
            numbers.count,
            "<n>",
        ),
    ],
    "sparsity": Annotated[float | None, _real("--sparsity", "Share of zeros of sparse, instead of --connections.")],
    "axis": Annotated[
        int | None,
        option(
            "--axis",
            "Axis along which sparse counts its values, or of the rows of orthogonal. [default: sparse -1, else 0]",
            VALUES,
            numbers.axis,
            "<n>",
        ),
    ],
    "layout": Annotated[
        str | None, _word("--layout", "Which axes are inputs and outputs: torch, keras, jax, ... [default: torch]")
    ],
    "groups": Annotated[int | None, option("--groups", "Groups of a convolution.", VALUES, numbers.count, "<n>", "1")],
    "then": Annotated[str | None, _word("--then", "Transform of the values of log-uniform: inverse_softplus.")],
}


def names_beginning(begin: str) -> list[str]:
    """Return the names of initializers that a shell may complete."""
    public = ((name, getattr(wf, name)) for name in wf.__all__ if name != "Initializer")
    kinds = [name for name, kind in public if isinstance(kind, type) and issubclass(kind, Initializer)]
    spelled = [re.sub("(?<=[a-z])(?=[A-Z])", "-", name).lower() for name in kinds]
    return [name for name in dict.fromkeys((*_PLAIN, *spelled)) if name.startswith(begin)]


def init_option(text: str) -> Any:
    """Return the option that names an initializer."""
    words = f"{text}: {', '.join(_PLAIN)}, kaiming-normal and all others, also as 'KaimingNormal(mode=\"fan_out\")'."
    return option("--init", words, VALUES, str, "<name>", choices=names_beginning)


def with_initializer(text: str, *, required: bool) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command --init and the options of all parameters, which it takes together as its parameter `drawn`."""

    def decorated(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def called(init: str | None = None, **options: Any) -> int:
            given = {name: options.pop(name, None) for name in _PARAMETERS}
            parameters = {name: value for name, value in given.items() if value is not None}
            return command(drawn=Drawn(init, parameters), **options)

        hints = get_type_hints(command, include_extras=True)
        own = list(signature(command).parameters.values())
        place = next(number for number, parameter in enumerate(own) if parameter.name == "drawn")
        init = Annotated[str, init_option(text)] if required else Annotated[str | None, init_option(text)]
        taken = {"init": init, **_PARAMETERS}
        parameters = [
            *(one.replace(annotation=hints[one.name]) for one in own[:place]),
            *(
                Parameter(
                    name,
                    Parameter.KEYWORD_ONLY,
                    default=Parameter.empty if required and name == "init" else None,
                    annotation=kind,
                )
                for name, kind in taken.items()
            ),
            *(one.replace(annotation=hints[one.name], kind=Parameter.KEYWORD_ONLY) for one in own[place + 1 :]),
        ]
        called.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": int}
        called.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]  # typer reads it
        return called

    return decorated


def initializer_of(drawn: Drawn) -> wf.Initializer:
    """Return the initializer of --init and of the options of its parameters.

    Raises:
        ValueError: there is no such initializer, or an option is missing, belongs to another one, or has a wrong value.
    """
    init, parameters = drawn
    assert init is not None
    with checks():
        if "(" not in init:
            _check_parameters(init, parameters)
        elif parameters:
            name, value = next(iter(parameters.items()))
            raise ValueError(f"--{name} must be left out with --init {init!r}, got {value}; write it within")
        made: wf.Initializer = written.initializer_of(init, parameters, "--init")
        return made


def spelled_initializer(text: str, option: str) -> wf.Initializer:
    """Return the initializer that one word describes: a name, name:parameter=value,... or a call.

    >>> spelled_initializer("normal:std=0.01", "--init")
    Normal(mean=0.0, std=0.01)

    Raises:
        ValueError: it describes none.
    """
    name, colon, rest = text.partition(":")
    parameters: dict[str, Any] = {}
    if colon and "(" not in name:
        for part in rest.split(","):
            key, equals, value = part.partition("=")
            if not equals:
                raise ValueError(f"{option} must be a name, or as in 'normal:std=0.01', got {text!r}")
            parameters[key.strip()] = _value(value.strip())
    else:
        name = text
    with checks():
        made: wf.Initializer = written.initializer_of(name, parameters, option)
        return made


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if text.removeprefix("-").isdecimal():
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def _check_parameters(init: str, given: dict[str, Any]) -> None:
    """Raise ValueError unless an initializer has these options, and all that it needs are given."""
    parameters = signature(kind_named(init, "--init")).parameters
    takes = [f"--{name}" for name in parameters if name in _PARAMETERS]
    for name, value in given.items():
        if name not in parameters:
            raise ValueError(
                f"--{name} must be left out with --init {init}, got {value}; "
                f"it takes {' and '.join(takes) or 'none of these options'}"
            )
    needed = [name for name, parameter in parameters.items() if parameter.default is Parameter.empty]
    if not set(needed) <= set(_PARAMETERS):
        raise ValueError(
            f"--init must give {' and '.join(needed)} within, got {init}; "
            f"write it as --init '{init}({', '.join(f'{name}=...' for name in needed)})'"
        )
    if not set(needed) <= set(given):
        raise ValueError(f"{' and '.join(f'--{name}' for name in needed)} must be given with --init {init}")
