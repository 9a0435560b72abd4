"""The arguments with which a function of a library is called: --arg and --config."""

from __future__ import annotations

import ast
import importlib
import json
import os
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from weightfill._files.json_documents import document_in

_MOST_BYTES = 16 << 20  # of a config


class Arguments(NamedTuple):
    """What a function is called with."""

    positional: tuple[Any, ...]
    named: dict[str, Any]


def arguments_of(given: Iterable[str], config: str | None) -> Arguments:
    """Return the arguments that --arg and --config say.

    A config with a `model_type`, as transformers' config.json has it, becomes transformers' object, the first
    argument. The keys of any other are named arguments, which those of --arg replace.

    Raises:
        OSError: the config cannot be read.
        ValueError: an argument is not NAME=VALUE, or stands twice; the config is no JSON object, or none of a model
            that transformers knows.
    """
    named: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"--arg must be NAME=VALUE, such as --arg hidden_size=64, got {text!r}")
        if name in named:
            raise ValueError(f"--arg must give every name once, got {name} twice")
        named[name] = literal(value)
    if config is None:
        return Arguments((), named)
    keys = _keys_of(config)
    if isinstance(keys.get("model_type"), str):
        return Arguments((_of_transformers(config),), named)
    return Arguments((), keys | named)


def literal(text: str) -> Any:
    """Return the value that a text is in JSON, or else in Python; the text itself if it is none.

    >>> [literal(text) for text in ("12", "1e-5", "true", "None", "[2, 3]", "(2, 3)", "1_000", "'8'", "gelu")]
    [12, 1e-05, True, None, [2, 3], (2, 3), 1000, '8', 'gelu']
    """
    unread = (ValueError, SyntaxError, RecursionError, MemoryError)  # the last two of what is nested too deep
    with suppress(*unread):
        return json.loads(text)
    with suppress(*unread), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's of its own syntax
        return ast.literal_eval(text)
    return text


def _keys_of(path: str) -> dict[str, Any]:
    document = document_in(path, "--config", "a JSON object", _MOST_BYTES)
    if not isinstance(document, dict):
        raise ValueError(f"--config must be a JSON object, got {path} with a {type(document).__name__}")
    return document


def _of_transformers(path: str) -> Any:
    try:
        kind = importlib.import_module("transformers").AutoConfig  # here, as it takes seconds and is optional
    except ImportError as error:
        raise ValueError(
            f"--config with a model_type is one of transformers, got {path} and {error}; install it, or leave "
            "model_type out to pass the keys as named arguments"
        ) from error
    try:
        return kind.from_pretrained(os.path.abspath(path), trust_remote_code=False)
    except Exception as error:  # of any kind
        raise ValueError(f"--config {path}: transformers raised {type(error).__name__}: {error}") from error
