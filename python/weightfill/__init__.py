"""Fills existing buffers with the initial weights of neural networks, at the speed of memory.

The value of an element depends on (initializer, seed, stream, index of the element in the whole tensor) and on nothing
else: not on threads, instruction set, strides or alignment of the target, nor on the part of a tensor that is filled.
"""

from importlib import import_module
from importlib.metadata import version

from weightfill import targets as _targets
from weightfill._bit_generator import PhiloxBitGenerator
from weightfill.checkpoint_verification import CheckpointVerification, TensorVerification, verify_checkpoint
from weightfill.fans import LAYOUTS, Fans, Layout, fans
from weightfill.fill import create, fill, fill_rows
from weightfill.gains import gain
from weightfill.initializers import Constant, Initializer, Normal, Ones, TruncatedNormal, Uniform, WholeTensor, Zeros
from weightfill.names import attribute_meant
from weightfill.orthogonal import DeltaOrthogonal, Orthogonal
from weightfill.plan import Plan
from weightfill.rules import Rule
from weightfill.schemes import (
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
    VarianceScaling,
    XavierNormal,
    XavierUniform,
)
from weightfill.sparse import Sparse, create_csr
from weightfill.structured import DepthScaled, Dirac, Identity, Padded
from weightfill.threads import get_threads, set_threads
from weightfill.verify import Verification, verify

__version__ = version("weightfill")
__all__ = [
    "LAYOUTS",
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
    "Layout",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Ones",
    "Orthogonal",
    "Padded",
    "PhiloxBitGenerator",
    "Plan",
    "Rule",
    "ScaledNormal",
    "Sparse",
    "StandardUniform",
    "TensorVerification",
    "TruncatedNormal",
    "Uniform",
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

_targets.activate_from_environment()

# dask.array.random looks for them in the package that a bit generator is of, as if it were an array library.
_NUMPY = ("arange", "array", "random")
_FRAMEWORKS = ("dask", "jax", "keras", "torch")  # imported when they are first used


def __dir__() -> list[str]:
    return sorted([*__all__, *_FRAMEWORKS, "__version__"])


def __getattr__(name: str) -> object:
    if name in _FRAMEWORKS:
        return import_module(f"weightfill.{name}")
    if name in _NUMPY:
        return getattr(import_module("numpy"), name)
    raise AttributeError(f"weightfill has no attribute {name!r}{attribute_meant(name, __all__)}")
