"""weightfill for torch: the functions of torch.nn.init, modules, DTensors.

>>> import torch
>>> import weightfill.torch
>>> with weightfill.torch.patched():
...     layer = torch.nn.Linear(4, 2)
"""

try:
    import torch as _torch  # noqa: F401  # to see whether it is there
except ModuleNotFoundError as error:
    raise ImportError("weightfill.torch needs torch: pip install 'weightfill[torch]'") from error

from importlib import import_module
from typing import TYPE_CHECKING

from torch.nn.init import calculate_gain

from weightfill._scaled_plan import LayerScale, ScaledPlan
from weightfill.torch._embeddings import InitFn, init_fn
from weightfill.torch._fill import fill
from weightfill.torch._init import (
    constant_,
    dirac_,
    eye_,
    kaiming_normal_,
    kaiming_uniform_,
    normal_,
    ones_,
    orthogonal_,
    sparse_,
    trunc_normal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)
from weightfill.torch._inspection import explain, verify
from weightfill.torch._lsuv import lsuv
from weightfill.torch._modules import initialize, materialize
from weightfill.torch._patching import patched
from weightfill.torch._recording import Recorded, recording
from weightfill.torch._weight_norm import normalize_units

if TYPE_CHECKING:
    from weightfill.torch._propagation import propagation

__all__ = [
    "InitFn",
    "LayerScale",
    "Recorded",
    "ScaledPlan",
    "calculate_gain",
    "constant_",
    "dirac_",
    "explain",
    "eye_",
    "fill",
    "init_fn",
    "initialize",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lsuv",
    "materialize",
    "normal_",
    "normalize_units",
    "ones_",
    "orthogonal_",
    "patched",
    "propagation",
    "recording",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "verify",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def __getattr__(name: str) -> object:
    if name == "propagation":  # which needs weightfill.signals, whose SciPy takes ten times as long to import
        return import_module("weightfill.torch._propagation").propagation
    raise AttributeError(f"weightfill.torch has no attribute {name!r}")
