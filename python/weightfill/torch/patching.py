"""Redirecting torch.nn.init to weightfill for a while."""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType
from typing import Any

import torch

from weightfill.torch import init
from weightfill.torch.own import DISPATCHING, own, torch_functions


class _Block:
    """An open `patched`."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.is_open = True


_blocks: ContextVar[tuple[_Block, ...]] = ContextVar("weightfill.torch.patched", default=())
_lock = threading.Lock()
_open: set[_Block] = set()  # of all threads; guarded by the lock


@contextmanager
def patched() -> Iterator[None]:
    """Let every use of torch.nn.init go through weightfill, as long as the block runs.

    That is every call of its functions, also by torch's modules and by libraries that took hold of the functions
    before: the functions stay the same objects, and run other code. What weightfill cannot fill, such as tensors on
    other devices or of integers, is filled by torch as ever. The seed is that of `torch.manual_seed`.

    It holds for the thread, or asyncio task, that entered it, and for what it calls; threads started within do not
    inherit it, and all others have torch's values throughout. Blocks may be nested, and end in any order. When the
    last one ends, also by an exception, torch.nn.init is as it was. It serves as a decorator, too.

    >>> import torch
    >>> import weightfill.torch
    >>> _ = torch.manual_seed(0)
    >>> with weightfill.torch.patched():
    ...     model = torch.nn.Transformer(d_model=32, nhead=4, dim_feedforward=64, batch_first=True)
    """
    block = _Block()
    try:
        with _lock:
            _open.add(block)
            _run(_REDIRECTING)
        _blocks.set((*(other for other in _blocks.get() if other.is_open), block))
        yield
    finally:
        block.is_open = False
        with _lock:
            _open.discard(block)
            if not _open:
                _run(_TORCHS)


def _run(codes: dict[str, CodeType]) -> None:
    """Let torch's functions run these codes."""
    for name, code in codes.items():
        torch_functions[name].__code__ = code


def redirected(name: str, *arguments: Any) -> Any:
    """Call weightfill's function of this name if this context is patched, torch's own otherwise.

    Where a TorchFunctionMode is told of the call, torch's own tells it; what it hands on comes back here without it.
    """
    is_told = name in DISPATCHING and torch.overrides.has_torch_function_variadic(arguments[0])
    is_ours = not is_told and any(block.is_open for block in _blocks.get())
    return (getattr(init, name) if is_ours else own[name])(*arguments)


def _redirecting(name: str) -> CodeType:
    """Return code with the parameters of torch's function of this name, which runs among torch's globals."""
    arguments = ", ".join(inspect.signature(torch_functions[name]).parameters)
    source = (
        f"def {name}({arguments}):\n"
        "    from weightfill.torch.patching import redirected\n"
        f"    return redirected({name!r}, {arguments})\n"
    )
    namespace: dict[str, Any] = {}
    exec(compile(source, __file__, "exec"), namespace)
    code: CodeType = namespace[name].__code__
    return code


_TORCHS = {name: function.__code__ for name, function in torch_functions.items()}
_REDIRECTING = {name: _redirecting(name) for name in torch_functions}


def _after_fork() -> None:
    """Forget, in a child process, the blocks of threads that it does not have, and a lock that one of them held."""
    global _lock
    _lock = threading.Lock()
    for block in [block for block in _open if block.thread != threading.get_ident()]:
        _open.discard(block)
    _run(_REDIRECTING if _open else _TORCHS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
