"""Copies of an older torch.nn.init.trunc_normal_, and timm's variant of it, in the modules of other libraries.

They draw a uniform tensor and take it through `erfinv_`: four more passes, of which weightfill needs none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

from weightfill.torch._nn_init.originals import copy_of, originals

_NAMES = ("trunc_normal_", "trunc_normal_tf_")  # bounds as values, and in standard deviations
_PARAMETERS = ("tensor", "mean", "std", "a", "b")


def loaded_copies() -> dict[str, FunctionType]:
    """Return the copies in modules that are loaded now, by the names under which `originals` has what they do."""
    found: dict[str, FunctionType] = {}
    for module in list(sys.modules.values()):
        if not issubclass(type(module), ModuleType):
            continue
        contents = object.__getattribute__(module, "__dict__")  # past __getattr__, by which lazy modules load more
        for name in _NAMES:
            function = contents.get(name)
            if isinstance(function, FunctionType) and _is_copy(function):
                found[f"{function.__module__}.{name}"] = function
    for name, function in found.items():
        originals[name] = _without_generator(copy_of(function))
    return found


def _without_generator(function: FunctionType) -> Callable[..., Any]:
    return lambda *arguments: function(*arguments[: len(_PARAMETERS)])


def _is_copy(function: FunctionType) -> bool:
    code = function.__code__
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if parameters != _PARAMETERS or code.co_kwonlyargcount or code.co_freevars:
        return False
    called = (function.__globals__.get(name) for name in code.co_names)
    codes = [code, *(other.__code__ for other in called if isinstance(other, FunctionType))]
    return any(map(_draws_by_quantiles, codes))


def _draws_by_quantiles(code: CodeType) -> bool:
    return {"uniform_", "erfinv_"} <= set(code.co_names)
