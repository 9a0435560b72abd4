"""Memory for the tensors that a torch module has on meta, given to the same objects."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module, Parameter, RNNBase
from torch.utils import swap_tensors

from weightfill._arguments.messages import shown
from weightfill._run.allocation import LARGE, empty
from weightfill.torch._views import is_distributed


def fsdp_parts(module: Module, name: str) -> Iterator[Any]:
    """Yield the parts of a module that are of a class of torch.distributed.fsdp; without its import there are none."""
    kind = getattr(sys.modules.get("torch.distributed.fsdp"), name, None)
    if kind is not None:
        yield from (part for part in module.modules() if isinstance(part, kind))


def check_replaceable(tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError if a tensor on meta has what one on the CPU would lose: hooks, or a storage shared with another.

    Args:
        tensors: by name, each once.
    """
    names: dict[int, str] = {}
    for name, tensor in tensors.items():
        if getattr(tensor, "_backward_hooks", None) or getattr(tensor, "_post_accumulate_grad_hooks", None):
            raise ValueError(
                f"module must have no hooks on tensors on meta, got {shown(name)}; register them afterwards"
            )
        if not is_distributed(tensor):
            first = names.setdefault(id(tensor.untyped_storage()), name)
            if first != name:
                raise ValueError(
                    f"module must have tensors with memory of their own, got {shown(first)} and {shown(name)}, "
                    "which share some; to tie parameters, call the module's tie_weights(), or assign the same "
                    "torch.nn.Parameter to both"
                )


def on_cpu(tensor: Tensor) -> Tensor:
    """Return a tensor like one on meta, with its class and attributes, and memory on the CPU that nobody has touched.

    A large one is in huge pages where Linux has them.
    """
    with torch.no_grad():
        new = _with_memory(tensor)
        if is_distributed(tensor):
            local = new.to_local()
            if local.nbytes >= LARGE:
                new._local_tensor = _with_memory(local.to("meta"))
        if isinstance(tensor, Parameter):
            new = Parameter(new, requires_grad=tensor.requires_grad)
    new.__class__ = type(tensor)
    new.__dict__.update(tensor.__dict__)
    return new


def _with_memory(tensor: Tensor) -> Tensor:
    if is_distributed(tensor) or tensor.nbytes < LARGE:
        if not is_distributed(tensor) and tensor.is_contiguous():  # many times as fast as the other from meta
            return torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
        return torch.empty_like(tensor, device="cpu")
    memory = torch.from_numpy(empty((tensor.nbytes,), np.dtype(np.uint8)))
    return memory.view(tensor.dtype).as_strided(tensor.shape, torch.empty_like(tensor).stride())


@contextmanager
def swapped(module: Module, pairs: Mapping[str, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Give tensors of a module, by name, what others hold, for good unless the block fails.

    The objects stay, so that ties, optimizers and FSDP keep what they refer to.

    Raises:
        ValueError: something refers to a tensor in a way that a swap does not allow.
    """
    done: list[tuple[Tensor, Tensor]] = []
    changed = {id(tensor) for tensor, _ in pairs.values()}
    keepers = [
        part
        for part in (
            *(part for part in module.modules() if isinstance(part, RNNBase)),
            *fsdp_parts(module, "FSDPModule"),
        )
        if any(id(param) in changed for param in part.parameters())
    ]
    try:
        with _told(keepers):
            for name, pair in pairs.items():
                _swap(name, *pair)
                done.append(pair)
        yield
    except BaseException:
        with _told(keepers):
            for pair in reversed(done):
                swap_tensors(*pair)
        raise


def _swap(name: str, tensor: Tensor, other: Tensor) -> None:
    try:
        swap_tensors(tensor, other)
    except RuntimeError as error:
        raise ValueError(
            f"module must have tensors on meta that nothing is computed from yet and nothing refers to weakly, got "
            f"{shown(name)}; apply pruning, weight_norm and the like after materialize"
        ) from error


@contextmanager
def _told(keepers: Sequence[Any]) -> Iterator[None]:
    """Let modules that keep more of their parameters than the objects look at them again, as after `Module.to`.

    A recurrent network keeps weak references, which a swap does not allow; FSDP keeps the local memory, padded.
    """
    for part in keepers:
        if isinstance(part, RNNBase):
            part._flat_weight_refs = []
    try:
        yield
    finally:
        for part in keepers:
            attributes = [(param, dict(param.__dict__)) for param in part.parameters(recurse=False)]
            part._apply(lambda tensor: tensor, recurse=False)
            for param, values in attributes:  # which _apply drops
                param.__dict__.update(values)
