"""What tensors have instead of torch's `normal_`, `uniform_`, `data` and others while torch.nn.init is redirected."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import _get_current_function_mode_stack, handle_torch_function, has_torch_function_unary
from torch.utils._device import DeviceContext

from weightfill.torch._drawn import drawn
from weightfill.torch._nn_init.originals import originals
from weightfill.torch._views import is_plain

_PARAMETERS = {"normal_": ("mean", "std"), "uniform_": ("from", "to")}  # 0 and 1 unless given; and `generator`
_NUMBERS = (float, int, Tensor, np.number)


def redirecting(is_patched: Callable[[], bool]) -> dict[str, Callable[..., Any]]:
    """Return methods that draw weightfill's values where this context is patched, and torch's elsewhere."""
    return {name: _redirecting(name, is_patched) for name in _PARAMETERS}


def assigning(taken: Callable[[Tensor, Tensor], Tensor]) -> dict[str, property]:
    """Return `data`, to which is assigned what `taken` makes of a tensor and a value; read at the speed of torch's."""
    torchs = torch._C.TensorBase.data

    def assign(self: Tensor, value: Tensor) -> None:
        torchs.__set__(self, taken(self, value))

    return {"data": property(torchs.__get__, assign)}


def reading(told: Callable[[Tensor], torch.device]) -> dict[str, property]:
    """Return `device`, which is what `told` says of a tensor."""
    return {"device": property(told)}


def looking(told: Callable[[Tensor, str], None]) -> dict[str, Callable[..., Any]]:
    """Return the methods by which values leave torch without an operation; `told` gets the tensor and their names."""
    return {name: _looking(name, told) for name in ("numpy", "tolist")}


def put(methods: Mapping[str, Any]) -> None:
    """Give tensors these methods, but for those which another library has replaced."""
    for name, method in methods.items():
        if name not in vars(Tensor):  # torch's are its base class's
            setattr(Tensor, name, method)


def remove(methods: Mapping[str, Any]) -> None:
    """Give tensors torch's methods again."""
    for name, method in methods.items():
        if vars(Tensor).get(name) is method:
            delattr(Tensor, name)


def _looking(name: str, told: Callable[[Tensor, str], None]) -> Callable[..., Any]:
    torchs = getattr(torch._C.TensorBase, name)

    @functools.wraps(torchs)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        told(self, name)
        return torchs(self, *args, **kwargs)

    return method


def _redirecting(name: str, is_patched: Callable[[], bool]) -> Callable[..., Any]:
    torchs = getattr(torch._C.TensorBase, name)
    key = f"torch.Tensor.{name}"
    originals[key] = lambda tensor, first, second, generator: torchs(tensor, first, second, generator=generator)

    @functools.wraps(torchs)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if is_patched() and _is_ours(self, sys._getframe(1)):
            arguments = _arguments(name, args, kwargs)
            if arguments is not None:
                return drawn(self, key, arguments, kwargs.get("generator"))
        if has_torch_function_unary(self):  # here, so that it is told of torch's method, not of this one
            return handle_torch_function(torchs, (self,), self, *args, **kwargs)
        return torchs(self, *args, **kwargs)

    return method


def _is_ours(tensor: Tensor, caller: FrameType) -> bool:
    """Whether a draw may be weightfill's: the caller is not torch itself, and no mode or autograd must see the call."""
    module = caller.f_globals.get("__name__")
    return (
        not (isinstance(module, str) and module.partition(".")[0] == "torch")
        and is_plain(tensor)
        and not (tensor.requires_grad and torch.is_grad_enabled())
        and all(type(mode) is DeviceContext for mode in _get_current_function_mode_stack())
    )


def _arguments(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
    """Return the two numbers of a call; None for other arguments, for which torch has the error."""
    names = _PARAMETERS[name]
    if len(args) > 2 or not kwargs.keys() <= {*names[len(args) :], "generator"}:
        return None
    first, second = (args[i] if i < len(args) else kwargs.get(names[i], float(i)) for i in range(2))
    return (first, second) if isinstance(first, _NUMBERS) and isinstance(second, _NUMBERS) else None
