"""Functions of the user's own that a command calls, named as module:function."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def function_named(text: str) -> Callable[[], Any]:
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
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise ValueError(_raised(text, error)) from error
        raise ValueError(
            f"module:function must name a module that can be imported from {folder}, got {text!r}"
        ) from error
    except Exception as error:
        raise ValueError(_raised(text, error)) from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise ValueError(f"module:function must name a function of {module}, got {text!r}, which has no {part}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"module:function must name a function or class, got {text!r}, a {type(found).__name__}")

    def called() -> Any:
        try:
            return found()
        except Exception as error:
            raise ValueError(_raised(text, error)) from error

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


def _raised(text: str, error: Exception) -> str:
    """Return what was raised, and the last line of the user's own that led there, if there is one."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(os.getcwd())]
    where = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    return f"{text} raised {type(error).__name__}: {error}{where}"
