"""Why a tensor cannot be filled: its values are elsewhere, or it has no memory on the CPU that could hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from weightfill._arguments.dtypes import NAMES
from weightfill._arguments.messages import listed
from weightfill.torch._views import (
    is_dtensor,
    is_in_parts,
    is_plain,
    is_sharded_tensor,
    numpy_dtype,
    reaches_beyond_storage,
    shards_of,
)


class Refusal(NamedTuple):
    """What a tensor must do or be, what it is, and the way out."""

    rule: str
    got: str
    way_out: str

    def text(self, argument: str) -> str:
        """Return the message for an argument of this name."""
        return f"{argument} must {self.rule}, got {self.got}; {self.way_out}"


def is_table_part(tensor: Tensor) -> bool:
    """Whether it is what TorchRec calls a slice: all of a table or a part of it, whose place it does not say."""
    return type(tensor).__name__ == "TableBatchedEmbeddingSlice"


def check_whole(params: Mapping[str, Tensor], way_out: str) -> None:
    """Raise ValueError if this process holds only a part of a model's parameter."""
    parts = [name for name, param in params.items() if is_in_parts(param)]
    if parts:
        raise ValueError(
            f"model must have its parameters whole, got {listed(parts)}, of which this process holds a part; {way_out}"
        )


def stand_in(tensor: Tensor, *, reading: bool = False) -> Refusal | None:
    """Return why a tensor is not the one to fill, or to read, though it may have memory: its values are elsewhere."""
    if is_sharded_tensor(tensor):
        return None
    if is_table_part(tensor):
        return Refusal(
            "be of a known place",
            f"a part of shape {tuple(tensor.shape)} of one of TorchRec's tables",
            "fill the table of this name in state_dict(), or initialize the module, which does that",
        )
    if is_lazy(tensor):
        return Refusal("have a known shape", f"an {type(tensor).__name__}", "run a forward pass first")
    if tensor.is_nested:
        return Refusal("be one tensor", "a nested one", "fill those that its unbind() gives")
    whole = getattr(tensor, "ds_shape", None)
    if whole is not None and tuple(tensor.shape) != tuple(whole):
        return Refusal(
            "hold its values",
            f"the placeholder of one of shape {tuple(whole)} that DeepSpeed ZeRO-3 has dealt out",
            "fill it within deepspeed.zero.GatheredParameters(parameters, modifier_rank=0)",
        )
    if hasattr(tensor, "_fsdp_flattened"):
        return Refusal(
            "not be flattened by FullyShardedDataParallel",
            f"a tensor of shape {tuple(tensor.shape)} in its memory",
            "fill it before it is wrapped, or its .data within summon_full_params, or use fully_shard",
        )
    source = tensor._base if tensor._is_view() else tensor
    if source is not None and source.grad_fn is not None and not reading:
        return Refusal(
            "hold values of its own",
            f"what {source.grad_fn.name()} computed",
            "fill what it is computed from; to a parametrized weight, assign "
            f"weightfill.torch.fill(torch.empty{tuple(tensor.shape)}, ...)",
        )
    return None


def unfillable(tensor: Tensor) -> Refusal:
    """Return why a tensor that has no views cannot be filled."""
    if is_dtensor(tensor):
        with torch.no_grad():
            tensor = tensor.to_local()
    if is_sharded_tensor(tensor):
        tensor = shards_of(tensor)[0].tensor
    if tensor.is_meta:
        return Refusal("have memory", "one on meta", "weightfill.torch.materialize(module, plan) allocates a module's")
    if tensor.layout is not torch.strided:
        return Refusal("be strided", f"one of layout {tensor.layout}", "fill a strided one and convert it")
    if numpy_dtype(tensor.dtype) is None:
        return Refusal(f"be of {NAMES}", f"one of {tensor.dtype}", _way_out_of(tensor))
    if not tensor.is_cpu:
        return Refusal("be on the CPU", f"one on {tensor.device}", "fill one there and copy it")
    if tensor.is_neg():
        return Refusal("hold its own values", "one that is lazily negated", "call resolve_neg() first")
    if not is_plain(tensor):
        kind = type(tensor).__name__
        return Refusal("be nothing but memory", f"a {kind}, whose functions are its own", "fill what it is made from")
    if tensor.is_inference() and not torch.is_inference_mode_enabled():
        return Refusal("be filled where it was made", "one of torch.inference_mode()", "fill it within that mode")
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return Refusal("have memory of its own", "one that torch.func transforms", "call fill outside of that")
    if reaches_beyond_storage(tensor):
        return Refusal(
            "lie within its storage",
            f"one of {tensor.nbytes} bytes in a storage of {tensor.untyped_storage().nbytes()}, freed since",
            "resize the storage, or gather what a framework such as FSDP has dealt out",
        )
    return Refusal("have memory", "one without", "call fill outside of modes that only record")


def _way_out_of(tensor: Tensor) -> str:
    """Return what to do about a dtype that is not drawn."""
    if tensor.is_quantized:
        return "fill one of these dtypes and quantize it"
    if tensor.dtype.is_complex:
        return "complex numbers are not drawn: fill torch.view_as_real(tensor), their real and imaginary parts"
    if not tensor.dtype.is_floating_point:
        return "integers are not drawn: assign their values"
    return "fill one of these dtypes and convert it"
