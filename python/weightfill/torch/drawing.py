"""From a call of a function of torch.nn.init to a fill, or to torch's own function."""

from __future__ import annotations

import sys
import threading
import warnings
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor
from torch.autograd.graph import increment_version
from torch.nn.init import calculate_gain

from weightfill import _core
from weightfill.dtypes import TARGET_DTYPES
from weightfill.initializers import (
    Constant,
    Initializer,
    Masked,
    Normal,
    Ones,
    TruncatedNormal,
    Uniform,
    WholeTensor,
    Zeros,
)
from weightfill.laws import core_law
from weightfill.memory import writable_target
from weightfill.orthogonal import Orthogonal
from weightfill.schemes import VarianceScaling, XavierNormal, XavierUniform
from weightfill.sparse import Sparse
from weightfill.structured import Dirac, Identity
from weightfill.threads import SMALL, threads_for
from weightfill.torch.fill import fill_views
from weightfill.torch.own import own
from weightfill.torch.views import View, address_of, numpy_dtype, views_of

_FAR = "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect."


def drawn(tensor: Tensor, name: str, arguments: tuple[Any, ...], *generator: Generator | None) -> Tensor:
    """Fill a tensor as the function of this name does, and return it.

    Tensors, arguments and laws that weightfill cannot fill, and all errors, are left to torch's own function.
    """
    drawing = _drawing_of(tensor, name, arguments) if all(map(_can_draw, generator)) else None
    views = None
    address = None if drawing is None or drawing.law is None else address_of(tensor)
    if address is None:
        views = None if drawing is None else _writable_views(tensor)
        if views is None:
            return own[name](tensor, *arguments, *generator)
    assert drawing is not None
    if drawing.warning:
        _warn(drawing.warning)
    seed = _key(*generator) if generator else 0
    if views is None:
        assert address is not None
        assert drawing.law is not None
        size = tensor.numel()
        increment_version(tensor)
        threads = 1 if size < SMALL else threads_for(size, None)
        _core.fill_memory(address, size, drawing.dtype, drawing.law, seed, 0, threads)
    else:
        fill_views(tensor, views, drawing.init, seed=seed)
    return tensor


def _can_draw(generator: Generator | None) -> bool:
    return generator is None or (isinstance(generator, Generator) and generator.device.type == "cpu")


class _Drawing(NamedTuple):
    init: Initializer
    law: _core.Law | None  # None for what needs the shape: what is made as a whole, or under a mask
    dtype: int  # the core's
    warning: str


def _drawing_of(tensor: Tensor, name: str, arguments: tuple[Any, ...]) -> _Drawing | None:
    """Return what a call draws; None if that is torch's business."""
    try:
        for argument in arguments:
            if type(argument) not in (float, int, str):
                return _drawing(name, tuple(map(_plain, arguments)), tensor.shape, tensor.dtype)
        return _drawing(name, arguments, tensor.shape, tensor.dtype)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # the last: a tensor without a shape, or a gradient
        return None


def _plain(argument: Any) -> float | str:
    """Return a number, or a tensor of one, as a float, as which torch takes it, too."""
    if isinstance(argument, str):
        return argument
    if isinstance(argument, Real | Tensor) and not isinstance(argument, bool):
        return float(argument)
    raise TypeError


@lru_cache(maxsize=4096)
def _drawing(name: str, arguments: tuple[Any, ...], shape: tuple[int, ...], dtype: torch.dtype) -> _Drawing | None:
    target = numpy_dtype(dtype)
    init = None if target is None or 0 in shape else _initializer(name, arguments, shape)
    if target is None or init is None:
        return None
    warning = ""
    if name == "trunc_normal_":
        mean, std, low, high = arguments
        warning = _FAR if mean < low - 2 * std or mean > high + 2 * std else ""
    law = None
    if isinstance(init, WholeTensor):
        init.check(shape, target)
    else:
        law = core_law(init, shape, target, "")
        law = None if isinstance(init.law(shape), Masked) else law
    return _Drawing(init, law, TARGET_DTYPES[target].number, warning)


def _initializer(name: str, arguments: tuple[Any, ...], shape: tuple[int, ...]) -> Initializer | None:
    match name, *arguments:
        case "uniform_", low, high:
            return Uniform(low, high) if low != high else Constant(low)
        case "normal_", mean, std:
            return Normal(mean, std)
        case "trunc_normal_", mean, std, low, high if std > 0:
            return TruncatedNormal(mean, std, low=low, high=high) if low != high else Constant(low)
        case "constant_", value:
            return Constant(value)
        case ("ones_",):
            return Ones()
        case ("zeros_",):
            return Zeros()
        case ("eye_",):
            return Identity()
        case "dirac_", groups if len(shape) <= 5:
            return Dirac(groups)
        case "xavier_uniform_", gain:
            return XavierUniform(gain)
        case "xavier_normal_", gain:
            return XavierNormal(gain)
        case (("kaiming_uniform_" | "kaiming_normal_"), slope, mode, nonlinearity):
            distribution = name.removeprefix("kaiming_").removesuffix("_")
            return VarianceScaling(calculate_gain(nonlinearity, slope) ** 2, mode.lower(), distribution)
        case "orthogonal_", gain:
            return Orthogonal(gain)
        case "sparse_", sparsity, std if len(shape) == 2:
            return Sparse(std=std, axis=0, sparsity=min(sparsity, 1.0))
    return None


def _writable_views(tensor: Tensor) -> list[View] | None:
    """Return what is to be filled; None if it cannot be filled."""
    try:
        views = views_of(tensor)
        for view in views or ():
            writable_target(view.array, "tensor")
    except ValueError:  # elements that share memory, or a DTensor whose parts are sums
        return None
    return views


class _Word(threading.local):
    def __init__(self) -> None:
        self.tensor = torch.empty((), dtype=torch.int64, device="cpu")
        self.array = self.tensor.numpy()


_word = _Word()  # one a thread: others may run while a word is drawn


def _key(generator: Generator | None) -> int:
    """Draw 64 bits from the generator, or from torch's default one."""
    _word.tensor.random_(-(2**63), None, generator=generator)
    return int(_word.array) % 2**64


def _warn(text: str) -> None:
    """Warn where the caller's line is, though it came through this package or torch's functions."""
    inside = (str(Path(__file__).parent), str(torch.nn.init.__file__))
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)
