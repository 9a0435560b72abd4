"""Redirecting torch.nn.init to weightfill for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType
from typing import Any

from weightfill.torch import init
from weightfill.torch.own import own, torch_functions

_is_patched: ContextVar[bool] = ContextVar("weightfill.torch.patched", default=False)
_lock = threading.Lock()
_blocks = 0  # how many are open, of all threads; guarded by the lock
_codes: dict[str, CodeType] = {}  # what torch's functions ran before the first of them; guarded by the lock


@contextmanager
def patched() -> Iterator[None]:
    """Let every use of torch.nn.init go through weightfill, as long as the block runs.

    That is every call of its functions, also by torch's modules and by libraries that took hold of the functions
    before: the functions stay the same objects, and run other code. What weightfill cannot fill, such as tensors on
    other devices or of integers, is filled by torch as ever. The seed is that of `torch.manual_seed`.

    It holds for the thread, or asyncio task, that entered it, and for what it calls; threads started within do not
    inherit it, and all others have torch's values throughout. Blocks may be nested. When the last one ends, also by an
    exception, torch.nn.init is as it was. It serves as a decorator, too.

    >>> import torch
    >>> import weightfill.torch
    >>> _ = torch.manual_seed(0)
    >>> with weightfill.torch.patched():
    ...     model = torch.nn.Transformer(d_model=32, nhead=4, dim_feedforward=64, batch_first=True)
    """
    _enter()
    token = _is_patched.set(True)
    try:
        yield
    finally:
        _is_patched.reset(token)
        _leave()


def _enter() -> None:
    global _blocks
    with _lock:
        if _blocks == 0:
            for name, function in torch_functions.items():
                _codes[name] = function.__code__
                function.__code__ = _code(name)
        _blocks += 1


def _leave() -> None:
    global _blocks
    with _lock:
        _blocks -= 1
        if _blocks == 0:
            for name, code in _codes.items():
                torch_functions[name].__code__ = code
            _codes.clear()


def redirected(name: str, *args: Any, **kwargs: Any) -> Any:
    """Call weightfill's function of this name if this context is patched, torch's own otherwise."""
    return (getattr(init, name) if _is_patched.get() else own[name])(*args, **kwargs)


def _template(*args: Any, **kwargs: Any) -> Any:  # runs among torch's globals, hence the import
    from weightfill.torch.patching import redirected

    return redirected("name", *args, **kwargs)


def _code(name: str) -> CodeType:
    """Return the code that redirects torch's function of this name."""
    code = _template.__code__
    constants = tuple(name if constant == "name" else constant for constant in code.co_consts)
    return code.replace(co_consts=constants, co_name=name)
