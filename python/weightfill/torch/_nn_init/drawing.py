"""What a call of a function of torch.nn.init draws, and what fills the tensor.

`_drawn`, which is compiled, takes the calls. It asks here once for each kind of small call, and for all others.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.init import calculate_gain

from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.memory import writable_memory
from weightfill._initializers.base import Initializer
from weightfill._initializers.laws import Constant, Normal, Ones, TruncatedNormal, Uniform, Zeros
from weightfill._initializers.orthogonal import Orthogonal
from weightfill._initializers.scaling import VarianceScaling
from weightfill._initializers.schemes import XavierNormal, XavierUniform
from weightfill._initializers.sparse import Sparse
from weightfill._initializers.structured import Dirac, Identity
from weightfill._run.float_mode import in_float_mode
from weightfill._run.lapack import lapack
from weightfill._run.threads import threads_for
from weightfill._tensor import Filler
from weightfill._tensor import Tensor as DefinedTensor
from weightfill.torch._fill import fill_views
from weightfill.torch._memory import torch_threads
from weightfill.torch._nn_init.originals import originals
from weightfill.torch._views import View, is_plain, numpy_dtype, views_of

_FAR = "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect."
_NOT_OURS = (TypeError, ValueError, OverflowError, RuntimeError)  # the last: a tensor without a shape


def filled(tensor: Tensor, name: str, arguments: tuple[Any, ...], key: Callable[[], int | None]) -> bool:
    """Fill a tensor as the function of this name does; False, with nothing done, if that is torch's business.

    Torch's are the tensors, arguments and laws that weightfill cannot fill, and all errors. `key` gives the seed, or
    None where there is none.
    """
    drawing = _drawing_of(tensor, name, arguments)
    views = None if drawing is None else _writable_views(tensor)
    seed = None if views is None else key()
    if drawing is None or views is None or seed is None:
        return False
    if drawing.warning:
        warn(drawing.warning)
    fill_views(tensor, views, drawing.defined._seeded(seed))
    return True


def as_torch(tensor: Tensor, name: str, arguments: tuple[Any, ...], *generator: Generator | None) -> Tensor:
    """Let torch's own function of this name fill a tensor, and return it."""
    if name.startswith("kaiming") and is_plain(tensor) and 0 in tensor.shape:
        warn("Initializing zero-element tensors is a no-op")  # as torch does, but where the caller's line is
        return tensor
    result: Tensor = originals[name](tensor, *arguments, *generator)
    return result


def threads_of(size: int) -> int:
    """Return the number of threads that fill a plain tensor of so many elements."""
    return threads_for(size, torch_threads(size, None))


def initializer_of_call(name: str, arguments: tuple[Any, ...], shape: tuple[int, ...]) -> Initializer | None:
    """Return what a call draws for a tensor of a shape without zeros; None if torch refuses it or nobody knows it."""
    try:
        return _said_by(name.rpartition(".")[2], shape, *map(_plain, arguments))
    except _NOT_OURS:
        return None


@lru_cache(maxsize=4096, typed=True)
def _said_by(name: str, shape: tuple[int, ...], *arguments: Any) -> Initializer | None:
    init = _initializer(name, arguments, shape)
    if init is not None and init.whole() is None:
        init.law(shape)
    return init


class _Drawing(NamedTuple):
    defined: DefinedTensor  # of any seed
    filler: Filler | None  # None if it is made in one piece, and not in its own memory
    warning: str


def _drawing_of(tensor: Tensor, name: str, arguments: tuple[Any, ...]) -> _Drawing | None:
    """Return what a call draws; None if that is torch's business."""
    try:
        if not all(type(argument) in (float, int, str) for argument in arguments):
            if name.startswith("kaiming"):  # whose slope torch takes from no other type
                return None
            arguments = tuple(map(_plain, arguments))
        return _drawing(tensor.shape, tensor.dtype, name, *arguments)
    except _NOT_OURS:
        return None


def _plain(argument: Any) -> float | int | str:
    """Return an argument that torch takes for a number as one."""
    if isinstance(argument, bool | np.bool_):
        raise TypeError
    if isinstance(argument, Tensor) and argument.ndim == 0 and not argument.requires_grad:
        return float(argument)
    if isinstance(argument, np.floating | np.integer):
        return float(argument)
    if isinstance(argument, float | int | str):
        return argument
    raise TypeError


