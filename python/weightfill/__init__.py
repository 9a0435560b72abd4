"""Initializes the weights of neural networks in memory that exists, nearly as fast as it can be written.

The value of an element depends on (initializer, seed, stream, index of the element in the full tensor) and on nothing
else: not on the number of threads, the CPU, the layout of the memory, or the part of a tensor that is filled.

PYTEST_DONT_REWRITE: as the package brings a plugin, pytest would warn where it was imported before pytest began.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weightfill import _core  # first, as it says why a subinterpreter cannot import it
from weightfill._initializers import ROOMS as _ROOMS
from weightfill._run import isa as _isa

if TYPE_CHECKING:  # the same as `_MODULES` has
    from weightfill._bit_generator import PhiloxBitGenerator
    from weightfill._checkpoints.verification import CheckpointVerification, TensorVerification, verify_checkpoint
    from weightfill._csr import create_csr
    from weightfill._fill import create, fill, fill_rows, verify
    from weightfill._initializers.base import Initializer, WholeTensor
    from weightfill._initializers.blocks import Blocks
    from weightfill._initializers.fans import LAYOUTS, Fans, Layout, fans
    from weightfill._initializers.gains import gain
    from weightfill._initializers.keep_values import KeepValues
    from weightfill._initializers.laplace import Laplace
    from weightfill._initializers.laws import Constant, Normal, Ones, TruncatedNormal, Uniform, Zeros
    from weightfill._initializers.layers import LayerScaled
    from weightfill._initializers.log_uniform import LogUniform
    from weightfill._initializers.mup import MuP
    from weightfill._initializers.orthogonal import DeltaOrthogonal, Orthogonal
    from weightfill._initializers.padded import Padded
    from weightfill._initializers.repeated import Repeat
    from weightfill._initializers.rotary import Rotary
    from weightfill._initializers.scaling import VarianceScaling
    from weightfill._initializers.schemes import (
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        KaimingNormal,
        KaimingUniform,
        LecunNormal,
        LecunUniform,
        ScaledNormal,
        StandardUniform,
        XavierNormal,
        XavierUniform,
    )
    from weightfill._initializers.sparse import Sparse
    from weightfill._initializers.structured import DepthScaled, Dirac, Identity, Scaled
    from weightfill._initializers.tables import AlibiSlopes, Arange, LogRange, Sinusoid
    from weightfill._initializers.values import Values
    from weightfill._models.rules import Rule
    from weightfill._plan import Plan
    from weightfill._run.threads import get_threads, set_threads
    from weightfill._tensor import Tensor
    from weightfill._verification import Verification

    __version__: str

__all__ = [
    "LAYOUTS",
    "AlibiSlopes",
    "Arange",
    "Blocks",
    "CheckpointVerification",
    "Constant",
    "DeltaOrthogonal",
    "DepthScaled",
    "Dirac",
    "Fans",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "KaimingNormal",
    "KaimingUniform",
    "KeepValues",
    "Laplace",
    "LayerScaled",
    "Layout",
    "LecunNormal",
    "LecunUniform",
    "LogRange",
    "LogUniform",
    "MuP",
    "Normal",
    "Ones",
    "Orthogonal",
    "Padded",
    "PhiloxBitGenerator",
    "Plan",
    "Repeat",
    "Rotary",
    "Rule",
    "Scaled",
    "ScaledNormal",
    "Sinusoid",
    "Sparse",
    "StandardUniform",
    "Tensor",
    "TensorVerification",
    "TruncatedNormal",
    "Uniform",
    "Values",
    "VarianceScaling",
    "Verification",
    "WholeTensor",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
    "create",
    "create_csr",
    "fans",
    "fill",
    "fill_rows",
    "gain",
    "get_threads",
    "set_threads",
    "verify",
    "verify_checkpoint",
]

_isa.activate_from_environment()

# What has each name; imported when one of them is first used, so that `import weightfill` takes little more time than
# `import numpy`.
_MODULES = {
    "_bit_generator": ("PhiloxBitGenerator",),
    "_checkpoints.verification": ("CheckpointVerification", "TensorVerification", "verify_checkpoint"),
    "_csr": ("create_csr",),
    "_fill": ("create", "fill", "fill_rows", "verify"),
    "_models.rules": ("Rule",),
    "_plan": ("Plan",),
    "_run.threads": ("get_threads", "set_threads"),
    "_tensor": ("Tensor",),
    "_verification": ("Verification",),
    **{f"_initializers.{room}": names for room, names in _ROOMS.items()},
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}

# dask.array.random looks for them in the package that a bit generator is of, as if it were an array library.
_NUMPY = ("arange", "array", "random")
_LATER = ("benchmark", "dask", "jax", "keras", "signals", "torch")  # imported when they are first used


def _imported(module: str) -> Any:
    """Import a module of the package; its constants are the same in whatever mode others have left the processor."""
    return _core.in_float_mode(import_module, (f"weightfill.{module}",))


def __dir__() -> list[str]:
    return sorted([*__all__, *_LATER, "__version__"])


if not TYPE_CHECKING:  # or no misspelt name would be found

    def __getattr__(name: str) -> object:
        if name in _PLACES:
            value: object = getattr(_imported(_PLACES[name]), name)
            globals()[name] = value  # from now on found without this function
            return value
        if name in _LATER:
            return _imported(name)
        if name == "__version__":
            return import_module("importlib.metadata").version("weightfill")
        if name in _NUMPY:
            return getattr(import_module("numpy"), name)
        meant = _imported("_initializers.names").attribute_meant(name, __all__)
        raise AttributeError(f"weightfill has no attribute {name!r}{meant}")
