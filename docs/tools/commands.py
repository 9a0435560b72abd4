"""Writes docs/reference/commands.md, the reference of the command line, out of the commands themselves.

    python docs/tools/commands.py

The page is kept in the repository, so that the site builds where weightfill is not installed. A test compares them.
"""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer

from weightfill import _cli

PAGE = Path(__file__).parents[1] / "reference" / "commands.md"

_INTRODUCTION = """\
<!-- Written by docs/tools/commands.py out of the commands: edit their help texts, and run it again. -->

# The command line

`weightfill COMMAND --help` shows in a terminal what is here, and `python -m weightfill` is the same command.
`weightfill --version` shows the version. `weightfill --install-completion` lets your shell complete options,
initializers and dtypes.
"""


def page() -> str:
    """Return the page in Markdown: a section for every command, and the exit codes."""
    group: Any = typer.main.get_command(_cli.app)
    with group.make_context("weightfill", ["info"], resilient_parsing=True) as context:
        sections = [_section(name, command, context) for name, command in group.commands.items()]
    codes = next(part for part in cleandoc(_cli.__doc__ or "").split("\n\n") if part.startswith("Exit codes:"))
    table = ["| command | what it does |", "|---|---|"]
    for name, command in group.commands.items():
        table.append(f"| [`{name}`](#weightfill-{name}) | {_with_options_as_code(_first_line(command))} |")
    exits = f"## Exit codes\n\n{codes.removeprefix('Exit codes: ')}\n"
    return "\n".join([_INTRODUCTION, *table, "", *sections, exits])


def _first_line(command: Any) -> str:
    return " ".join(cleandoc(command.help).split("\n\n")[0].split())


def _section(name: str, command: Any, above: Any) -> str:
    with command.make_context(name, [], parent=above, resilient_parsing=True) as context:
        usage = " ".join(["weightfill", name, *command.collect_usage_pieces(context)])
        parameters = [parameter for parameter in command.get_params(context) if "--help" not in parameter.opts]
    panels: dict[str, list[str]] = {}
    for parameter in parameters:
        panel = parameter.rich_help_panel if parameter.param_type_name == "option" else None
        panels.setdefault(panel or "Arguments", []).append(_entry(parameter))
    parts = [f"## weightfill {name}", f"```text\n{usage}\n```", _with_options_as_code(cleandoc(command.help))]
    if command.epilog:
        parts.append(re.sub(r"^```$", "```sh", command.epilog.strip(), count=1, flags=re.MULTILINE))
    order = ("Arguments", "What", "Which values", "Output")
    parts += [f"**{panel}**\n\n" + "\n".join(panels[panel]) for panel in sorted(panels, key=order.index)]
    return "\n\n".join(parts) + "\n"


def _entry(parameter: Any) -> str:
    """Return the line of an option or argument: its names and kind, its help, its default."""
    kind = f" {parameter.metavar}" if parameter.metavar else ""
    names = ", ".join(f"`{name}{kind}`" for name in parameter.opts)
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar}`"
    text, _, default = (parameter.help or "").partition(" [default: ")
    said = f" Default: {_escaped(default.removesuffix(']'))}." if default else ""
    return f"- {names}{' (required)' if parameter.required else ''}: {_escaped(text)}{said}"


def _escaped(text: str) -> str:
    """Return plain text as Markdown."""
    return _with_options_as_code(re.sub(r"[\\*<]|\b_|_\b", r"\\\g<0>", text))


def _with_options_as_code(text: str) -> str:
    parts = re.split(r"(`[^`]+`)", text)  # every second one is code
    parts[::2] = [re.sub(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", r"`\g<0>`", part) for part in parts[::2]]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
