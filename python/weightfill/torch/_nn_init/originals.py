"""The functions that `patched` redirects, torch's and other libraries', as they were before."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from torch.nn import Module, init

from weightfill._arguments.messages import shown

NAMES = (
    "uniform_",
    "normal_",
    "trunc_normal_",
    "constant_",
    "ones_",
    "zeros_",
    "eye_",
    "dirac_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "orthogonal_",
    "sparse_",
)
DISPATCHING = ("uniform_", "normal_", "constant_", "kaiming_uniform_")  # those that call `__torch_function__`


def _torch_function(name: str) -> FunctionType:
    """Return torch's function of this name.

    Raises:
        ImportError: another library has put its own in its place.
    """
    function = getattr(init, name)
    code = function.__code__ if isinstance(function, FunctionType) else None
    if code is None or (code.co_filename, code.co_name) != (init.__file__, name):
        raise ImportError(
            f"torch.nn.init.{name} must be torch's own when weightfill.torch is imported, got {shown(function)}; "
            "import weightfill.torch first, or outside of the block that replaces it"
        )
    found: FunctionType = function
    return found


def copy_of(function: FunctionType) -> FunctionType:
    """Return a function that goes on running the code which this one has now."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


torch_functions = {name: _torch_function(name) for name in NAMES}
# They take the arguments of `drawn`. The keys of tensors' methods and other libraries' functions are qualified names.
originals: dict[str, Callable[..., Any]] = {name: copy_of(function) for name, function in torch_functions.items()}

REGISTERING = "torch.nn.Module.register_parameter"
register_parameter: FunctionType = Module.register_parameter  # which others, such as accelerate, replace for a while
originals[REGISTERING] = copy_of(register_parameter)

ASSIGNING = "torch.Tensor.data"  # that something is assigned to it
READING = "torch.Tensor.device"  # that somebody asks for it
LOOKING = "torch.Tensor.numpy"  # that its values, or those of `tolist`, leave torch
