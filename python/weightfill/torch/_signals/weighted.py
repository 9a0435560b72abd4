"""Layers of torch modules that have a weight, and the parameter by which the weight is scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from torch import Tensor
from torch.nn import Bilinear, Embedding, EmbeddingBag, LayerNorm, Linear, Module, MultiheadAttention, RMSNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.weight_norm import WeightNorm

_NO_LAYERS = (Embedding, EmbeddingBag, LayerNorm, RMSNorm)


class WeightedLayer(NamedTuple):
    """A layer, or several with the same weight.

    Attributes:
        name: of the parameter, by stream; of the weight if it has none.
        kind: the class of the layer.
        modules: which it is; each may be called.
        param: by which the weight is scaled; None if it is left as it is.
        note: why it is left.
    """

    name: str
    kind: str
    modules: tuple[Module, ...]
    param: Tensor | None
    note: str = ""


def weighted_layers(model: Module, params: Mapping[str, Tensor]) -> list[WeightedLayer]:
    """Return all layers of a model that have a weight of 2 or more dimensions, in the order of its modules.

    Args:
        model: the model.
        params: its parameters, by stream.
    """
    streams = {id(param): stream for stream, param in params.items()}
    projections = {id(part.out_proj) for part in model.modules() if isinstance(part, MultiheadAttention)}
    found: dict[str, WeightedLayer] = {}
    for path, part in model.named_modules():
        scale = None if id(part) in projections or isinstance(part, _NO_LAYERS) else _scale_of(_owner(part))
        if scale is None:
            continue
        param, note = scale
        name = streams.get(id(param), f"{path}.weight".lstrip("."))
        before = found.get(name, WeightedLayer(name, kind_of(part), (), param, note))
        found[name] = before._replace(modules=(*before.modules, part))
    return [_unless_used_elsewhere(layer, model) for layer in found.values()]


def kind_of(part: Module) -> str:
    """Return the class of a module, without what parametrizations put before it."""
    return type(part).__name__.removeprefix("Parametrized")


def adds_to_its_weight(part: Module) -> bool:
    """Whether the output of a layer may have a part that is not scaled with the weight: a bias, or more."""
    owner = _owner(part)
    of_torch = type(part).forward.__module__.startswith("torch.nn.modules.")  # not of a subclass that overrides it
    if not (of_torch and isinstance(owner, Linear | Bilinear | _ConvNd)):
        return True
    return owner.bias is not None and bool(owner.bias.any())


def magnitude(part: Module) -> tuple[Tensor, Tensor, int] | None:
    """Return what weight_norm computes the weight of a layer from: magnitude, direction, the axis of the magnitudes.

    The axis is -1 if there is one magnitude for all. None if the weight is not computed so.
    """
    if is_parametrized(part, "weight"):
        chain: Any = part.parametrizations["weight"]
        if len(chain) == 1 and type(chain[0]).__name__ == "_WeightNorm":
            return chain.original0, chain.original1, chain[0].dim
        return None
    for hook in part._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm) and hook.name == "weight":  # torch's old one
            return cast(Tensor, part.weight_g), cast(Tensor, part.weight_v), hook.dim
    return None


def _owner(part: Module) -> Module:
    """Return the module that has the weight of a layer: attention never calls the one that projects its output."""
    return part.out_proj if isinstance(part, MultiheadAttention) else part


def _scale_of(owner: Module) -> tuple[Tensor | None, str] | None:
    """Return the parameter by which a weight is scaled, or None and why there is none; None without a weight."""
    weight = owner._parameters.get("weight")
    if weight is not None:
        return (weight, "") if weight.dim() >= 2 else None
    parts = magnitude(owner)
    if parts is not None:
        return parts[0], ""
    if is_parametrized(owner, "weight"):
        steps = owner.parametrizations["weight"]
        kinds = ", ".join(type(step).__name__.strip("_") for step in steps)
        return None, f"left as it is: {kinds} computes its weight"
    computed = owner.__dict__.get("weight")
    if isinstance(computed, Tensor) and computed.dim() >= 2:
        return None, "left as it is: a hook computes its weight"
    return None


def _unless_used_elsewhere(layer: WeightedLayer, model: Module) -> WeightedLayer:
    """Return a layer, left as it is if something else has its parameter, too, as embeddings that are tied have."""
    own = {id(part) for module in layer.modules for part in module.modules()}
    others = [
        f"{path!r} ({kind_of(part)})"
        for path, part in model.named_modules()
        if id(part) not in own and any(param is layer.param for param in part._parameters.values() if param is not None)
    ]
    if not others:
        return layer
    return layer._replace(param=None, note=f"left as it is: its weight is also that of {', '.join(others)}")
