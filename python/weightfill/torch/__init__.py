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
from weightfill.torch._inspection import explain, verify
from weightfill.torch._modules import initialize, materialize
from weightfill.torch._nn_init.functions import (
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
from weightfill.torch._nn_init.patching import patched
from weightfill.torch._recording import Recorded, recording
from weightfill.torch._signals.lsuv import lsuv
from weightfill.torch._signals.weight_norm import normalize_units

if TYPE_CHECKING:
    from weightfill.torch._plan_reader import PlanReader
    from weightfill.torch._signals.propagation import propagation

__all__ = [
    "InitFn",
    "LayerScale",
    "PlanReader",
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

# What takes several times as long to import as all others: SciPy of weightfill.signals, and torch's checkpoints.
_IMPORTED_LATER = {"PlanReader": "_plan_reader", "propagation": "_signals.propagation"}


def __getattr__(name: str) -> object:
    if name in _IMPORTED_LATER:
        return getattr(import_module(f"weightfill.torch.{_IMPORTED_LATER[name]}"), name)
    raise AttributeError(f"weightfill.torch has no attribute {name!r}")
