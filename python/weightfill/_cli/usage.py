"""What is said of a command line that cannot be understood."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

UsageError: Any = typer.BadParameter.__base__  # of the click that typer carries inside


class Command(TyperCommand):
    """A command whose flags have no kind in its help; --help stands with its other options."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters."""
        parameters = _with_plain_flags(super().get_params(ctx))
        parameters[-1].rich_help_panel = "Output"  # that of --help
        return parameters

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what the usage line names: a required file as <file>, not in the braces that typer puts around it."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """The command that has the others, without kinds of flags as well."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters."""
        return _with_plain_flags(super().get_params(ctx))


def _with_plain_flags(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


def problem_of(error: Any, command: str) -> str:
    """Return the message for a usage error of a command: all that is missing at once, and where to read on."""
    path = error.ctx.command_path if error.ctx else f"weightfill {command}".strip()
    missing = _missing(error)
    if missing:
        text = f"{path} needs {_listed(missing)}" + _example(error.ctx.command)
    elif type(error) is typer.BadParameter and error.param is not None:
        text = f"{_name(error.param)} {error.message}"
    else:
        text = error.format_message()
        text = text[:1].lower() + text[1:]
    return f"{text}{'' if text[-1:] in '.?' else '.'} Try '{path} --help'"


def _missing(error: Any) -> list[str]:
    """Return the names of all parameters that are required and not given; those that are given were read before."""
    if type(error).__name__ != "MissingParameter" or error.ctx is None:
        return []
    return [_name(p) for p in error.ctx.command.params if p.required and error.ctx.params.get(p.name) is None]


def _name(parameter: Any) -> str:
    return parameter.opts[0] if parameter.param_type_name == "option" else str(parameter.metavar or parameter.name)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _example(command: Any) -> str:
    """Return the first example of a command's help, as one line."""
    lines = (command.epilog or "").replace("\\\n", "").split("\n")
    first = next((line for line in lines if line.startswith("weightfill ")), "")
    return f", as in: {' '.join(first.split())}" if first else ""
