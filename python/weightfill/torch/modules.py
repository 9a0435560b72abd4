"""The parameters of torch modules: filled by a plan, allocated first where they are on meta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from torch import Tensor
from torch.autograd.graph import increment_version
from torch.nn import Module
from torch.nn.parameter import is_lazy

from weightfill.laws import check_tensor
from weightfill.plan import Plan
from weightfill.progress import Progress, check_progress, following, ticking
from weightfill.rules import Rule
from weightfill.threads import threads_for
from weightfill.torch.allocation import check_replaceable, fsdp_parts, on_cpu, swapped
from weightfill.torch.fill import fill_views
from weightfill.torch.refusals import stand_in, unfillable
from weightfill.torch.views import View, is_distributed, numpy_dtype, views_of
from weightfill.wrappers import WRAPPERS

ModuleT = TypeVar("ModuleT", bound=Module)

_STATISTICS = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}  # of norms, before the first batch
_SHOWN = 5  # names in a message


def initialize(module: ModuleT, plan: Plan, *, threads: int | None = None, progress: Progress = None) -> ModuleT:
    """Fill every parameter of a torch module in place by a plan, and return the module.

    A parameter's stream is its name, as `module.named_parameters()` gives it, without what wrappers put into names
    (torch.compile, activation checkpointing, DistributedDataParallel, DataParallel): wrapped or not, the values are
    the same. Tied parameters are filled once, under the first of their names. Of a DTensor, as of all parameters after
    `fully_shard`, this rank's part gets the values of the whole, without communication. A buffer is filled if the plan
    has a rule for it that no parameter has; others are left alone. Everything is checked before any memory is touched.

    Args:
        module: its parameters are on the CPU, of float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2.
        plan: what to draw; every parameter needs a rule, and every rule a parameter or a buffer.
        threads: as for `weightfill.fill`.
        progress: as for `weightfill.fill`; counts the elements that this process holds.

    >>> import torch
    >>> import weightfill.torch
    >>> plan = Plan({"*.bias": Zeros(), "*": KaimingNormal()}, seed=42)
    >>> model = weightfill.torch.initialize(torch.nn.Sequential(torch.nn.Linear(3, 2)), plan)
    >>> bool((model[0].weight.detach().numpy() == create((2, 3), KaimingNormal(), seed=42, stream="0.weight")).all())
    True

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: a parameter has no rule, a rule has no parameter, a parameter cannot be filled, such as one on
            meta, two parameters share memory, or an initializer does not fit its parameter.
    """
    _check_arguments(module, plan, threads, progress)
    _reshard(module)
    tensors, rules, _ = _assigned(module, plan)
    on_meta = [name for name, tensor in tensors.items() if tensor.is_meta]
    if on_meta:
        raise ValueError(f"module must have its parameters in memory, got {_listed(on_meta)} on meta; use materialize")
    _fill(tensors, _views(tensors, rules), rules, plan, threads, progress)
    return module


def materialize(module: ModuleT, plan: Plan, *, threads: int | None = None, progress: Progress = None) -> ModuleT:
    """Allocate the parameters that a torch module has on meta, fill all its parameters as `initialize`, and return it.

    For modules built under `torch.device("meta")`, so that no memory is written twice. The parameters stay the same
    objects, and tied: optimizers may hold them already. Of a DTensor on meta, after `fully_shard` or
    `parallelize_module`, only this rank's part is allocated. Large parameters are in huge pages where Linux has them.

    Buffers are treated as by `initialize`. Of those on meta without a rule of their own, running statistics of norms
    get the values of `reset_running_stats()`, and any other is an error, as its values are the module's affair.

    If it fails, what was on meta is there again; what was on the CPU already may have been filled.

    Args:
        module: its parameters are on meta or on the CPU, of dtypes as for `initialize`.
        plan: as for `initialize`.
        threads: as for `weightfill.fill`.
        progress: as for `initialize`.

    >>> import torch
    >>> import weightfill.torch
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    >>> plan = Plan({"*.bias": Zeros(), "1.weight": Ones(), "*": KaimingNormal()}, seed=42)
    >>> weightfill.torch.materialize(model, plan)[0].weight.device
    device(type='cpu')

    Raises:
        TypeError: an argument is of the wrong kind.
        ValueError: as `initialize`, or a buffer on meta has no rule of its own, or a parameter on meta has hooks.
        MemoryError: there is no memory for a parameter.
    """
    _check_arguments(module, plan, threads, progress)
    _reshard(module)
    tensors, rules, rest = _assigned(module, plan)
    on_meta = {name: tensor for name, tensor in (tensors | rest).items() if tensor.is_meta}
    left = [name for name in rest if name in on_meta]
    statistics = _statistics(module) if left else {}
    without = [name for name in left if name not in statistics]
    if without:
        raise ValueError(
            "module must have no buffers on meta but running statistics and those with a rule that no parameter has, "
            f"got {_listed(without)}; give them such a rule, or assign them on the CPU first"
        )
    check_replaceable(on_meta)
    fresh = {name: on_cpu(tensor) for name, tensor in on_meta.items()}
    views = _views({name: fresh.get(name, tensor) for name, tensor in tensors.items()}, rules)
    for name in left:
        fresh[name].fill_(statistics[name])
    with swapped(module, {name: (tensor, fresh[name]) for name, tensor in on_meta.items()}):
        _fill(tensors, views, rules, plan, threads, progress)
    return module


def _check_arguments(module: Module, plan: Plan, threads: int | None, progress: Progress) -> None:
    if not isinstance(module, Module):
        raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    if not isinstance(plan, Plan):
        raise TypeError(f"plan must be a weightfill.Plan, got {type(plan).__name__}")
    threads_for(0, threads)
    check_progress(progress)


def _listed(names: Iterable[str]) -> str:
    quoted = [repr(name) for name in names]
    return ", ".join(quoted[:_SHOWN]) + (f" and {len(quoted) - _SHOWN} more" if len(quoted) > _SHOWN else "")


def _reshard(module: Module) -> None:
    """Let `fully_shard` modules show their own parameters, not gathered copies, which a forward pass may leave."""
    for part in fsdp_parts(module, "FSDPModule"):
        part.reshard()


def _parameters(module: Module) -> dict[str, Tensor]:
    """Return the parameters by stream, tied ones once."""
    for _ in fsdp_parts(module, "FullyShardedDataParallel"):
        raise ValueError(
            "module must not have its parameters flattened by FullyShardedDataParallel; initialize it before it is "
            "wrapped, or use fully_shard"
        )
    params: dict[str, Tensor] = {}
    for name, param in module.named_parameters():
        stream, _ = _place(module, name)
        if stream in params:
            raise ValueError(f"module must have distinct names of parameters but for wrappers, got {stream!r} twice")
        params[stream] = param
    lazy = [name for name, param in params.items() if is_lazy(param)]
    if lazy:
        raise ValueError(
            f"module must have parameters of known shapes, got uninitialized {_listed(lazy)}; run a forward pass first"
        )
    _check_themselves(params)
    return params


def _check_themselves(tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError if a tensor is not the one to fill."""
    for name, tensor in tensors.items():
        refusal = stand_in(tensor)
        if refusal:
            raise ValueError(refusal.text(f"params[{name!r}]"))


