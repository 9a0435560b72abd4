"""Functions of the user's own, or of a library, that a command calls, named as module:function."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from weightfill._run.interruption import ENDING

_LONGEST = 1000  # characters of what was raised
_SIGNALS = [128 + number for number in ENDING]  # exit codes with which these end a command


def function_named(text: str) -> Callable[..., Any]:
    """Return a function that calls the one of this name, which is looked for in the current folder first.

    What it, or its module, raises becomes a ValueError that says where.

    Raises:
        ValueError: there is no such module or function, or importing it fails.
    """
    module, colon, name = text.partition(":")
    parts = [*module.split("."), *name.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise ValueError(f"module:function must be as in models.resnet:build, got {text!r}")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found = _imported(text, module, folder)
    for part in name.split("."):
        found = _attribute(text, module, found, part)
    if not callable(found):
        raise ValueError(f"module:function must name a function or class, got {text!r}, {kind_of(found)}")

    def called(*arguments: Any, **named: Any) -> Any:
        try:
            return found(*arguments, **named)
        except (Exception, SystemExit) as error:
            raise _fault(text, error) from error

    return called


@contextmanager
def faults_of(text: str) -> Iterator[None]:
    """Have what the model of this function raises while it runs be a ValueError that says where."""
    try:
        yield
    except (TypeError, ValueError, OSError):  # of this package's checks, which say what is wrong
        raise
    except Exception as error:
        raise ValueError(_raised(text, error)) from error


def kind_of(value: object) -> str:
    """Return what kind of value it is, with its article, for a message."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def _imported(text: str, module: str, folder: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _fault(text, error) from error
        parent, _, missing = error.name.rpartition(".")
        places = getattr(sys.modules[parent], "__path__", []) if parent else None
        meant = _meant(missing, (found.name for found in pkgutil.iter_modules(places)), 0.6 if parent else 0.8)
        absent = "" if parent or meant else f"; {missing} is not installed, and not in this folder"
        raise ValueError(
            f"module:function must name a module that can be imported from {folder}, got {text!r}{meant}{absent}"
        ) from error
    except (Exception, SystemExit) as error:
        raise _fault(text, error) from error


def _attribute(text: str, module: str, owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError as error:
        raise ValueError(
            f"module:function must name a function of {module}, got {text!r}, which has no {name}"
            + _meant(name, dir(owner))
        ) from error
    except Exception as error:  # of libraries that import their parts when these are asked for
        raise _fault(text, error) from error


def _meant(name: str, names: Iterable[str], alike: float = 0.6) -> str:
    found = get_close_matches(name, list(names), 1, alike)
    return f"; did you mean {found[0]}?" if found else ""


def _fault(text: str, error: BaseException) -> ValueError:
    """Return the error that says what was raised; a signal that ends the command does so."""
    if isinstance(error, SystemExit) and error.code in _SIGNALS:
        raise error
    return ValueError(_raised(text, error))


def _raised(text: str, error: BaseException) -> str:
    """Return what was raised, and the last line of the user's own that led there, if there is one."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(os.getcwd())]
    where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    said = str(error)
    return f"{text} raised {type(error).__name__}: {said[:_LONGEST]}{'...' if len(said) > _LONGEST else ''}{where}"
