"""Code of the pages that is no program of Python: sessions at the prompt, commands of a shell, plans in TOML.

tests/test_documents.py and tests/frameworks run the programs.
"""

import doctest
import re
import shlex

import pytest
import typer

import weightfill as wf
from tests.documents import DOCUMENTS
from weightfill import _cli

TEXTS = {name: path.read_text(encoding="utf-8") for name, path in DOCUMENTS.items()}


def fenced(language, text):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text):
    """The calls of weightfill in blocks for the shell and in indented ones, as lists of words."""
    lines = "\n".join(fenced("(?:ba)?sh", text)).splitlines() + re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
    script = "\n".join(lines).replace("\\\n", " ")
    calls = re.findall(r"(?:^|&& |bin/)(weightfill [^&|>\n]+)", script, re.MULTILINE)
    return [shlex.split(call, comments=True) for call in calls]


SESSIONS = {name: text for name, text in TEXTS.items() if re.search(r"^>>> ", text, re.MULTILINE)}
COMMANDS = [(name, call) for name, text in TEXTS.items() for call in commands(text)]
PLANS = [(name, plan) for name, text in TEXTS.items() for plan in fenced("toml", text)]


@pytest.mark.parametrize("name", SESSIONS)
def test_sessions_print_what_the_page_shows(name):
    text = re.sub(r"^```$", "", SESSIONS[name], flags=re.MULTILINE)  # which ends the output before it
    session = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(session)
    assert not found.failed
    assert found.attempted == text.count("\n>>> ")


@pytest.mark.parametrize(("name", "call"), COMMANDS)
def test_commands_have_the_options_that_pages_give_them(name, call):
    group = typer.main.get_command(_cli.app)
    with group.make_context(call[0], call[1:]) as context:
        command = group.get_command(context, call[1])
        if command is not None:
            command.make_context(call[1], call[2:], parent=context).close()
        else:
            assert call[1] in ("help", "--help", "--version", "--install-completion")


@pytest.mark.parametrize(("name", "plan"), PLANS)
def test_plans_in_toml_are_plans(name, plan):
    assert wf.Plan.from_toml(plan).assign


def test_code_of_each_kind_is_found():
    assert {"docs/concepts/theory.md", "docs/concepts/signals.md"} <= set(SESSIONS)
    assert {"table", "model", "record", "explain", "verify", "inspect"} <= {call[1] for _, call in COMMANDS}
    assert {"docs/howto/checkpoints.md", "docs/concepts/plans.md"} <= {name for name, _ in PLANS}
