"""The shapes and dtypes of a model's parameters: from a mapping, a JSON manifest or a checkpoint."""

from __future__ import annotations

import math
import os
from collections.abc import Container, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from weightfill._arguments.dtypes import CORE_DTYPES, NAMES, DTypeLike, as_dtype
from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import cut, shown
from weightfill._arguments.windows import MOST_DIMENSIONS
from weightfill._files.safetensors_file import check_name, entries, is_index, ties
from weightfill._models.buffers import held_by
from weightfill._models.manifest_json import Array, Entry, read_manifest, values_of
from weightfill._models.module_state import ModuleState, is_module, state_of
from weightfill._models.rules import INTEGERS, is_counter, statistics_among
from weightfill._models.ties import check_apart, ties_of
from weightfill._models.wrappers import streams_of

Shapes: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]

_EXTRA_STATE = "_extra_state"  # of torch modules: anything, under this name
_BYTES = 2**63  # a tensor has fewer
_DTYPE_FOR_ALL = "give a dtype for all parameters, or a mapping of shapes without this one"


class Spec(NamedTuple):
    """Shape and dtype of a parameter."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any] = np.dtype(np.float32)

    @property
    def is_counter(self) -> bool:
        """Whether it is one of integers, which are zeros at first."""
        return self.dtype.kind in INTEGERS


class Specs(dict[str, Spec]):
    """Shape and dtype of every tensor that a checkpoint of a model holds, by name.

    Attributes:
        ties: of every other name of a tensor, the one under which it is here.
        left: the names of what no rule can draw, tensors of integers such as position ids; they are not here.
        first_known: whether the names here are the first ones; a checkpoint may have any of the names of a tensor.
        state: of a torch module, what it says of its tensors.
        known: what buffers hold that no rule is for; a checkpoint has them as they are.
        integers: shape and dtype of those of `left` that are tensors of integers.
    """

    state: ModuleState | None = None

    def __init__(self, ties: Mapping[str, str], left: Iterable[str] = (), *, first_known: bool = True) -> None:
        super().__init__()
        self.ties = dict(ties)
        self.left = tuple(left)
        self.first_known = first_known
        self.known: dict[str, Array] = {}
        self.integers: dict[str, Spec] = {}

    def others(self, name: str) -> list[str]:
        """Return the other names of a tensor."""
        return self._others.get(name, [])

    @cached_property
    def _others(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, first in self.ties.items():
            found.setdefault(first, []).append(name)
        return found

    def without(self, names: Container[str]) -> Specs:
        """Return all but these, which are left out."""
        kept = Specs(self.ties, (*self.left, *(name for name in self if name in names)), first_known=self.first_known)
        kept.update({name: spec for name, spec in self.items() if name not in names})
        kept.ties = {name: first for name, first in self.ties.items() if first in kept}
        kept.known = {name: array for name, array in self.known.items() if name in kept}
        kept.integers = dict(self.integers)
        return kept


def specs(
    shapes: Shapes | None, dtype: DTypeLike | None = None, *, like: str | os.PathLike[str] | None = None
) -> Specs:
    """Return shape and dtype of every parameter, by name, in the order given.

    A tensor under several names, as of tied parameters in a `state_dict()`, is here under the first. Of tensors of
    integers only the batch counters of norms, `num_batches_tracked`, are here, which are zeros at first, and those
    whose values are known: from a manifest, or as buffers of a module that are in memory.

    Args:
        shapes: a mapping from names to shapes (integers, tuples or lists of them), Specs, or anything that has a
            `shape` and perhaps a `dtype`, such as arrays and torch's parameters, also on its meta device; or the path
            of a JSON manifest `{"name": [2, 3], "other": {"shape": [2, 3], "dtype": "bfloat16"}}`; or that of a
            checkpoint, as `like`; or a torch module, whose `state_dict()` is taken.
        dtype: of all parameters; if left out the entry's own, float32 where that says nothing. Integers stay integers.
        like: instead of `shapes`, the path of a .safetensors file or of the .index.json of a sharded checkpoint; only
            headers are read.

    >>> specs({"fc.weight": (2, 3), "fc.bias": 2}, "bfloat16")["fc.bias"]
    Spec(shape=(2,), dtype=dtype(bfloat16))

    Raises:
        TypeError: neither or both of `shapes` and `like` are passed, or an argument has a wrong type.
        ValueError: a shape is negative or fractional, a tensor would have 2^63 bytes or more, a dtype cannot be filled,
            a name stands twice or cannot stand in a safetensors file, or a file is damaged. The message names the
            parameter.
        OSError: a file cannot be read.
    """
    if (shapes is None) == (like is None):
        raise TypeError(f"shapes must be given, or like instead, got shapes={shown(shapes)}, like={shown(like)}")
    wanted = None if dtype is None else as_dtype(dtype)
    if like is not None:
        if not isinstance(like, str | os.PathLike):
            raise TypeError(f"like must be the path of a checkpoint, got {shown(like)}")
        return _of_checkpoint(like, wanted)
    if isinstance(shapes, str | os.PathLike):
        if is_index(shapes) or os.fspath(shapes).endswith(".safetensors"):
            return _of_checkpoint(shapes, wanted)
        return _of_manifest(os.fspath(shapes), wanted)
    if is_module(shapes):
        state = state_of(shapes)
        computed = state.buffers - statistics_among(list(state.tensors)).keys()
        result = _of_mapping(state.tensors, wanted, "shapes", computed)
        result.state = state
        return result
    if not isinstance(shapes, Mapping):
        raise TypeError(
            f"shapes must be a mapping from names to shapes, or a path, got {shown(shapes)}; of pairs make a dict"
        )
    return _of_mapping(shapes, wanted, "shapes")


def _of_checkpoint(path: str | os.PathLike[str], wanted: np.dtype[Any] | None) -> Specs:
    found = entries(path)
    left = [name for name, entry in found.items() if _is_integer(entry.dtype) and not is_counter(name, entry.dtype)]
    result = Specs({name: kept for name, kept in ties(path).items() if kept not in left}, left, first_known=False)
    for name, entry in found.items():
        if name in left:
            continue
        own = entry.dtype
        dtype = own if _is_integer(own) or wanted is None else wanted
        if dtype is None or (dtype not in CORE_DTYPES and not _is_integer(dtype)) or (own and own.kind == "c"):
            raise ValueError(
                f"{cut(os.fspath(path))}[{shown(name)}] must be of one of {NAMES}, got {entry.dtype_name}; "
                + ("give a mapping of shapes without this one" if own and own.kind == "c" else _DTYPE_FOR_ALL)
            )
        result[name] = Spec(entry.shape, dtype)
    return result


def _of_manifest(path: str, wanted: np.dtype[Any] | None) -> Specs:
    entries, ties = read_manifest(path)
    result = _of_mapping(entries, wanted, path)
    result.ties = {name: first for name, first in ties.items() if first in result}
    own = {name: entry for name, entry in entries.items() if isinstance(entry, Entry) and name in result}
    buffers = frozenset(name for name, entry in own.items() if entry.buffer)
    zero_rows = {name: entry.zero_rows for name, entry in own.items() if entry.zero_rows}
    streams = {name: entry.stream for name, entry in own.items() if entry.stream is not None}
    if buffers or zero_rows or streams:  # as of a module
        streams = dict(zip(result, streams_of(result), strict=True)) | streams
        result.state = ModuleState(result, streams, buffers, zero_rows)
    return result


def _of_mapping(
    shapes: Mapping[str, Any], wanted: np.dtype[Any] | None, argument: str, computed: Container[str] = ()
) -> Specs:
    """Return what a mapping says; `computed` are the names of tensors whose values count where they are in memory."""
    tied = ties_of(shapes.items())
    left = []
    result = Specs(tied)
    if isinstance(shapes, Specs):
        left, result.ties, result.first_known = list(shapes.left), dict(shapes.ties), shapes.first_known
        result.state, result.known = shapes.state, dict(shapes.known)
    for name, entry in shapes.items():
        check_name(name, argument)
        if name in tied:
            continue
        if name.endswith(_EXTRA_STATE) and not hasattr(entry, "shape"):
            left.append(name)
            continue
        where = f"{argument}[{shown(name)}]"
        shape = _checked(_shape_of(entry, where), where)
        own = _known_dtype(getattr(entry, "dtype", np.float32))
        values = entry.values if isinstance(entry, Entry) else result.known.get(name)
        if name in computed and not is_counter(name, own):
            values = held_by(entry, own)
        given = values is not None and (own is None or own.kind in INTEGERS)
        if _is_integer(own) and not is_counter(name, own) and not given:
            if isinstance(entry, Spec | Entry):
                raise ValueError(f"{where}: dtype must be one of {NAMES}, got {shown(entry.dtype)}; leave this one out")
            left.append(name)
            if own is not None and own.kind in INTEGERS:
                result.integers[name] = Spec(shape, own)
            continue
        dtype = own if own is not None and _is_integer(own) else wanted
        if dtype is None or (own is not None and own.kind == "c"):
            dtype = _dtype_of(entry, where)
        if math.prod(max(count, 1) for count in shape) * dtype.itemsize >= _BYTES:
            raise ValueError(f"{where} must need less than 2^63 bytes, got {shown(shape)} of {dtype}")
        result[name] = Spec(shape, dtype)
        if values is not None:
            result.known[name] = values_of(values, shape, dtype if own is None else own, dtype, where)
    check_apart((name, shapes[name]) for name in result if name not in result.known)
    result.left = tuple(left)
    result.ties = {name: first for name, first in result.ties.items() if first not in left}
    return result


def _shape_of(entry: Any, where: str) -> Any:
    try:
        shape = getattr(entry, "shape", entry)
        return tuple(map(int, shape)) if type(entry).__module__.partition(".")[0] == "torch" else shape
    except Exception as error:  # torch's of tensors without one
        raise ValueError(
            f"{where} must have a known shape, got {type(entry).__name__}; run a forward pass before, or leave it out"
        ) from error


def _known_dtype(given: Any) -> np.dtype[Any] | None:
    """Return the NumPy dtype of this name or kind, None if there is none."""
    try:
        name = str(given) if not isinstance(given, str | type | np.dtype) else given
        return np.dtype(name.removeprefix("torch.") if isinstance(name, str) else name)
    except Exception:  # NumPy has errors of several kinds, such as SyntaxError of "(,)f4"
        return None


@lru_cache(maxsize=256)  # the name of a dtype takes NumPy long
def _is_integer(dtype: np.dtype[Any] | None) -> bool:
    return dtype is not None and (dtype.kind in INTEGERS or dtype.name.startswith(("int", "uint")))


def _checked(shape: Any, where: str) -> tuple[int, ...]:
    dimensions = shape if isinstance(shape, tuple | list) else (shape,)
    result = tuple(as_integer(count, where, "a shape such as (1024, 128)", within=shape) for count in dimensions)
    if any(count < 0 for count in result):
        raise ValueError(f"{where} must have no negative dimension, got {shown(result)}")
    if len(result) > MOST_DIMENSIONS:
        raise ValueError(f"{where} must have at most {MOST_DIMENSIONS} dimensions, got {len(result)}")
    return result


def _dtype_of(entry: Any, where: str) -> np.dtype[Any]:
    given = getattr(entry, "dtype", np.float32)
    try:
        return as_dtype(name.removeprefix("torch.") if (name := str(given)).startswith("torch.") else given)
    except Exception as error:  # NumPy has errors of several kinds
        problem = error if isinstance(error, TypeError) else f"dtype must be one of {NAMES}, got {shown(given)}"
        complex_or_none = (known := _known_dtype(given)) is not None and known.kind not in "fV"
        way_out = "leave this one out" if complex_or_none else "give a dtype for all parameters, or leave this one out"
        raise ValueError(f"{where}: {problem}; {way_out}") from None