@lru_cache(maxsize=4096, typed=True)
def _drawing(shape: tuple[int, ...], dtype: torch.dtype, name: str, *arguments: Any) -> _Drawing | None:
    name = name.rpartition(".")[2]  # a method's, or a function's of another library
    kind = numpy_dtype(dtype)
    init = None if kind is None or 0 in shape else _initializer(name, arguments, shape)
    if kind is None or init is None:
        return None
    warning = ""
    if name == "uniform_" and arguments[1] - arguments[0] > CORE_DTYPES[kind].largest:
        return None
    if name.startswith("trunc_normal_"):
        mean, std, low, high = arguments if name == "trunc_normal_" else (0, 1, *arguments[2:])
        warning = _FAR if mean < low - 2 * std or mean > high + 2 * std else ""
    defined = DefinedTensor(shape, init, seed=0, dtype=kind)
    if isinstance(init, Orthogonal) and kind in (np.float32, np.float64):
        return _Drawing(defined, _orthogonal_filler(init.gain, defined), warning)
    return _Drawing(defined, defined._filler(), warning)


def filler_of(
    shape: tuple[int, ...], dtype: torch.dtype, name: str, arguments: tuple[float | int | str, ...]
) -> Filler | None:
    """Return what fills a plain tensor in C order; None if nothing does, or a warning comes first."""
    try:
        drawing = _drawing(shape, dtype, name, *arguments)
    except _NOT_OURS:
        return None
    return None if drawing is None or drawing.warning else drawing.filler


def _orthogonal_filler(gain: float, defined: DefinedTensor) -> Filler:
    """Return what makes a tensor in its own memory, in the dtype in which Orthogonal is computed."""
    draw = defined._with(Normal())._filler()
    assert draw is not None  # as for all that is drawn element by element
    orthonormalize, rows, columns = lapack().orthonormalize_memory, defined.shape[0], math.prod(defined.shape[1:])
    itemsize = defined.dtype.itemsize

    def fill(address: int, seed: int, threads: int) -> None:
        draw(address, seed, threads)
        orthonormalize(address, rows, columns, itemsize, gain, threads)

    return fill


@in_float_mode
def _initializer(name: str, arguments: tuple[Any, ...], shape: tuple[int, ...]) -> Initializer | None:
    match name, *arguments:
        case "uniform_", low, high:
            return Uniform(low, high) if low != high else Constant(low)
        case "normal_", mean, std:
            return Normal(mean, std)
        case "trunc_normal_", mean, std, low, high if std > 0:
            return TruncatedNormal(mean, std, low=low, high=high) if low != high else Constant(low)
        case "trunc_normal_tf_", mean, std, low, high if std > 0 and low < high:  # timm's, bounds in std
            return TruncatedNormal(mean, std, low=mean + low * std, high=mean + high * std)
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
        case (("kaiming_uniform_" | "kaiming_normal_"), slope, mode, nonlinearity) if mode.lower() != "fan_avg":
            scale = calculate_gain(nonlinearity, slope) ** 2
            return VarianceScaling(scale, mode.lower(), "normal" if name == "kaiming_normal_" else "uniform")
        case "orthogonal_", gain if len(shape) > 1:
            return Orthogonal(gain)
        case "sparse_", sparsity, std if len(shape) == 2:
            zeros = math.ceil(sparsity * shape[0])
            if 0 < zeros < shape[0]:
                return Sparse(shape[0] - zeros, std, axis=0)
            return Normal(0, std) if zeros <= 0 else Zeros()
    return None


def _writable_views(tensor: Tensor) -> list[View] | None:
    """Return what is to be filled; None if it cannot be filled."""
    try:
        views = views_of(tensor)
        for view in views or ():
            writable_memory(view.array, "tensor")
    except ValueError:  # elements that share memory, or a DTensor whose parts are sums
        return None
    return views


def warn(text: str) -> None:
    """Warn where the caller's line is, though it came through this package or torch's functions."""
    inside = (str(Path(__file__).parent), str(torch.nn.init.__file__))
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)
