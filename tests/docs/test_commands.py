"""docs/reference/commands.md says what the commands say."""

from docs.tools import commands
from weightfill import _cli


def test_the_page_of_the_command_line_is_what_the_commands_say():
    assert commands.page() == commands.PAGE.read_text(encoding="utf-8"), "run: python docs/tools/commands.py"


def test_every_command_has_a_section_with_its_options():
    text = commands.page()
    for command in _cli._NAMES:
        section = text.split(f"\n## weightfill {command}\n")[1].split("\n## ")[0]
        assert f"weightfill {command} [OPTIONS]" in section
        assert "- `--json`: " in section


def test_plain_text_is_not_taken_for_markup():
    assert commands._escaped("a * b, '*.w', _x_y_, <n> and --out-of 2") == (
        r"a \* b, '\*.w', \_x_y\_, \<n> and `--out-of` 2"
    )
    assert commands._with_options_as_code("--a, `b --c` and --d.") == "`--a`, `b --c` and `--d`."
