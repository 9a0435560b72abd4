"""Weight-normalized layers started by data: every unit's output gets mean 0 and std 1 on a batch."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from weightfill._arguments.messages import listed, shown
from weightfill._plan import Plan
from weightfill._run.progress import Progress, ticking
from weightfill.torch._assignment import assigned
from weightfill.torch._modules import initialize
from weightfill.torch._signals.one_pass import (
    Reached,
    added_over_ranks,
    check_model,
    one_pass,
    output_of,
    restored_on_error,
)
from weightfill.torch._signals.weighted import kind_of, magnitude

ModuleT = TypeVar("ModuleT", bound=Module)


def normalize_units(
    model: ModuleT,
    batch: Any,
    plan: Plan,
    *,
    group: Any = None,
    threads: int | None = None,
    progress: Progress = None,
) -> ModuleT:
    """Fill a model by a plan, then set magnitudes and biases of its weight-normalized layers by data; return the model.

    This is the data-dependent initialization of Salimans and Kingma ("Weight normalization", NeurIPS 2016, section 3),
    in one forward pass. The directions v come from the plan; the paper draws them from Normal(std=0.05). When the pass
    reaches a layer with `weight_norm`, it computes t = v x / norm(v), and the mean m and std s of t for each unit, over
    samples and positions. Then g = 1 / s and b = -m / s, and the output (t - m) / s goes on. So every unit starts with
    mean 0 and variance 1 on this batch. A layer without a bias has its magnitudes set only.

    All other parameters have the values of the plan. Magnitudes and biases depend on the batch, so no plan describes
    them: `lsuv` finds one factor for each layer instead, which a plan can hold. Mode, buffers, gradients and random
    generators stay as they are; after an error parameters and buffers have the values from before. A layer that is
    called several times is set by its first call. If torch.distributed is set up, all ranks must make this call, each
    with its own batch; their sums are added.

    Args:
        model: a module with parameters on the CPU and with `torch.nn.utils.parametrizations.weight_norm` (or the older
            `torch.nn.utils.weight_norm`) on some layers: convolutions, Linear and others whose units are the last axis
            of the output. There must be a magnitude for each unit.
        batch: what the model is called with: a tensor, a tuple or list of all positional arguments, or a mapping of
            keyword arguments.
        plan: what to draw, with rules for magnitudes and biases, too; those are replaced.
        group: the torch.distributed process group whose ranks have this model. The default is all ranks.
        threads: the most threads with which to fill. The default is `get_threads()` for large arrays and 1 for small
            ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished layers.

    >>> import torch
    >>> import weightfill.torch
    >>> from torch.nn.utils.parametrizations import weight_norm
    >>> model = torch.nn.Sequential(weight_norm(torch.nn.Linear(64, 32)), torch.nn.ReLU())
    >>> plan = Plan({"*.original0": Ones(), "*.original1": Normal(std=0.05), "*.bias": Zeros()}, seed=42)
    >>> batch = torch.from_numpy(create((256, 64), Normal(), seed=1, stream="batch"))
    >>> out = weightfill.torch.normalize_units(model, batch, plan)[0](batch)
    >>> bool(out.mean(0).abs().max() < 1e-5), bool((out.std(0, correction=0) - 1).abs().max() < 1e-5)
    (True, True)

    Warns:
        UserWarning: a layer with weight_norm was never called, or has units with constant output. Units with constant
            output keep magnitude 1 and have their mean removed.

    Raises:
        TypeError: `model` is not a torch module, `plan` is not a Plan, or another argument has a wrong type.
        ValueError: an error of `initialize`; no layer has weight_norm, or one has not a magnitude for each unit; a
            parameter is on another device or sharded; or the batch, or what a layer gives, has NaN or infinity.
    """
    check_model(model, plan, batch, threads, progress)
    assigned(model, plan)
    layers = _normalized(model)
    found: dict[str, int] = {}
    with restored_on_error(model):
        initialize(model, plan, threads=threads, progress=progress is True)
        with ticking(progress, len(layers), "setting layers") as tick:

            def reached(call: Reached) -> Any:
                name = layers[call.module]
                if name in found:
                    return None
                output, dead = _set(name, call, group)
                if dead is None:
                    return None
                found[name] = dead
                if tick is not None:
                    tick(len(found))
                return output

            one_pass(model, batch, dict.fromkeys(layers, reached))
    _warn([name for name in layers.values() if name not in found], [name for name, dead in found.items() if dead])
    return model


def _normalized(model: Module) -> dict[Module, str]:
    """Return the layers that have weight_norm, and their names.

    Raises:
        ValueError: there are none, or the magnitudes of one are not those of its units.
    """
    found = {}
    for name, part in model.named_modules():
        parts = magnitude(part)
        if parts is None:
            continue
        transposed = isinstance(part, _ConvTransposeNd)
        axis = 1 if transposed else 0
        if parts[2] % parts[1].dim() != axis or (transposed and part.groups > 1):
            raise ValueError(
                f"model must have a magnitude for each unit, got weight_norm with dim={parts[2]} in {shown(name)}, a "
                f"{kind_of(part)}; use weight_norm(layer, dim={axis})" + ("" if axis == 0 else " and one group")
            )
        found[part] = name
    if not found:
        raise ValueError(
            "model must have a layer with weight_norm, got none; weightfill.torch.lsuv scales layers of any kind"
        )
    return found


def _set(name: str, call: Reached, group: Any) -> tuple[Any, int | None]:
    """Set the magnitudes and the bias of a layer; return its output, and how many units are constant.

    There is no number where the layer has no samples yet.
    """
    parts = magnitude(call.module)
    assert parts is not None
    magnitudes, bias = parts[0], cast("Tensor | None", call.module._parameters.get("bias"))
    magnitudes.fill_(1)
    if bias is not None:
        bias.zero_()
    axis = 1 - parts[1].dim() if isinstance(call.module, _ConvNd) else -1  # before the axes of the kernel
    units = _by_unit(output_of(name, call.again()), axis).double()
    sums = torch.stack([torch.full((len(units),), units.shape[1]).double(), units.sum(1), (units * units).sum(1)])
    count, total, squares = added_over_ranks(sums, group)
    if not count[0]:
        return call.output, None
    if not squares.isfinite().all():
        raise ValueError(
            f"model must give finite numbers, got NaN or infinity from the layer {shown(name)} in {magnitudes.dtype}; "
            "float32 keeps them finite"
        )
    mean, square = total / count, squares / count
    variance = square - mean * mean
    dead = variance <= 1e-12 * square
    scale = torch.where(dead, 1.0, variance.clamp(min=0).rsqrt())
    magnitudes.copy_(scale.view_as(magnitudes))
    if bias is not None:
        bias.copy_(-mean * scale)
    return call.again(), int(dead.sum())


def _by_unit(output: Tensor, axis: int) -> Tensor:
    """Return outputs as a matrix, a row for each unit."""
    return output.movedim(axis, 0).reshape(output.shape[axis], -1)


def _warn(never: list[str], dead: list[str]) -> None:
    texts = [f"the batch never reaches {listed(never)}"] if never else []
    texts += [f"units of {listed(dead)} have constant outputs, which no magnitude changes"] if dead else []
    if texts:
        warnings.warn("; ".join(texts), stacklevel=3)
