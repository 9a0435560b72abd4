"""Values with too many numbers for a TOML document, which lie in a safetensors file beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.choices import plain
from weightfill._arguments.messages import shown
from weightfill._files.safetensors_file import entries, stored_arrays
from weightfill._initializers.base import Initializer
from weightfill._initializers.values import Values
from weightfill._models.seeded_rules import SeededRules

MOST_NUMBERS = 1024  # that a document has of one Values


def large_values(plan: SeededRules) -> dict[Values, str]:
    """Return all Values of a plan that have too many numbers for a document, each with a name of its own."""
    names: dict[Values, str] = {}
    for pattern, init, _ in plan.rules:
        for values in _within(init):
            if values.array.size > MOST_NUMBERS and values not in names:
                taken = sum(name == pattern or name.startswith(f"{pattern} ") for name in names.values())
                names[values] = f"{pattern} {taken + 1}" if taken else pattern
    return names


def arrays_of(names: dict[Values, str]) -> dict[str, npt.NDArray[Any]]:
    """Return what a file has of Values, by name: in float32 where that has all their numbers."""
    found = {}
    for values, name in names.items():
        narrow = values.array.astype(np.float32)
        found[name] = narrow if np.array_equal(narrow, values.array) else values.array
    return found


def with_stored(table: Any, folder: str | os.PathLike[str]) -> Any:
    """Return a table of a document with the numbers in place of the file and the tensor that have them.

    Args:
        table: a table, or what is in one.
        folder: where the file lies, if its path is relative.

    Raises:
        ValueError: there is no such file or tensor, or it has no numbers; the message says which.
    """
    if isinstance(table, list):
        return [with_stored(one, folder) for one in table]
    if not isinstance(table, dict):
        return table
    if isinstance(table.get("init"), str) and plain(table["init"]) == "values" and "file" in table:
        rest = {key: value for key, value in table.items() if key not in ("file", "tensor")}
        return rest | {"values": _stored(folder, table["file"], table.get("tensor"))}
    return {key: with_stored(value, folder) for key, value in table.items()}


def _within(init: Initializer) -> Iterator[Values]:
    """Yield an initializer and all that it is made of, if they are Values."""
    if isinstance(init, Values):
        yield init
        return
    described: tuple[Field[Any], ...] = fields(init) if is_dataclass(init) else ()
    for field in described:
        content = getattr(init, field.name)
        for one in content if isinstance(content, tuple) else (content,):
            if isinstance(one, Initializer):
                yield from _within(one)


def _stored(folder: str | os.PathLike[str], file: object, tensor: object) -> npt.NDArray[Any]:
    if not isinstance(file, str):
        raise ValueError(f"file must be the path of a safetensors file with the values, got {shown(file)}")
    path = Path(folder) / file
    try:
        places = entries(path)
    except OSError as error:
        raise ValueError(
            f"file must be a safetensors file with the values, beside the plan, got {shown(str(path))}: "
            f"{error.strerror}; for one elsewhere, pass folder= to Plan.from_toml"
        ) from error
    if not isinstance(tensor, str) or tensor not in places:
        raise ValueError(f"tensor must be the name of one in {shown(file)}, got {shown(tensor)}")
    if places[tensor].dtype is None or places[tensor].dtype.kind != "f":  # type: ignore[union-attr]
        raise ValueError(f"tensor must be one of floats, got {shown(tensor)} of {places[tensor].dtype_name}")
    return stored_arrays({tensor: places[tensor]})[tensor].whole()
