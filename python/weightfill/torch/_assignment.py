"""What of a torch module a plan fills: tensors by the names of their streams, their rules, their rows of zeros."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import Embedding, EmbeddingBag, Module
from torch.nn.parameter import is_lazy

from weightfill._arguments.messages import listed, shown
from weightfill._initializers.keep_values import KeepValues
from weightfill._initializers.padded import says_padding
from weightfill._models.integers import integers_of
from weightfill._models.rules import COUNTER, STATISTICS, Rule
from weightfill._models.wrappers import place
from weightfill._plan import Plan
from weightfill._run.progress import Progress, check_progress
from weightfill._run.threads import threads_for
from weightfill.torch._allocation import fsdp_submodules
from weightfill.torch._parametrized import check_originals
from weightfill.torch._refusals import stand_in
from weightfill.torch._views import is_dtensor

_VALUES = {**STATISTICS, COUNTER: 0}

Array: TypeAlias = npt.NDArray[Any]


class Assignment(NamedTuple):
    """What a plan does with the tensors of a module; all by stream."""

    tensors: dict[str, Tensor]  # that are filled
    rules: dict[str, Rule]  # by which they are
    rest: dict[str, Tensor]  # buffers that are left alone
    zero_rows: dict[str, tuple[int, ...]]  # padding rows of embeddings
    kept: dict[str, Tensor]  # whose rule is KeepValues
    integers: dict[str, tuple[Tensor, Array]]  # buffers of integers, and what they are to hold


def check_arguments(module: Module, plan: Plan, threads: int | None, progress: Progress) -> None:
    """Raise TypeError or ValueError unless these are arguments as `initialize` takes them."""
    if not isinstance(module, Module):
        raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    if not isinstance(plan, Plan):
        raise TypeError(f"plan must be a weightfill.Plan, got {type(plan).__name__}")
    threads_for(0, threads)
    check_progress(progress)


def reshard(module: Module) -> None:
    """Free the gathered copies that a forward pass of `fully_shard` may leave in the place of the parameters."""
    for submodule in fsdp_submodules(module, "FSDPModule"):
        submodule.reshard()


def assigned(module: Module, plan: Plan) -> Assignment:
    """Return what a plan fills of a module.

    A buffer is filled only by a rule that no parameter has: a rule such as "*" was not written for it. The padding rows
    of embeddings are zeros unless the rule's initializer is Padded.

    Raises:
        ValueError: a parameter has no rule, a rule has no parameter, or a parameter stands in for another tensor.
    """
    params = _parameters(module)
    buffers = {place(module, name)[0]: buffer for name, buffer in module.named_buffers()}
    ruled = _with_rules_of_their_own(buffers, plan, params) if buffers else {}
    rest = {name: buffer for name, buffer in buffers.items() if name not in ruled}
    rules = plan._rules_of([*params, *ruled])
    kept = {name: tensor for name, tensor in (params | ruled).items() if isinstance(rules[name].init, KeepValues)}
    check_originals(module, params, rules)
    rows = padding_rows(module)
    zero_rows = {
        name: tuple(sorted(rows[id(param)]))
        for name, param in params.items()
        if id(param) in rows and not says_padding(rules[name].init)
    }
    integers = {name: buffer for name, buffer in ruled.items() if _is_integer(buffer) and name not in kept}
    values = {name: (buffer, _integers(name, buffer, rules[name])) for name, buffer in integers.items()}
    filled = {name: tensor for name, tensor in (params | ruled).items() if name not in kept and name not in integers}
    return Assignment(filled, rules, rest, zero_rows, kept, values)


def set_integers(integers: Mapping[str, tuple[Tensor, Array]]) -> None:
    """Give buffers of integers their values."""
    with torch.no_grad():
        for buffer, values in integers.values():
            whole = torch.from_numpy(values)
            if is_dtensor(buffer):
                from weightfill.torch._placements import parts  # needs torch.distributed, whose import takes long

                for part in parts(buffer):
                    part.tensor.copy_(whole[part.window])
            else:
                buffer.copy_(whole)


def ties(module: Module) -> dict[str, str]:
    """Return the first name of every tied parameter, by which a plan knows it, for each of its other names."""
    first: dict[int, str] = {}
    found = {}
    for name, param in module.named_parameters(remove_duplicate=False):
        stream, _ = place(module, name)
        if first.setdefault(id(param), stream) != stream:
            found[stream] = first[id(param)]
    return found


def _parameters(module: Module) -> dict[str, Tensor]:
    """Return the parameters by stream, tied ones once."""
    for _ in fsdp_submodules(module, "FullyShardedDataParallel"):
        raise ValueError(
            "module must not have its parameters flattened by FullyShardedDataParallel; initialize it before it is "
            "wrapped, or use fully_shard"
        )
    offloaded = [name for name, submodule in module.named_modules() if _is_offloaded(submodule)]
    if offloaded:
        raise ValueError(
            f"module must have its weights itself, got {listed(offloaded)}, whose weights accelerate keeps elsewhere "
            "and brings back for every forward pass; initialize it before cpu_offload, disk_offload or "
            "dispatch_model, or after remove_hook_from_submodules(module)"
        )
    params: dict[str, Tensor] = {}
    tables = _tables(module)
    for name, param in module.named_parameters():
        stream, _ = place(module, name)
        if stream in params:
            raise ValueError(
                f"module must have distinct names of parameters but for wrappers, got {shown(stream)} twice"
            )
        params[stream] = tables.get(name, param)
    lazy = [name for name, param in params.items() if is_lazy(param)]
    if lazy:
        raise ValueError(
            f"module must have parameters of known shapes, got uninitialized {listed(lazy)}; run a forward pass first"
        )
    _check_no_stand_ins(params)
    return params


def _is_offloaded(submodule: Module) -> bool:
    """Whether accelerate keeps the weights of a submodule elsewhere and loads them for every forward pass."""
    hook = getattr(submodule, "_hf_hook", None)
    return any(getattr(one, "offload", False) for one in getattr(hook, "hooks", (hook,)))


def _tables(module: Module) -> dict[str, Tensor]:
    """Return TorchRec's tables by the names of parameters, which are only this process's shards and have no place."""
    if not any(base.__name__ == "ShardedModule" for submodule in module.modules() for base in type(submodule).__mro__):
        return {}
    state, params = module.state_dict(), dict(module.named_parameters())
    return {name: state[name] for name, param in params.items() if name in state and not is_dtensor(param)}


def padding_rows(module: Module) -> dict[int, set[int]]:
    """Return the rows that embeddings keep at zero, by the id of the parameter."""
    rows: dict[int, set[int]] = {}
    for submodule in module.modules():
        if isinstance(submodule, Embedding | EmbeddingBag) and submodule.padding_idx is not None:
            rows.setdefault(id(submodule._parameters.get("weight")), set()).add(submodule.padding_idx)
    return rows


def _check_no_stand_ins(tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError if a tensor stands in for one whose values are elsewhere."""
    for name, tensor in tensors.items():
        refusal = stand_in(tensor)
        if refusal:
            raise ValueError(refusal.text(f"params[{shown(name)}]"))


def _with_rules_of_their_own(buffers: Mapping[str, Tensor], plan: Plan, params: Iterable[str]) -> dict[str, Tensor]:
    patterns = {plan.rule(name).pattern for name in params}
    found = {}
    for name, buffer in buffers.items():
        try:
            rule = plan.rule(name)
        except ValueError:
            continue
        if rule.pattern not in patterns:
            found[name] = buffer
    return found


def statistics(module: Module) -> dict[str, int]:
    """Return the values that buffers, running statistics of norms, have before the first batch."""
    found = {}
    for name, _ in module.named_buffers():
        stream, owner = place(module, name)
        kind = name.rpartition(".")[2]
        if kind in _VALUES and hasattr(owner, "reset_running_stats"):
            found[stream] = _VALUES[kind]
    return found


def _is_integer(tensor: Tensor) -> bool:
    return not (tensor.dtype.is_floating_point or tensor.dtype.is_complex or tensor.is_quantized)


def _integers(name: str, buffer: Tensor, rule: Rule) -> Array:
    return integers_of(name, rule, tuple(buffer.shape), np.dtype(str(buffer.dtype).removeprefix("torch.")))
