"""Memory for the tensors that a torch module has on meta, given to the same objects."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter, RNNBase
from torch.utils import swap_tensors

from weightfill._arguments.messages import shown
from weightfill._run.allocation import empty_beside_others
from weightfill.torch._views import is_dtensor

LARGE = 1 << 20  # bytes from which a tensor has a mapping of its own


def fsdp_submodules(module: Module, name: str) -> Iterator[Any]:
    """Yield the submodules of a class of torch.distributed.fsdp; where nobody has imported it there are none."""
    kind = getattr(sys.modules.get("torch.distributed.fsdp"), name, None)
    if kind is not None:
        yield from (submodule for submodule in module.modules() if isinstance(submodule, kind))


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
        if not is_dtensor(tensor):
            first = names.setdefault(id(tensor.untyped_storage()), name)
            if first != name:
                raise ValueError(
                    f"module must have tensors with memory of their own, got {shown(first)} and {shown(name)}, "
                    "which share some; to tie parameters, call the module's tie_weights(), or assign the same "
                    "torch.nn.Parameter to both"
                )


@torch.no_grad()
def all_on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors like those on meta, by name, each as `_on_cpu` makes it."""
    return {name: _on_cpu(tensor) for name, tensor in tensors.items()}


def _on_cpu(tensor: Tensor) -> Tensor:
    """Return a tensor like one on meta, with its class and attributes, and memory on the CPU that nobody has touched.

    One of a megabyte or more is in huge pages where Linux has them.
    """
    new = _with_memory(tensor)
    if is_dtensor(tensor):
        local = new.to_local()
        if local.nbytes >= LARGE:
            new._local_tensor = _with_memory(local.to("meta"))
    if isinstance(tensor, Parameter):
        new = Parameter(new, requires_grad=tensor.requires_grad)
    new.__class__ = type(tensor)
    new.__dict__.update(tensor.__dict__)
    return new


def _with_memory(tensor: Tensor) -> Tensor:
    if is_dtensor(tensor):
        return torch.empty_like(tensor, device="cpu")
    if tensor.nbytes < LARGE:
        if tensor.is_contiguous():  # many times as fast as empty_like, which is slow from meta
            return torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
        return torch.empty_like(tensor, device="cpu")
    memory = torch.from_numpy(empty_beside_others(tensor.nbytes)).view(tensor.dtype)
    stride = tensor.stride() if tensor.is_contiguous() else torch.empty_like(tensor).stride()
    return memory.as_strided(tensor.shape, stride)


@contextmanager
def swapped(module: Module, pairs: Mapping[str, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Give tensors of a module, by name, what others hold, for good unless the block fails.

    The objects stay, so that ties, optimizers and FSDP keep what they refer to.

    Raises:
        ValueError: something refers to a tensor in a way that a swap does not allow.
    """
    done: list[tuple[Tensor, Tensor]] = []
    changed = {id(tensor) for tensor, _ in pairs.values()}
    recurrent = [submodule for submodule in module.modules() if isinstance(submodule, RNNBase)]
    referring = [
        submodule
        for submodule in (*recurrent, *fsdp_submodules(module, "FSDPModule"))
        if any(id(param) in changed for param in submodule.parameters())
    ]
    try:
        with _refreshed(referring):
            for name, pair in pairs.items():
                _swap(name, *pair)
                done.append(pair)
        yield
    except BaseException:
        with _refreshed(referring):
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
def _refreshed(referring: Sequence[Any]) -> Iterator[None]:
    """Let modules that refer to the contents of their parameters take new references after the block, as `Module.to`.

    A recurrent network keeps weak references, which do not allow a swap; FSDP keeps the local memory, padded.
    """
    for submodule in referring:
        if isinstance(submodule, RNNBase):
            submodule._flat_weight_refs = []
    try:
        yield
    finally:
        for submodule in referring:
            attributes = [(param, dict(param.__dict__)) for param in submodule.parameters(recurse=False)]
            submodule._apply(lambda tensor: tensor, recurse=False)
            for param, values in attributes:  # _apply has dropped them
                param.__dict__.update(values)
