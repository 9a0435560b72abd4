"""The `weightfill` command: write a table or a model into files, check them, look into them.

Each command is a function in a module of its own, registered here.

Exit codes: 0 done (`verify`: equal), 1 `verify` found a difference, 2 bad input or a failed file operation, 130 Ctrl-C,
128 + n another signal. Errors are one line on stderr, results go to stdout, the progress bar to a terminal only.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn, TextIO

import typer

import weightfill as wf
from weightfill._arguments.extras import NotInstalledError
from weightfill._arguments.messages import printable
from weightfill._cli import usage
from weightfill._cli.commands import explain, info, inspect, model, pretrain, record, signals, symmetry, table, verify
from weightfill._run.interruption import ENDING

_INTERRUPTED = 130
_SIGPIPE = getattr(signal, "SIGPIPE", 13)
_PIPE_ERROR = None if hasattr(signal, "SIGPIPE") else errno.EINVAL  # what Windows says of a pipe that nobody reads

_ALIASES = {"--replace": "--force", "--shard-bytes": "--shard-size"}  # Python's words for them

app = typer.Typer(
    name="weightfill",
    cls=usage.Group,
    help="Write, check and show the initial weights of neural networks. The same seed gives the same bits everywhere.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for _run, _examples in (
    (table.table, table.EXAMPLES),
    (model.model, model.EXAMPLES),
    (record.record, record.EXAMPLES),
    (explain.explain, explain.EXAMPLES),
    (verify.verify, verify.EXAMPLES),
    (inspect.inspect, inspect.EXAMPLES),
    (signals.signals, signals.EXAMPLES),
    (symmetry.symmetry, symmetry.EXAMPLES),
    (pretrain.pretrain, pretrain.EXAMPLES),
    (info.info, None),
):
    app.command(cls=usage.Command, epilog=_examples)(_run)


_NAMES = {command.callback.__name__ for command in app.registered_commands if command.callback}


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", "-V", help="Show the version.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"weightfill {wf.__version__}")
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code."""
    arguments = [_spelled(argument) for argument in arguments] or ["--help"]
    if arguments[0] == "help":
        arguments = [*arguments[1:], "--help"]
    code = 2
    try:
        code = app(arguments, prog_name="weightfill", standalone_mode=False) or 0
        sys.stdout.flush()
        if code != _INTERRUPTED:
            return code
        problem = "interrupted"
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as leaving:
        if leaving.code != 1:
            raise
        return _reader_gone()  # as click leaves then
    except usage.UsageError as error:
        problem = usage.problem_of(error, arguments[0] if arguments[0] in _NAMES else "")
    except FileExistsError as error:
        rule = "is not a regular file" if "--force" in arguments else "exists; --force replaces a file"
        problem = f"{error.filename} {rule}"
    except NotInstalledError as error:
        problem = str(error)
    except OSError as error:
        if _PIPE_ERROR is not None and (error.errno, error.filename) == (_PIPE_ERROR, None):
            return _reader_gone()
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except ValueError as error:
        problem = str(error)
    except MemoryError as error:
        problem = f"not enough memory: {error}" if str(error) else "not enough memory"
    except (KeyboardInterrupt, typer.Abort):
        code, problem = _INTERRUPTED, "interrupted"
    try:
        print("weightfill:", printable(" ".join(problem.split())), file=sys.stderr)
    except OSError:  # the exit code still says it
        _discard_rest(sys.stderr)
    return code


def _spelled(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return _ALIASES.get(name, name) + equals + value


def _reader_gone() -> int:
    """Return the exit code of a command whose output nobody reads any more."""
    _discard_rest(sys.stdout)
    return 128 + _SIGPIPE


def _discard_rest(stream: TextIO) -> None:
    """Have what a stream still buffers, which cannot be written, go nowhere when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def main() -> NoReturn:
    """Run the command of this process.

    The first Ctrl-C is the only one that raises, so none can come between its own handling: a second one waits until
    what was begun is cleaned up, a third ends the process at once.
    """
    sys.stdout, sys.stderr = _writable(sys.stdout), _writable(sys.stderr)
    for number in ENDING:  # as an exception, so that no hidden file is left
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _leave)
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, _interrupt)
        code = run(sys.argv[1:])
        _be_quiet()
    except KeyboardInterrupt:  # after the command itself was done, or in its last message
        code = _INTERRUPTED
    finally:
        _be_quiet()
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, _interrupt_again)
    raise KeyboardInterrupt


def _interrupt_again(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


def _be_quiet() -> None:
    """Have Ctrl-C end the process from here on: Python would print a traceback while it ends."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _writable(stream: TextIO | None) -> TextIO:
    """Return a standard stream that takes any text; one that goes nowhere for None, as Python has a closed one."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
