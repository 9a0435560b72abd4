"""The command for a process of its own."""

import sys


def command_line(*arguments, before=""):
    """What runs `weightfill` with these arguments, after the code `before`."""
    return [sys.executable, "-c", f"{before}\nfrom weightfill._cli import main; main()", *arguments]
