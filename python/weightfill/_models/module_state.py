"""What a torch module knows of its state_dict and the state_dict does not say; read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weightfill._models.wrappers import place

_WITH_PADDING = {"Embedding", "EmbeddingBag"}


class ModuleState(NamedTuple):
    """The tensors of a module's state_dict, and what each is; all by the names in the state_dict.

    Attributes:
        tensors: parameters and persistent buffers.
        streams: the names without those of wrappers.
        buffers: which are no parameters.
        zero_rows: the padding row of embeddings.
        passing: streams of buffers that are not persistent, which are not in the state_dict.
    """

    tensors: Mapping[str, Any]
    streams: Mapping[str, str]
    buffers: frozenset[str]
    zero_rows: Mapping[str, tuple[int, ...]]
    passing: tuple[str, ...] = ()


def is_module(value: object) -> bool:
    """Whether it is a torch module."""
    return hasattr(value, "_modules") and callable(getattr(value, "state_dict", None))


def state_of(module: Any) -> ModuleState:
    """Return what a module's state_dict holds; entries that are no tensors are left out."""
    tensors = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith("_extra_state")}
    streams, buffers, zero_rows = {}, [], {}
    for name in tensors:
        streams[name], owner = place(module, name)
        last = name.rpartition(".")[2]
        if last in owner._buffers:
            buffers.append(name)
        row = getattr(owner, "padding_idx", None)
        if row is not None and last == "weight" and any(kind.__name__ in _WITH_PADDING for kind in type(owner).__mro__):
            zero_rows[name] = (row,)
    passing = tuple(place(module, name)[0] for name, _ in module.named_buffers() if name not in tensors)
    return ModuleState(tensors, streams, frozenset(buffers), zero_rows, passing)
