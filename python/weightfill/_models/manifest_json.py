"""Manifests as JSON documents: the tensors of a model, and what a plan does not say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._files.json_documents import document_in

Array = npt.NDArray[Any]

_MOST_BYTES = 1 << 30
_MOST_VALUES = 1 << 20  # of a buffer, which a manifest may have
_KEYS = ("shape", "dtype", "buffer", "values", "zero_rows", "stream")
_TIED = "tied_to"


class Entry(NamedTuple):
    """A tensor as its manifest has it; shape and dtype are not checked yet.

    Attributes:
        buffer: whether it is no parameter, and drawn only by a rule that no parameter has.
        values: what a buffer holds that is not drawn, in JSON; None where a plan says it.
        zero_rows: the padding rows of an embedding.
        stream: None if that is its name without the prefixes of wrappers.
    """

    shape: Any
    dtype: Any = "float32"
    buffer: bool = False
    values: Any = None
    zero_rows: tuple[int, ...] = ()
    stream: str | None = None


_NOTHING_SAID = Entry(None, None)


class Manifest(NamedTuple):
    """What a manifest says: an Entry or a bare shape by name, and for every other name of a tensor the first."""

    entries: dict[str, Any]
    ties: dict[str, str]


def read_manifest(path: str) -> Manifest:
    """Return what the manifest in a file says.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no manifest. The message names the file, and the entry.
    """
    document = document_in(path, "shapes", "a manifest in JSON", _MOST_BYTES)
    if not isinstance(document, dict):
        raise ValueError(f"shapes must be a JSON object, name -> shape, got {path} with a {type(document).__name__}")
    if isinstance(kind := document.get("model_type"), str):
        raise ValueError(
            f"shapes must be a manifest in JSON, got {path}, the config of a model of type {shown(kind)}; "
            "weightfill record --config writes the manifest of this model"
        )
    entries, ties = {}, {}
    for name, entry in document.items():
        where = f"{path}[{shown(name)}]"
        if isinstance(entry, dict) and _TIED in entry:
            ties[name] = _first(entry, where)
        else:
            entries[name] = _entry(entry, where) if isinstance(entry, dict) else entry
    for name, first in ties.items():
        if first not in entries:
            way_out = ", which is tied itself" if first in ties else ", which is not there"
            raise ValueError(f"{path}[{shown(name)}] must be tied to another tensor, got {shown(first)}{way_out}")
    return Manifest(entries, ties)


def _first(entry: Mapping[str, Any], where: str) -> str:
    first = entry[_TIED]
    if not isinstance(first, str):
        raise ValueError(f"{where}: tied_to must be the name of another tensor, got {shown(first)}")
    if other := sorted(entry.keys() - {_TIED}):
        raise ValueError(f"{where} must have no other key beside 'tied_to', got {shown(other[0])}")
    return first


def _entry(entry: Mapping[str, Any], where: str) -> Entry:
    if "shape" not in entry:
        raise ValueError(f"{where} must have a 'shape', got {shown(entry)}")
    if unknown := sorted(entry.keys() - set(_KEYS)):
        names = f"{', '.join(map(repr, _KEYS[:-1]))} and {_KEYS[-1]!r}"
        raise ValueError(f"{where} must have no keys but {names}, or 'tied_to' alone, got {shown(unknown[0])}")
    buffer, stream, rows = entry.get("buffer", "values" in entry), entry.get("stream"), entry.get("zero_rows", [])
    if not isinstance(buffer, bool):
        raise ValueError(f"{where}: buffer must be true or false, got {shown(buffer)}")
    if "values" in entry and not buffer:
        raise ValueError(f"{where}: values must be those of a buffer, got a parameter; a plan says what it holds")
    if "stream" in entry and not isinstance(stream, str):
        raise ValueError(f"{where}: stream must be a string, got {shown(stream)}")
    if not isinstance(rows, list) or not all(type(row) is int and row >= 0 for row in rows):
        raise ValueError(f"{where}: zero_rows must be a list of rows, got {shown(rows)}")
    return Entry(entry["shape"], entry.get("dtype", "float32"), buffer, entry.get("values"), tuple(rows), stream)


def values_of(given: Any, shape: tuple[int, ...], own: np.dtype[Any], dtype: np.dtype[Any], where: str) -> Array:
    """Return what a buffer holds, as an array that is not written to.

    Args:
        given: a list, nested as the shape has it, a number that all elements are, or an array of this shape and dtype.
        shape: of the buffer.
        own: its dtype, in which every number of a list must be one.
        dtype: that of the result, to which values are rounded once.
        where: what messages name.

    Raises:
        ValueError: the numbers do not have this shape, or are none of this dtype.
    """
    if isinstance(given, np.ndarray):
        return given.astype(dtype, copy=False)
    integers = own.kind in "iub"
    try:
        numbers = np.array(given, object if integers else None)
    except ValueError:  # lists of several lengths
        numbers = np.array("")
    wrong = numbers.dtype.kind not in "iufbO" or (numbers.ndim and numbers.shape != shape)
    if wrong or (integers and not all(isinstance(number, int | float) for number in numbers.flat)):
        size = " x ".join(map(str, shape)) or "a scalar"
        raise ValueError(f"{where}: values must be numbers of shape {size}, or one for all, got {shown(given)}")
    if integers:
        low, high = (0, 1) if own.kind == "b" else (int(np.iinfo(own).min), int(np.iinfo(own).max))
        if not all(isinstance(number, int) and low <= number <= high for number in numbers.flat):
            raise ValueError(f"{where}: values must be those of {own}, got {shown(given)}")
    return np.broadcast_to(numbers.astype(dtype), shape)


def json_of(values: Array, where: str) -> Any:
    """Return the values of a buffer for a manifest: a number, if they are all equal, or a nested list.

    Raises:
        ValueError: there are too many.
    """
    bits = np.ascontiguousarray(values).reshape(-1).view(f"u{values.dtype.itemsize}")
    if bits.size and (bits == bits[0]).all():
        return values.reshape(-1)[:1].tolist()[0]
    if values.size > _MOST_VALUES:
        raise ValueError(
            f"{where} must have at most {_MOST_VALUES:,} values to stand in a manifest, got {values.size:,}; "
            "give it a rule of its own, such as Rotary or Sinusoid"
        )
    return values.tolist()


def manifest_text(entries: Mapping[str, Entry], ties: Mapping[str, str]) -> str:
    """Return a manifest as JSON, a line for each tensor, tied names behind their first.

    >>> print(manifest_text({"table": Entry([4, 2], zero_rows=(0,)), "n": Entry([2], "int64", True, [3, 4])}, {}))
    {
    "table": {"shape": [4, 2], "dtype": "float32", "zero_rows": [0]},
    "n": {"shape": [2], "dtype": "int64", "buffer": true, "values": [3, 4]}
    }
    <BLANKLINE>
    """
    others: dict[str, list[str]] = {}
    for name, first in ties.items():
        others.setdefault(first, []).append(name)
    lines: list[tuple[str, dict[str, Any]]] = []
    for name, entry in entries.items():
        described = {key: value for key, value in entry._asdict().items() if value != getattr(_NOTHING_SAID, key)}
        lines.append((name, described))
        lines.extend((other, {_TIED: name}) for other in others.get(name, ()))
    text = ",\n".join(f"{_json(name)}: {_json(described)}" for name, described in lines)
    return f"{{\n{text}\n}}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
