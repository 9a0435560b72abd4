"""Propagation through torch modules: what is measured in each layer, forward and backward."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.parameter import is_lazy

from weightfill._arguments.messages import listed, shown
from weightfill._arguments.streams import checked_seed
from weightfill._fill import create
from weightfill._initializers.base import Initializer
from weightfill._initializers.laws import Constant, Normal, Uniform
from weightfill._models.wrappers import WRAPPERS, place
from weightfill._plan import Plan
from weightfill._run.progress import Progress, check_progress, ticking
from weightfill.signals._layers import LayerSignal
from weightfill.signals._measures import Array, moments
from weightfill.signals._report import Report
from weightfill.torch._allocation import fsdp_submodules
from weightfill.torch._modules import initialize
from weightfill.torch._refusals import check_whole
from weightfill.torch._signals.chains import Called, one_activation, predictions
from weightfill.torch._signals.taps import Tap, Taps
from weightfill.torch._signals.undisturbed import given_to, tensors_in, undisturbed
from weightfill.torch._signals.units import activation_of, by_units, equal_rows, rows_of
from weightfill.torch._views import is_meta

Loss = Callable[[Any], Tensor]
_ROUNDING = 1e-2  # of gradients, in bfloat16 too
_OF_WEIGHT = ("name", "weight_std", "grad_to_weight", "fan_in", "units", "init", "equal_units", "fan_out")


def propagation(
    model: Module,
    batch: Any,
    loss: Loss | None = None,
    *,
    plan: Plan | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> Report:
    """Pass a batch forward through a torch model and gradients backward, and measure both in every layer.

    A layer is a module that calls no other module; there is one row for each of its calls, in the order of execution,
    but none for outputs without elements (of experts without tokens), nested or sparse ones, and within vmap.
    Nothing of the model is changed: parameters, their gradients, buffers (running statistics too), mode (train or eval)
    and torch's random generators are as before, also after an exception. Layers in the mode train are measured as they
    are in training.

    Of each layer the first floating tensor that it gives is measured, in float32 or float64 on the CPU:

    - Units are the channels of convolutions, pooling and norms over channels, and the last axis of all others.
      Activations and the like have the axis of the layer before.
    - Samples are all axes before the units: images, or tokens of all texts. Images have positions after the units.
      A unit is dead if it has one value for all samples and positions. Rank and correlation compare samples.
    - `saturated` is known of Tanh, Sigmoid, Softsign, Hardtanh and Hardsigmoid, NaN for the rest.
    - `grad_to_weight` belongs to the weight, or to the first parameter with 2 dimensions if none has this name.
    - `equal_units` counts units with equal weights and biases that also get equal gradients, so that training keeps
      them equal. Units that start from zeros at the end of a residual branch get different ones and do not count.

    Theory predicts chains only: `nn.Sequential` of Linear, Conv and activations. A weight counts there by its own mean
    square. For other models the report says why there is no prediction.

    Args:
        model: a module on the CPU or a GPU, of any floating dtype. Of a model in DataParallel, DistributedDataParallel
            or torch.compile the model within is run, as it is.
        batch: the argument of the model, a tuple or list of arguments, or a mapping with their names. It is not
            changed.
        loss: takes the output of the model and returns a scalar, from which gradients come. If it is None, gradients at
            all floating outputs of the model are standard normal, and `grad_to_weight` is divided by their length.
        plan: from which the weights were drawn; the report then names its initializers.
        seed: an integer in [0, 2**64), of these gradients.
        progress: True for a progress bar, or a callable(done, total) that is called after each layer. An exception that
            it raises stops the work.

    >>> import torch
    >>> import weightfill.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(500, 500), torch.nn.Tanh(), torch.nn.Linear(500, 10))
    >>> model = weightfill.torch.initialize(model, Plan({"*.bias": Zeros(), "*": LecunNormal()}, seed=1))
    >>> batch = torch.from_numpy(create((200, 500), Normal(), seed=1, stream="batch"))
    >>> report = weightfill.torch.propagation(model, batch)
    >>> [layer.name for layer in report.layers]
    ['0', '1', '2']
    >>> round(report.layers[1].predicted_std, 2), round(report.layers[1].std, 2)
    (0.63, 0.63)

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: the model has parameters on meta, uninitialized or sharded; it calls no module; `batch` is not
            finite or on another device; the loss is not a scalar, or does not depend on the model; a weight has no rule
            in `plan`; or `seed` is out of range.
    """
    inner = _within_wrappers(model)
    _check_model(inner)
    _check_batch(batch, {param.device for param in inner.parameters()})
    if loss is not None and not callable(loss):
        raise TypeError(f"loss must be a function of the model's output, or None, got {shown(loss)}")
    if plan is not None and not isinstance(plan, Plan):
        raise TypeError(f"plan must be a weightfill.Plan, got {type(plan).__name__}")
    checked_seed(seed, Normal())
    check_progress(progress)
    taps = Taps(inner)
    with ticking(progress, taps.total, "measuring") as tick:
        with undisturbed(inner), torch.inference_mode(False), torch.enable_grad(), taps.open(tick):
            output = given_to(inner, _copied(batch))
            if not taps.found:
                raise ValueError(f"model must call modules that give floating tensors, got {type(inner).__name__}")
            weights, samples = _backward(inner, taps, output, loss, seed)
        if tick:
            tick(taps.total)
    signals = [_signal(tap, weights, samples, inner, plan) for tap in taps.found]
    called = [Called(tap.name, tap.module, tap.given, tap.made, tap.weight) for tap in taps.found]
    theory, why = _theory(inner, batch, called, taps.found[-1])
    if theory:
        pairs = zip(signals, theory, strict=True)
        signals = [one._replace(predicted_std=two.std, predicted_grad_std=two.grad_std) for one, two in pairs]
    shapes = ", ".join(" x ".join(map(str, tensor.shape)) for tensor in tensors_in(batch))
    activation = one_activation(called) if theory else None
    judged = _judged(signals, called)
    return Report(
        tuple(signals),
        f"{type(inner).__name__}, batch {shapes}",
        activation,
        why,
        tuple(judged if theory else _counterparts(judged)) or None,
    )


def initialized_propagation(
    build: Callable[[], Module],
    plan: Plan | None,
    shape: Sequence[int],
    *,
    tokens: int | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> Report:
    """Build a model, initialize it by a plan, and measure it with a random batch.

    Args:
        build: a function or class that returns the model.
        plan: what to draw; None to leave the model as it is built.
        shape: of the batch.
        tokens: how many there are, for a batch of integers below that; None for a standard normal batch.
        seed: of the batch and of gradients.
        progress: as in `propagation`.

    Raises:
        TypeError: `build` does not return a module, or an argument has a wrong type.
        ValueError: the plan or the batch does not fit the model; as `initialize` and `propagation`.
    """
    model = build()
    if not isinstance(model, Module):
        raise TypeError(f"build must return a torch.nn.Module, got {type(model).__name__}")
    if plan is not None:
        initialize(model, plan)
    if tokens is not None:
        places = create(tuple(shape), Uniform(0.0, float(tokens)), seed=seed, stream="batch", dtype="float64")
        return propagation(model, torch.from_numpy(places).long(), plan=plan, seed=seed, progress=progress)
    dtype = next((param.dtype for param in model.parameters() if param.is_floating_point()), torch.float32)
    batch = torch.from_numpy(create(tuple(shape), Normal(), seed=seed, stream="batch")).to(dtype)
    return propagation(model, batch, plan=plan, seed=seed, progress=progress)


def _within_wrappers(model: Any) -> Any:
    """Return the model that wrappers of the whole of it hold."""
    for key, kinds in WRAPPERS.items():
        if isinstance(model, Module) and not kinds.isdisjoint(base.__name__ for base in type(model).__mro__):
            return _within_wrappers(getattr(model, key))
    return model


def _check_model(model: Any) -> None:
    """Raise TypeError or ValueError unless this process can pass gradients through a model."""
    if not isinstance(model, Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            f"model must be in Python, got a {type(model).__name__}; pass the module from which it was made"
        )
    for _ in fsdp_submodules(model, "FullyShardedDataParallel"):
        raise ValueError(
            "model must not have its parameters flattened by FullyShardedDataParallel; measure it before it is wrapped"
        )
    params = dict(model.named_parameters())
    lazy = [name for name, param in params.items() if is_lazy(param)]
    if lazy:
        raise ValueError(
            f"model must have parameters of known shapes, got uninitialized {listed(lazy)}; run a forward pass first"
        )
    on_meta = [name for name, tensor in (params | dict(model.named_buffers())).items() if is_meta(tensor)]
    if on_meta:
        raise ValueError(
            f"model must have its parameters and buffers in memory, got {listed(on_meta)} on meta; call "
            "weightfill.torch.materialize(model, plan) first"
        )
    check_whole(params, "measure the model before it is sharded")


def _check_batch(batch: Any, devices: set[torch.device]) -> None:
    """Raise TypeError or ValueError unless a batch is one that a model on these devices can be given."""
    if not isinstance(batch, Tensor | tuple | list | Mapping):
        raise TypeError(
            "batch must be a tensor, a tuple of arguments or a mapping from their names, got "
            f"{type(batch).__name__}; torch.from_numpy makes a tensor of an array"
        )
    for where, tensor in _placed("batch", batch):
        if devices and tensor.device not in devices:
            wanted = listed(map(str, devices))
            raise ValueError(f"{where} must be on the device of the model, {wanted}, got {str(tensor.device)!r}")
        if not tensor.numel():
            raise ValueError(f"{where} must have elements, got the shape {tuple(tensor.shape)}")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            first = tuple(tensor.isfinite().logical_not().nonzero()[0].tolist())
            raise ValueError(f"{where} must be finite, got {tensor[first].item()} at {first}")


def _placed(name: str, batch: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a batch, each with the words that say where it is."""
    parts: Any = batch.items() if isinstance(batch, Mapping) else enumerate(batch)
    if isinstance(batch, Tensor):
        parts, batch = [], [batch]
        yield name, batch[0]
    for key, part in parts:
        for tensor in tensors_in(part):
            yield f"{name}[{key!r}]", tensor


