"""Code as a user of type checkers has it; the step `lint` of .ci/run checks it with mypy --strict."""

import numpy as np
import numpy.typing as npt

import weightfill
import weightfill as wf
from weightfill import *  # noqa: F403  # as every name must have its type
from weightfill import Plan, Tensor
from weightfill.typing import InitializerLike

init: InitializerLike = wf.TruncatedNormal(std=0.02)
table: npt.NDArray[np.float32] = wf.fill(np.empty((4, 2), np.float32), init, seed=42)
same: wf.Verification = wf.verify(table, Normal(std=0.02), seed=42)  # noqa: F405
plan: Plan = Plan({"*": wf.KaimingNormal(), "*.bias": weightfill.Zeros()}, seed=42)
part: npt.NDArray[np.generic] = Tensor((10, 2), wf.Ones())[2:4]
version: str = wf.__version__
wf.no_such_name  # type: ignore[attr-defined]  # noqa: B018
wf.create(3, 42)  # type: ignore[arg-type]
