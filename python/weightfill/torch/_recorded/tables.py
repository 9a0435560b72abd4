"""Which initializer says a table of numbers that a module has computed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from weightfill._initializers.base import Floats, Initializer
from weightfill._initializers.structured import Identity
from weightfill._initializers.tables import FORMS, AlibiSlopes, Arange, LogRange, Sinusoid
from weightfill._initializers.values import Values
from weightfill._tensor import Tensor as DefinedTensor
from weightfill.torch._views import numpy_dtype

_NEAR = 3e-4  # of the largest value, by which computing in float32 may be off, as the angles of Whisper


def table_of(values: Tensor) -> Initializer | None:
    """Return the table with exactly these values, which are not all equal; None if there is none."""
    return next((table for table in _candidates(_numbers(values)) if _is(table, values, 0.0)), None)


def near_table(values: Tensor) -> Initializer | None:
    """Return the table whose values are these but for what is lost where they are computed in float32."""
    return next((table for table in _candidates(_numbers(values)) if _is(table, values, _NEAR)), None)


def values_of(values: Tensor) -> Values:
    """Return the numbers themselves, each once along axes where all are the same."""
    return Values(_once(_numbers(values)))


def _numbers(values: Tensor) -> Floats:
    numbers: Floats = values.to(torch.float64).numpy()
    return numbers


def _once(numbers: Floats) -> Floats:
    for axis in range(numbers.ndim):
        first = numbers.take([0], axis)
        numbers = first if (numbers == first).all() else numbers
    return numbers


def _candidates(numbers: Floats) -> Iterator[Initializer]:
    """Yield tables that begin as the numbers do."""
    once = _once(numbers)
    axes = [axis - once.ndim for axis, length in enumerate(once.shape) if length > 1]
    if len(axes) == 1:
        line = once.reshape(-1)
        first, step = float(f"{line[0]:.7g}"), float(f"{line[1] - line[0]:.7g}")
        yield Arange(first, step, axis=axes[0])
        if 0 <= line[0] < 30:
            yield LogRange(float(f"{np.exp(line[0]):.7g}"), axis=axes[0])
        yield AlibiSlopes(axes[0])
    elif axes == [-2, -1]:
        if numbers.ndim == 2 and once[0, 0]:
            yield Identity(float(f"{once[0, 0]:.7g}"))
        yield from (Sinusoid(form=form) for form in FORMS)


def _is(table: Initializer, values: Tensor, near: float) -> bool:
    """Whether a table has these values; `near` is by how much of the largest they may be off."""
    numbers, dtype = _numbers(values), numpy_dtype(values.dtype)
    assert dtype is not None  # as of all tensors that are filled
    try:
        tensor = DefinedTensor(tuple(values.shape), table, dtype=dtype)
    except ValueError:
        return False
    for part in ((slice(0, 3),) * numbers.ndim, (slice(None),) * numbers.ndim):  # most are told by the first elements
        made = np.asarray(tensor[part]).astype(np.float64)
        if not np.allclose(made, numbers[part], rtol=0, atol=near * float(np.abs(numbers).max())):
            return False
    return True
