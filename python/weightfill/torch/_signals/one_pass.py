"""One forward pass in which layers are changed as they are reached, so that later ones see the change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Module
from torch.nn.utils.weight_norm import WeightNorm

from weightfill._arguments.messages import listed, shown
from weightfill._plan import Plan
from weightfill._run.progress import Progress
from weightfill._scaled_plan import Parts, variance_of
from weightfill.torch._assignment import check_arguments
from weightfill.torch._refusals import check_whole
from weightfill.torch._signals.undisturbed import given_to, tensors_in, undisturbed
from weightfill.torch._views import is_meta

_PIECE = 1 << 20  # elements that are summed at a time


class Reached(NamedTuple):
    """A layer that a forward pass has reached: what it was given and gave."""

    module: Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any

    def again(self) -> Any:
        """Return what the layer gives with the weights that it has now; hooks are not called."""
        for part in self.module.modules():
            for hook in part._forward_pre_hooks.values():
                if isinstance(hook, WeightNorm):  # torch's old one, which computes the weight
                    hook(part, self.args)
        torch.clear_autocast_cache()  # of the weights in a narrower dtype
        return self.module.forward(*self.args, **self.kwargs)


Visit = Callable[[Reached], Any]


def check_model(model: Module, plan: Plan, batch: Any, threads: int | None, progress: Progress) -> None:
    """Check that this process can pass a batch through a model.

    Raises:
        TypeError: `model` is not a module, or `plan` is not a Plan.
        ValueError: a parameter is on meta, on another device, or not held whole; the batch has NaN or infinity.
    """
    if not isinstance(model, Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    check_arguments(model, plan, threads, progress)
    params = dict(model.named_parameters())
    on_meta = [name for name, param in params.items() if is_meta(param)]
    if on_meta:
        raise ValueError(
            f"model must have its parameters in memory, got {listed(on_meta)} on meta; call "
            "weightfill.torch.materialize(model, plan) first"
        )
    check_whole(
        params, "scale a model that is not sharded, and initialize the sharded one by the plan that is returned"
    )
    away = [(name, param.device) for name, param in params.items() if not param.is_cpu]
    if away:
        raise ValueError(
            f"model must be on the CPU, got {away[0][0]!r} on {away[0][1]}; call it before model.to(device)"
        )
    for tensor in tensors_in(batch):
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(
                f"batch must be finite, got NaN or infinity in a tensor of shape {tuple(tensor.shape)}; leave out such "
                "samples"
            )


def one_pass(model: Module, batch: Any, visits: Mapping[Module, Visit]) -> None:
    """Pass a batch through a model, each layer's output replaced by what its visit returns (as it is, if None).

    The mode (train or eval), random generators and buffers of the model stay as they are, and hooks are removed. The
    fast paths of attention and torch.compile, which pass layers by, are off meanwhile.

    Args:
        model: with its parameters on the CPU.
        batch: its argument; a tuple or list of all, or a mapping with their names.
        visits: by layer; called every time that the layer is.
    """

    def hook(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        return visits[module](Reached(module, args, kwargs, output))

    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(undisturbed(model))
        for module in visits:  # before hooks of others, which may change the output
            stack.enter_context(module.register_forward_hook(hook, prepend=True, with_kwargs=True))
        given_to(model, batch)


@contextmanager
def restored_on_error(model: Module) -> Iterator[None]:
    """Give parameters and buffers the values that they had, if the block fails."""
    kept = [(tensor, tensor.detach().clone()) for tensor in (*model.parameters(), *model.buffers())]
    try:
        yield
    except BaseException:
        with torch.no_grad():
            for tensor, before in kept:
                if not torch.equal(tensor, before):  # some buffers cannot be written, as those that `expand` gave
                    tensor.copy_(before)
        raise


def output_of(name: str, value: Any) -> Tensor:
    """Return the tensor that a layer gives, the first of several.

    Raises:
        ValueError: there is none of floating point.
    """
    found = next((tensor for tensor in tensors_in(value) if tensor.is_floating_point()), None)
    if found is None:
        raise ValueError(f"model must have layers whose outputs are tensors, got {type(value).__name__} of {name!r}")
    return found


def variance(name: str, output: Any, group: Any) -> float:
    """Return the variance of all elements of what a layer gives, on all ranks if there are several.

    It is NaN where there are no elements.

    Raises:
        ValueError: one is NaN or infinite.
    """
    values = output_of(name, output)
    sums = sum((_sums(piece.double()) for piece in values.flatten().split(_PIECE)), torch.zeros(3, dtype=torch.float64))
    elements, total, squares = added_over_ranks(sums, group).tolist()
    if not math.isfinite(squares):
        raise ValueError(
            f"model must give finite numbers, got NaN or infinity from the layer of {shown(name)} in {values.dtype}; "
            "a smaller std, or float32, keeps them finite"
        )
    return variance_of(elements, total, squares)


def parts(name: str, output: Any, without: Any, group: Any) -> Parts | None:
    """Return what the variance of an output consists of.

    Args:
        name: of the layer.
        output: what it gives.
        without: what it gives without its weight.
        group: the ranks over which the sums go.

    Returns:
        The parts; None where the output without the weight is not finite, as that of a weight divided by its norm.
    """
    sums = torch.zeros(6, dtype=torch.float64)
    pieces = (output_of(name, value).flatten().split(_PIECE) for value in (output, without))
    for piece, rest in zip(*pieces, strict=True):
        fixed = rest.double()
        scaled = piece.double() - fixed
        sums += torch.cat([_sums(scaled), torch.stack([fixed.sum(), fixed.dot(fixed), scaled.dot(fixed)])])
    elements, total, squares, fixed_total, fixed_squares, product = added_over_ranks(sums, group).tolist()
    if not math.isfinite(squares + fixed_squares):
        return None
    covariance = product / elements - total * fixed_total / elements**2
    return Parts(
        variance_of(elements, total, squares), 2 * covariance, variance_of(elements, fixed_total, fixed_squares)
    )


def _sums(values: Tensor) -> Tensor:
    """Return how many there are, their sum, and that of their squares."""
    return torch.stack([values.new_tensor(len(values)), values.sum(), values.dot(values)])


def added_over_ranks(sums: Tensor, group: Any) -> Tensor:
    """Return sums over the ranks of a process group, where torch.distributed has been set up.

    Raises:
        ValueError: the group is for GPUs only.
    """
    if dist.is_available() and dist.is_initialized():
        if dist.get_backend(group) == "nccl":
            raise ValueError(
                "group must add tensors on the CPU, got one of nccl; pass group=torch.distributed.new_group(backend="
                "'gloo'), or set up torch.distributed with 'cpu:gloo,cuda:nccl'"
            )
        dist.all_reduce(sums, group=group)
    return sums