def _copied(batch: Any) -> Any:
    """Return a batch of new tensors, which the model may change."""
    if isinstance(batch, Tensor):
        return batch.detach().clone()
    if isinstance(batch, Mapping):
        return {key: _copied(part) for key, part in batch.items()}
    return type(batch)(map(_copied, batch)) if type(batch) in (tuple, list) else batch


def _backward(model: Module, taps: Taps, output: Any, loss: Loss | None, seed: int) -> tuple[dict[int, Tensor], int]:
    """Pass gradients backward; return those of weights, by the id of the weight, and the number of samples they sum."""
    ends, gradients = _ends(output, loss, seed)
    samples = len(ends[0]) if loss is None and ends[0].dim() else 1
    wanted = {id(tensor): tensor for tensor in (*model.parameters(), *taps.starts) if tensor.requires_grad}
    used = (tap.weight for tap in taps.found if tap.weight is not None and tap.weight.requires_grad)
    wanted |= {id(weight): weight for weight in used}
    taps.go_back()
    found = torch.autograd.grad(ends, list(wanted.values()), gradients, allow_unused=True)
    return {key: gradient for key, gradient in zip(wanted, found, strict=True) if gradient is not None}, samples


def _ends(output: Any, loss: Loss | None, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return where gradients begin, and which."""
    if loss is None:
        ends = {id(end): end for end in tensors_in(output) if end.is_floating_point() and end.requires_grad}
        if not ends:
            raise ValueError(
                f"model must give a floating tensor with a gradient, got {type(output).__name__}; is it computed in "
                "torch.no_grad()?"
            )
        names = ["gradient", *(f"gradient{number}" for number in range(1, len(ends)))]
        found = list(ends.values())
        return found, [_normal(end, seed, name) for end, name in zip(found, names, strict=True)]
    value = loss(output)
    if not isinstance(value, Tensor):
        raise TypeError(f"loss must return a tensor, got {type(value).__name__}")
    if value.numel() != 1:
        raise ValueError(f"loss must return a scalar, got a tensor of shape {tuple(value.shape)}; such as its mean()")
    if not value.requires_grad:
        raise ValueError(
            f"loss must return a tensor that depends on the model by differentiable operations, got {value.item()!r} "
            "without a gradient"
        )
    return [value], [torch.ones_like(value)]


def _normal(end: Tensor, seed: int, stream: str) -> Tensor:
    drawn = torch.from_numpy(create(tuple(end.shape), Normal(), seed=seed, stream=stream))
    return drawn.to(end.device, end.dtype)


def _signal(tap: Tap, gradients: Mapping[int, Tensor], samples: int, model: Module, plan: Plan | None) -> LayerSignal:
    """Return the row of one call."""
    signal = LayerSignal(
        name=tap.name,
        mean=tap.outputs.mean,
        std=tap.outputs.std,
        rms=tap.outputs.rms,
        dead=tap.units_compared.dead,
        saturated=tap.saturated,
        effective_rank=tap.units_compared.effective_rank,
        correlation=tap.units_compared.correlation,
        outside=tap.outputs.outside,
        histogram=tap.outputs.histogram,
        units=tap.units,
        outputs=math.prod(tap.made[1:]),
    )
    if tap.gradients is not None:
        at_output = tap.gradients
        signal = signal._replace(
            grad_std=at_output.std, grad_outside=at_output.outside, grad_histogram=at_output.histogram
        )
    if tap.weight is None:
        return signal
    weight = tap.weight.detach()
    values = by_units(weight, 0)
    _, std, rms = moments(values)
    gradient = gradients.get(id(tap.weight))
    change = math.nan if gradient is None else moments(by_units(gradient.to_dense(), 0))[2] / samples
    rows = rows_of(tap.module, weight, tap.units)
    init = None if rows is None else _constant(values)
    if plan is not None:
        names = (place(model, name)[0] for name, param in model.named_parameters() if param is tap.weight)
        init = next((plan.rule(stream).init.for_stream(stream) for stream in names), init)
    return signal._replace(
        weight_std=std,
        grad_to_weight=change / rms if rms else math.nan,
        fan_in=None if rows is None else rows.shape[1],
        fan_out=None if rows is None else len(rows) * math.prod(weight.shape[2:]),
        init=init,
        equal_units=0 if rows is None else _equal_units(tap, gradients),
    )


def _equal_units(tap: Tap, gradients: Mapping[int, Tensor]) -> int:
    """Return how many units are equal and get equal gradients, all of a layer or none."""
    bias = getattr(tap.module, "bias", None)
    for tensor in (tap.weight, bias if isinstance(bias, Tensor) else None):
        pair = () if tensor is None else ((tensor.detach(), 0.0), (gradients.get(id(tensor)), _ROUNDING))
        for values, rounding in pair:
            rows = values if values is None or values.dim() < 2 else rows_of(tap.module, values.to_dense(), tap.units)
            if rows is not None and not equal_rows(rows.float(), rounding):
                return 0
    return tap.units


def _constant(weight: Array) -> Initializer | None:
    """Return what a weight was drawn from, if all of it is one number: nobody draws that otherwise."""
    first = weight.flat[0] if weight.size else math.nan
    return Constant(float(first)) if bool((weight[:1] == first).all()) and bool((weight == first).all()) else None


def _judged(signals: Sequence[LayerSignal], called: Sequence[Called]) -> list[LayerSignal]:
    """Return the layers with units that have weights, each after its activation, if this is the next module."""
    found: list[LayerSignal] = []
    last: LayerSignal | None = None
    for signal, one in zip(signals, called, strict=True):
        if signal.fan_in is not None:
            found.append(signal)
        elif last is not None and last.fan_in is not None and activation_of(one.module) is not None:
            of_weight = {name: getattr(last, name) for name in _OF_WEIGHT}
            found[-1] = signal._replace(**of_weight)
        last = signal
    return found


def _counterparts(layers: Sequence[LayerSignal]) -> Sequence[LayerSignal]:
    """Return the layers that correspond to one another in the blocks of a model, of which there are the most.

    What the layers within one block do differs, as one may end a residual branch; from block to block it is comparable.
    """
    blocks: dict[str, list[LayerSignal]] = {}
    for layer in layers:
        blocks.setdefault(re.sub(r"\d+", "*", layer.name), []).append(layer)
    most = max(blocks.values(), key=len, default=[])
    return most if len(most) > 2 else layers


def _theory(model: Module, batch: Any, called: Sequence[Called], last: Tap) -> tuple[Any, str | None]:
    """Return what theory predicts, and why not."""
    given = list(tensors_in(batch))
    one = len(given) == 1 and given[0].is_floating_point() and not given[0].is_nested
    square = moments(by_units(given[0], 0))[2] ** 2 if one else None
    return predictions(model, called, square, 1.0 if last.gradients is None else last.gradients.rms**2)
