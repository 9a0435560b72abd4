"""A pass through a model that leaves the model as it was: its buffers, random generators and mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of what a model is given or gives: of tuples, lists, mappings and dataclasses within."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from tensors_in(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from tensors_in(inner)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from tensors_in(getattr(value, field.name))


def given_to(model: Module, batch: Any) -> Any:
    """Return what a model makes of a batch: its argument, a tuple or list of all, or a mapping with their names."""
    if isinstance(batch, Mapping):
        return model(**batch)
    return model(*batch) if isinstance(batch, tuple | list) else model(batch)


@contextmanager
def undisturbed(model: Module) -> Iterator[None]:
    """Keep the buffers of a model and torch's random generators, and let every layer be called.

    The fast paths of attention and torch.compile, which pass layers by, are off meanwhile.
    """
    devices = {tensor.device.index for tensor in (*model.parameters(), *model.buffers()) if tensor.is_cuda}
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=sorted(devices)))
        stack.enter_context(_eager(model))
        stack.enter_context(_kept_buffers(model))
        yield


@contextmanager
def _eager(model: Module) -> Iterator[None]:
    """Let every layer be called: no fused attention, no compiled graph."""
    fast = torch.backends.mha.get_fastpath_enabled()
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with _uncompiled(model) if stance is None else stance("force_eager"):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def _uncompiled(model: Module) -> Iterator[None]:
    """Let the parts of a model run that torch.compile was given, not what it made of them."""
    kept = [(part.__dict__, dict(part.__dict__)) for part in model.modules()]
    try:
        for attributes, _ in kept:
            attributes.pop("_compiled_call_impl", None)  # of module.compile()
            original = attributes["_modules"].get("_orig_mod")
            if original is not None:
                attributes["forward"] = original
        yield
    finally:
        for attributes, before in kept:
            attributes.update({name: before[name] for name in ("_compiled_call_impl", "forward") if name in before})


@contextmanager
def _kept_buffers(model: Module) -> Iterator[None]:
    """Give a model the buffers, and these the values, that it had before."""
    kept = [
        (part, name, buffer, buffer.clone())
        for part in model.modules()
        for name, buffer in part._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for part, name, buffer, before in kept:
                part._buffers[name] = buffer
                if not torch.equal(buffer, before):  # versions do not tell: norms change theirs without one
                    buffer.copy_(before)
