"""The parameters of torch modules: filled by a plan, allocated first where they are on meta."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from torch import Tensor
from torch.autograd.graph import increment_version
from torch.nn import Module
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import is_lazy

from weightfill.dtypes import NAMES
from weightfill.initializers import Initializer
from weightfill.laws import check_tensor
from weightfill.plan import Plan, Rule
from weightfill.progress import Progress, check_progress, following, ticking
from weightfill.threads import threads_for
from weightfill.torch.allocation import check_replaceable, fsdp_parts, on_cpu, swapped
from weightfill.torch.fill import fill
from weightfill.torch.views import is_distributed, numpy_dtype, views_of

ModuleT = TypeVar("ModuleT", bound=Module)

# Under these names torch.compile and activation checkpointing keep the module that they wrap.
_WRAPPED = {"_orig_mod", "_checkpoint_wrapped_module"}
_STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}
_SHOWN = 5  # names in a message


def initialize(module: ModuleT, plan: Plan, *, threads: int | None = None, progress: Progress = None) -> ModuleT:
    """Fill every parameter of a torch module in place by a plan, and return the module.

    A parameter's stream is its name, as `module.named_parameters()` gives it, without what wrappers put into names
    (torch.compile, activation checkpointing, DistributedDataParallel, DataParallel): wrapped or not, the values are
    the same. Tied parameters are filled once, under the first of their names. Of a DTensor, as of all parameters after
    `fully_shard`, this rank's part gets the values of the whole, without communication. Everything is checked before
    any memory is touched. Buffers are left alone.

    Args:
        module: its parameters are on the CPU, of float32, float64, float16, bfloat16, float8_e4m3fn or float8_e5m2.
        plan: what to draw; every parameter needs a rule, and every rule a parameter.
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
    params = _parameters(module)
    rules = plan.assign(params)
    on_meta = [name for name, param in params.items() if param.is_meta]
    if on_meta:
        raise ValueError(f"module must have its parameters in memory, got {_listed(on_meta)} on meta; use materialize")
    _check_fillable(params, rules)
    _fill(params, rules, plan, threads, progress)
    return module


def materialize(module: ModuleT, plan: Plan, *, threads: int | None = None, progress: Progress = None) -> ModuleT:
    """Allocate the parameters that a torch module has on meta, fill all its parameters as `initialize`, and return it.

    For modules built under `torch.device("meta")`, so that no memory is written twice. The parameters stay the same
    objects, and tied: optimizers may hold them already. Of a DTensor on meta, after `fully_shard` or
    `parallelize_module`, only this rank's part is allocated. Large parameters are in huge pages where Linux has them.

    Buffers on meta: running statistics of norms are reset by `reset_running_stats()`; another is filled if the plan
    has a rule for it, one that no parameter has. Any other is an error, as its values are the module's affair.

    If it fails, the module is as before; parameters that were on the CPU already may have been filled.

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
    params = _parameters(module)
    buffers, owners = _meta_buffers(module)
    ruled = _with_rules_of_their_own(buffers, plan, params) if buffers else []
    rules = plan.assign([*params, *ruled])
    without = [name for name in buffers if name not in ruled and name not in owners]
    if without:
        raise ValueError(
            "module must have no buffers on meta but running statistics and those with a rule that no parameter has, "
            f"got {_listed(without)}; give them such a rule, or assign them on the CPU first"
        )
    filled = params | {name: buffers[name] for name in ruled}
    on_meta = {name: tensor for name, tensor in (params | buffers).items() if tensor.is_meta}
    check_replaceable(on_meta)
    fresh = {name: on_cpu(tensor) for name, tensor in on_meta.items()}
    _check_fillable({name: fresh.get(name, tensor) for name, tensor in filled.items()}, rules)
    with swapped(module, [(tensor, fresh[name]) for name, tensor in on_meta.items()]):
        for owner in owners.values():
            owner.reset_running_stats()
        _fill(filled, rules, plan, threads, progress)
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
    return params


def _place(module: Module, name: str) -> tuple[str, Module]:
    """Return the name of a parameter or buffer without the wrappers on the way to it, and the module that has it."""
    *path, last = name.split(".")
    owner, kept = module, []
    for key in path:
        if not (key in _WRAPPED or (key == "module" and isinstance(owner, DataParallel | DistributedDataParallel))):
            kept.append(key)
        owner = getattr(owner, key)
    return ".".join([*kept, last]), owner


def _check_fillable(tensors: Mapping[str, Tensor], rules: Mapping[str, Rule]) -> None:
    """Raise ValueError unless all can be filled; what `Plan.fill` checks itself, of plain tensors, is left to it."""
    wrong = [name for name, tensor in tensors.items() if not _is_fillable(name, tensor, rules[name].init)]
    if wrong:
        first = tensors[wrong[0]]
        raise ValueError(
            f"module must have strided tensors on the CPU, of {NAMES}, got {_listed(wrong)}, the first a "
            f"{type(first).__name__} of {first.dtype} and layout {first.layout} on {first.device}; "
            "initialize modules without them, and these in another way"
        )


def _is_fillable(name: str, tensor: Tensor, init: Initializer) -> bool:
    try:
        dtype = numpy_dtype(tensor.dtype)
        if dtype is None or views_of(tensor) is None:
            return False
        if is_distributed(tensor):
            check_tensor(init, tuple(tensor.shape), dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"params[{name!r}], {init}: {error}") from error
    return True


def _fill(
    tensors: Mapping[str, Tensor], rules: Mapping[str, Rule], plan: Plan, threads: int | None, progress: Progress
) -> None:
    """Fill tensors that can be filled: the plain ones as one piece of work, then one DTensor after the other."""
    views = {name: views_of(tensor) or [] for name, tensor in tensors.items()}
    plain = {name: views[name][0].array for name, tensor in tensors.items() if not is_distributed(tensor)}
    sizes = {name: sum(view.array.size for view in views[name]) for name in tensors}

    with ticking(progress, sum(sizes.values())) as tick:
        done = 0
        if plain:
            used = {rules[name] for name in plain}
            part = Plan([rule for rule in plan.rules if rule in used], seed=plan.seed)
            part.fill(plain, threads=threads, progress=following(tick, 0))
            increment_version([tensors[name] for name in plain])
            done = sum(sizes[name] for name in plain)
        for name, tensor in tensors.items():
            if name not in plain:
                init, rest = rules[name].init, following(tick, done)
                fill(tensor, init, seed=plan.seed, stream=name, threads=threads, progress=rest)
                done += sizes[name]


def _meta_buffers(module: Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the buffers on meta by stream; and of those that are running statistics, the modules that reset them."""
    buffers: dict[str, Tensor] = {}
    owners: dict[str, Any] = {}
    for name, buffer in module.named_buffers():
        if buffer.is_meta:
            stream, owner = _place(module, name)
            buffers[stream] = buffer
            if name.rpartition(".")[2] in _STATISTICS and hasattr(owner, "reset_running_stats"):
                owners[stream] = owner
    return buffers, owners


def _with_rules_of_their_own(names: Iterable[str], plan: Plan, params: Iterable[str]) -> list[str]:
    """Return the names whose rule no parameter has: a rule such as "*" was not written for a buffer."""
    patterns = {plan.rule(name).pattern for name in params}
    found = []
    for name in names:
        try:
            rule = plan.rule(name)
        except ValueError:
            continue
        if rule.pattern not in patterns:
            found.append(name)
    return found
