"""Redirecting torch.nn.init, and what libraries draw without it, to weightfill or to a recording for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FunctionType
from typing import Any, TypeAlias

import torch
from torch import Tensor

from weightfill._run.blocks import Blocks
from weightfill.torch._drawn import drawn
from weightfill.torch._nn_init import functions as init
from weightfill.torch._nn_init import methods
from weightfill.torch._nn_init.copies import loaded_copies
from weightfill.torch._nn_init.originals import (
    ASSIGNING,
    DISPATCHING,
    LOOKING,
    READING,
    REGISTERING,
    originals,
    register_parameter,
    torch_functions,
)

Taker: TypeAlias = Callable[..., Any]  # of the name of a function and its arguments


@contextmanager
def patched() -> Iterator[None]:
    """Inside the block, weightfill draws the values of torch.nn.init, of `tensor.normal_` and of `tensor.uniform_`.

    This includes calls by torch's own modules, and by libraries that did `from torch.nn.init import ...` earlier: the
    function objects are patched in place. It also includes the copies of `trunc_normal_` in timm and other libraries,
    if their modules are loaded when the block is entered. torch still fills what weightfill cannot, such as tensors on
    other devices or of integers. The seed is that of `torch.manual_seed`.

    The block affects only the thread or asyncio task that entered it. Threads started within do not inherit it. Blocks
    may be nested and may end in any order. When the last one ends, also by an exception, everything is restored.
    `patched()` can also be used as a decorator.

    >>> import torch
    >>> import weightfill.torch
    >>> _ = torch.manual_seed(0)
    >>> with weightfill.torch.patched():
    ...     model = torch.nn.Transformer(d_model=32, nhead=4, dim_feedforward=64, batch_first=True)
    """
    with _blocks.opened(None):
        yield


@contextmanager
def taken_by(taker: Taker) -> Iterator[None]:
    """Inside the block, the functions that `patched` redirects call this one instead, also within `patched`.

    So does `register_parameter` of modules; and what it returns for a tensor and what is assigned to its `data` is
    assigned instead, and what it returns for a tensor on meta is its `device`. It is told of `numpy` and
    `tolist`.

    Raises:
        RuntimeError: another such block is open in this thread or task.
    """
    if _taker() is not None:
        raise RuntimeError(
            "recording() must not be within another recording of this thread, got one that is open; use that one"
        )
    with _blocks.opened(taker):
        yield


def _is_patched() -> bool:
    """Whether this thread or task is within `patched`."""
    return None in _blocks.here()


def _taker() -> Taker | None:
    """Return what takes the calls of this thread or task instead; None where nothing does."""
    return next((taker for taker in _blocks.here() if taker is not None), None)


def _taken(tensor: Tensor, value: Tensor) -> Tensor:
    """Return what is assigned to `tensor.data` where this is assigned."""
    taker = _taker()
    return value if taker is None else taker(ASSIGNING, tensor, value)


def _device(tensor: Tensor) -> torch.device:
    """Return what is told of the device of a tensor."""
    taker = _taker() if tensor.is_meta else None
    found: torch.device = torch._C.TensorBase.device.__get__(tensor) if taker is None else taker(READING, tensor)
    return found


def _looked(tensor: Tensor, name: str) -> None:
    """Tell what takes the calls that values of a tensor are read."""
    taker = _taker()
    if taker is not None:
        taker(LOOKING, tensor, name)


_METHODS = methods.redirecting(_is_patched)
_RECORDED = methods.assigning(_taken) | methods.reading(_device) | methods.looking(_looked)
_redirected: dict[FunctionType, CodeType] = {}  # functions, with the code that they had; of one thread at a time


def _redirect(takers: list[Taker | None]) -> None:
    """Let torch's functions, and the copies in loaded modules, run other code, and tensors have other methods."""
    functions = {**torch_functions, **loaded_copies()}
    if any(taker is not None for taker in takers):
        functions[REGISTERING] = register_parameter
        methods.put(_RECORDED)
    for name, function in functions.items():
        if function not in _redirected:
            _redirected[function] = function.__code__
            function.__code__ = _redirecting(name, function.__code__)
    methods.put(_METHODS)


def _restore() -> None:
    """Give the functions their own code again, and tensors their own methods."""
    methods.remove(_METHODS)
    methods.remove(_RECORDED)
    for function, code in list(_redirected.items()):
        function.__code__ = code
        del _redirected[function]


_blocks = Blocks("weightfill.torch.patched", _redirect, _restore)  # with what takes the calls in a recording


def redirected(name: str, *arguments: Any) -> Any:
    """Call weightfill's function of this name if this context is patched, otherwise the original.

    Where a TorchFunctionMode is active, the original tells it of the call. If the mode then calls the function, that
    call comes here again, without the mode.
    """
    if name == REGISTERING:
        return originals[name](*arguments) if (taker := _taker()) is None else taker(name, *arguments)
    is_told = name in DISPATCHING and torch.overrides.has_torch_function_variadic(arguments[0])
    taker = None if is_told else _taker()
    if taker is not None:
        return taker(name, *arguments)
    if is_told or not _is_patched():
        return originals[name](*arguments)
    if name in torch_functions:
        return getattr(init, name)(*arguments)
    tensor, *numbers = arguments
    return drawn(tensor, name, tuple(numbers), None)


@cache
def _redirecting(name: str, code: CodeType) -> CodeType:
    """Return code that calls `redirected`, with the parameters of this code, in whose place it runs.

    Its globals are those of the library whose function it is, so it imports what it calls.
    """
    arguments = ", ".join(code.co_varnames[: code.co_argcount])
    source = (
        f"def {code.co_name}({arguments}):\n"
        "    from weightfill.torch._nn_init.patching import redirected\n"
        f"    return redirected({name!r}, {arguments})\n"
    )
    namespace: dict[str, Any] = {}
    exec(compile(source, __file__, "exec"), namespace)
    redirecting: CodeType = namespace[code.co_name].__code__
    return redirecting