def _place(module: Module, name: str) -> tuple[str, Module]:
    """Return the name of a parameter or buffer without the wrappers on the way to it, and the module that has it."""
    *path, last = name.split(".")
    owner, kept = module, []
    for key in path:
        while key not in owner._modules:  # a wrapper that leaves itself out of names
            owner = next(owner._modules[wrapped] for wrapped in WRAPPERS if wrapped in owner._modules)
        if key not in WRAPPERS or WRAPPERS[key].isdisjoint(base.__name__ for base in type(owner).__mro__):
            kept.append(key)
        owner = owner._modules[key]
    return ".".join([*kept, last]), owner


def _assigned(module: Module, plan: Plan) -> tuple[dict[str, Tensor], dict[str, Rule], dict[str, Tensor]]:
    """Return what a plan fills, its rules, and the buffers that are left, by stream.

    A buffer is filled by a rule of its own: one such as "*", which parameters have, was not written for it.
    """
    params = _parameters(module)
    buffers = {_place(module, name)[0]: buffer for name, buffer in module.named_buffers()}
    ruled = _with_rules_of_their_own(buffers, plan, params) if buffers else {}
    rest = {name: buffer for name, buffer in buffers.items() if name not in ruled}
    return params | ruled, plan._rules_of([*params, *ruled]), rest


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


def _statistics(module: Module) -> dict[str, int]:
    """Return the values that buffers, running statistics of norms, have before the first batch."""
    found = {}
    for name, _ in module.named_buffers():
        stream, owner = _place(module, name)
        kind = name.rpartition(".")[2]
        if kind in _STATISTICS and hasattr(owner, "reset_running_stats"):
            found[stream] = _STATISTICS[kind]
    return found


def _views(tensors: Mapping[str, Tensor], rules: Mapping[str, Rule]) -> dict[str, list[View]]:
    """Return what of every tensor is to be filled.

    Raises:
        ValueError: one cannot be filled. What `Plan.fill` checks itself, of plain tensors, is left to it.
    """
    found, wrong = {}, []
    for name, tensor in tensors.items():
        init = rules[name].init
        try:
            dtype = numpy_dtype(tensor.dtype)
            views = None if dtype is None else views_of(tensor)
            if dtype is not None and views is not None and is_distributed(tensor):
                check_tensor(init, tuple(tensor.shape), dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(f"params[{name!r}], {init}: {error}") from error
        if views is None:
            wrong.append(name)
        else:
            found[name] = views
    if wrong:
        refusal = unfillable(tensors[wrong[0]])
        raise ValueError(
            f"module must have tensors that can be filled, got {_listed(wrong)}: the first must {refusal.rule}, got "
            f"{refusal.got}; {refusal.way_out}, or initialize modules without them"
        )
    return found


def _fill(
    tensors: Mapping[str, Tensor],
    views: Mapping[str, list[View]],
    rules: Mapping[str, Rule],
    plan: Plan,
    threads: int | None,
    progress: Progress,
) -> None:
    """Fill tensors that can be filled: the plain ones as one piece of work, then one DTensor after the other."""
    plain = {name: views[name][0].array for name, tensor in tensors.items() if not is_distributed(tensor)}
    # FSDP may have moved the memory of a DTensor since, to pad it.
    distributed = {name: views_of(tensor) or [] for name, tensor in tensors.items() if name not in plain}
    sizes = {name: sum(view.array.size for view in parts) for name, parts in distributed.items()}
    total = sum(array.size for array in plain.values())
    with ticking(progress, total + sum(sizes.values())) as tick:
        if plain:
            used = {rules[name] for name in plain}
            part = Plan([rule for rule in plan.rules if rule in used], seed=plan.seed)
            part._fill(list(plain), list(plain.values()), threads, following(tick, 0))
            increment_version([tensors[name] for name in plain])
        done = total
        for name, parts in distributed.items():
            init, rest = rules[name].init, following(tick, done)
            fill_views(tensors[name], parts, init, seed=plan.seed, stream=name, threads=threads, progress=rest)
            done += sizes[name]
