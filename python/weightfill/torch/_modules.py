"""The parameters of torch modules: filled by a plan, allocated first where they are on meta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from torch import Tensor
from torch.autograd.graph import increment_version
from torch.nn import Module

from weightfill._arguments.messages import listed, shown
from weightfill._models.rules import Rule
from weightfill._plan import Plan
from weightfill._run.progress import Progress, following, ticking
from weightfill._tensor import Tensor as DefinedTensor
from weightfill.torch._allocation import all_on_cpu, check_replaceable, swapped
from weightfill.torch._assignment import assigned, check_arguments, reshard, set_integers, statistics
from weightfill.torch._fill import fill_views
from weightfill.torch._memory import torch_threads
from weightfill.torch._refusals import unfillable
from weightfill.torch._views import View, dtype_of, is_in_parts, is_meta, set_zero, views_of

ModuleT = TypeVar("ModuleT", bound=Module)


def initialize(module: ModuleT, plan: Plan, *, threads: int | None = None, progress: Progress = None) -> ModuleT:
    """Fill every parameter of a torch module in place by a plan, and return the module.

    - The stream of a parameter is its name in `module.named_parameters()`, without the prefixes of wrappers
      (torch.compile, activation checkpointing, DistributedDataParallel, DataParallel). So the values do not depend on
      wrappers.
    - Tied parameters are filled once, under the first of their names.
    - Of DTensors (all parameters after `fully_shard`) and of TorchRec's tables this rank fills its own parts, without
      communication.
    - A buffer is filled only by a rule that matches buffers and no parameter. Other buffers stay as they are.
    - Parameters with the rule `KeepValues` stay as they are, of whatever dtype.
    - The rows `padding_idx` of embeddings are set to zero, as in torch, unless their rule is a `Padded`.

    Everything is checked before memory is touched.

    Args:
        module: a module with parameters on the CPU, of dtype float32, float64, float16, bfloat16, float8_e4m3fn or
            float8_e5m2.
        plan: what to draw. Every parameter needs a rule, and every rule must match a parameter or a buffer.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements of this process, at most every 50 ms and once at the end. An exception that it raises stops the
            work.

    >>> import torch
    >>> import weightfill.torch
    >>> plan = Plan({"*.bias": Zeros(), "*": KaimingNormal()}, seed=42)
    >>> model = weightfill.torch.initialize(torch.nn.Sequential(torch.nn.Linear(3, 2)), plan)
    >>> bool((model[0].weight.detach().numpy() == create((2, 3), KaimingNormal(), seed=42, stream="0.weight")).all())
    True

    Raises:
        TypeError: `module` is not a torch module, or `plan` is not a Plan.
        ValueError: no rule matches a parameter, a rule matches no parameter, a parameter cannot be filled (it is on
            meta or another device, or holds integers or complex numbers), two parameters share memory, an initializer
            does not fit its parameter, or a weight is computed from parameters without rules of their own, as by
            `weight_norm`.
    """
    check_arguments(module, plan, threads, progress)
    reshard(module)
    tensors, rules, _, zero_rows, _, integers = assigned(module, plan)
    held = tensors | {name: buffer for name, (buffer, _) in integers.items()}
    on_meta = [name for name, tensor in held.items() if is_meta(tensor)]
    if on_meta:
        raise ValueError(f"module must have its parameters in memory, got {listed(on_meta)} on meta; use materialize")
    _fill(tensors, _held(tensors, rules, plan), rules, zero_rows, plan, threads, progress)
    set_integers(integers)
    return module


def materialize(module: ModuleT, plan: Plan, *, threads: int | None = None, progress: Progress = None) -> ModuleT:
    """Allocate the parameters of a torch module that are on meta, fill all parameters, and return the module.

    The values are those of `initialize`. Build the module under `torch.device("meta")`, so that each parameter is
    written only once. The Parameter objects stay the same, and tied, so optimizers may hold them already. Of DTensors
    on meta (after `fully_shard` or `parallelize_module`) only this rank's parts are allocated. Large parameters are in
    huge pages where Linux has them.

    Buffers are treated as in `initialize`. Running statistics of norms on meta get the values of
    `reset_running_stats()`. Other buffers on meta without a rule are an error, because only the module knows their
    values.

    If it fails, meta parameters are on meta again; others may be partly filled.

    Args:
        module: a module with parameters on meta or on the CPU, of dtype float32, float64, float16, bfloat16,
            float8_e4m3fn or float8_e5m2.
        plan: what to draw. Every parameter needs a rule, and every rule must match a parameter or a buffer.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements of this process, at most every 50 ms and once at the end. An exception that it raises stops the
            work.

    >>> import torch
    >>> import weightfill.torch
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    >>> plan = Plan({"*.bias": Zeros(), "1.weight": Ones(), "*": KaimingNormal()}, seed=42)
    >>> weightfill.torch.materialize(model, plan)[0].weight.device
    device(type='cpu')

    Raises:
        TypeError: `module` is not a torch module, or `plan` is not a Plan.
        ValueError: an error of `initialize`, a buffer on meta has no rule of its own, or a parameter on meta has hooks.
        MemoryError: there is no memory for a parameter.
    """
    check_arguments(module, plan, threads, progress)
    reshard(module)
    tensors, rules, rest, zero_rows, kept, integers = assigned(module, plan)
    lost = [name for name, tensor in kept.items() if is_meta(tensor)]
    if lost:
        raise ValueError(
            f"module must have parameters with the rule KeepValues() in memory, got {listed(lost)} on meta, where "
            "there are no values to keep; load them first, or give them another rule"
        )
    counted = {name: buffer for name, (buffer, _) in integers.items()}
    on_meta = {name: tensor for name, tensor in (tensors | counted | rest).items() if is_meta(tensor)}
    left = [name for name in rest if name in on_meta]
    values = statistics(module) if left else {}
    without = [name for name in left if name not in values]
    if without:
        raise ValueError(
            "module must have no buffers on meta but running statistics and those with a rule that no parameter has, "
            f"got {listed(without)}, whose values the module computes; give tables rules such as Rotary(), or build it "
            "with its parameters alone on meta, as within accelerate's init_empty_weights(), then call its "
            "tie_weights(), or assign them on the CPU"
        )
    check_replaceable(on_meta)
    fresh = all_on_cpu(on_meta)
    held = _held({name: fresh.get(name, tensor) for name, tensor in tensors.items()}, rules, plan)
    for name in left:
        fresh[name].fill_(values[name])
    with swapped(module, {name: (tensor, fresh[name]) for name, tensor in on_meta.items()}):
        _fill(tensors, held, rules, zero_rows, plan, threads, progress)
        set_integers(integers)
    return module


class _Held(NamedTuple):
    """What this process holds of a tensor. `defined` is None if that is all of it: then the plan defines it."""

    views: list[View]
    defined: DefinedTensor | None


def _held(tensors: Mapping[str, Tensor], rules: Mapping[str, Rule], plan: Plan) -> dict[str, _Held]:
    """Return what is to be filled of every tensor.

    Raises:
        ValueError: one cannot be filled. What `Plan.fill` checks itself, of tensors that are held whole, is left to it.
    """
    found, wrong = {}, []
    for name, tensor in tensors.items():
        init, dtype, defined = rules[name].init, dtype_of(tensor), None
        try:
            views = None if dtype is None else views_of(tensor)
            if dtype is not None and views is not None and is_in_parts(tensor):
                defined = DefinedTensor(tuple(tensor.shape), init, seed=plan.seed, stream=name, dtype=dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(f"params[{shown(name)}], {shown(init)}: {error}") from error
        if views is None:
            wrong.append(name)
        else:
            found[name] = _Held(views, defined)
    if wrong:
        refusal = unfillable(tensors[wrong[0]])
        raise ValueError(
            f"module must have tensors that can be filled, got {listed(wrong)}: the first must {refusal.rule}, got "
            f"{refusal.got}; {refusal.way_out}, or initialize modules without them"
        )
    return found


def _fill(
    tensors: Mapping[str, Tensor],
    held: Mapping[str, _Held],
    rules: Mapping[str, Rule],
    zero_rows: Mapping[str, tuple[int, ...]],
    plan: Plan,
    threads: int | None,
    progress: Progress,
) -> None:
    """Fill tensors that can be filled: those that are held whole all at once, then the others one by one."""
    arrays = {name: one.views[0].array for name, one in held.items() if one.defined is None}
    sharded = {name: one.defined for name, one in held.items() if one.defined is not None}
    # Asked again: FSDP may have moved the memory of a DTensor, to pad it, when it was given to the module.
    views = {name: views_of(tensors[name]) or [] for name in sharded}
    sizes = {name: sum(view.array.size for view in parts) for name, parts in views.items()}
    total = sum(array.size for array in arrays.values())
    with ticking(progress, total + sum(sizes.values())) as tick:
        if arrays:
            used = {rules[name] for name in arrays}
            part = Plan([rule for rule in plan.rules if rule in used], seed=plan.seed)
            part._fill(list(arrays), list(arrays.values()), torch_threads(total, threads), following(tick, 0))
            increment_version([tensors[name] for name in arrays])
        done = total
        for name, defined in sharded.items():
            fill_views(tensors[name], views[name], defined, threads=threads, progress=following(tick, done))
            done += sizes[name]
    for name, rows in zero_rows.items():
        for view in views[name] if name in views else held[name].views:
            set_zero(view, rows)
