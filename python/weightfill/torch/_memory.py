"""The memory of torch tensors as arrays, and the threads that work on it."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from weightfill._run.threads import threads_within
from weightfill.torch._refusals import stand_in, unfillable
from weightfill.torch._views import array_of, is_in_parts


def torch_threads(size: int, threads: int | None) -> int | None:
    """Return the argument `threads` for a torch tensor: no default is more than torch's number of threads."""
    return threads_within(torch.get_num_threads, size, threads)


def array_to_read(tensor: Any, argument: str) -> npt.NDArray[Any]:
    """Return the array that shares the memory of a tensor of torch's.

    Raises:
        ValueError: there is none, or its parts have places of their own.
    """
    with torch.inference_mode():  # whose tensors can be read anywhere
        return _array(tensor, argument, reading=True)


def array_to_write(tensor: Any, argument: str) -> npt.NDArray[Any]:
    """Return the array that shares the memory of a tensor of torch's, of which autograd learns that it changes."""
    array = _array(tensor, argument, reading=False)
    increment_version(tensor)
    return array


def _array(tensor: Tensor, argument: str, *, reading: bool) -> npt.NDArray[Any]:
    refusal = stand_in(tensor, reading=reading)
    array = None if refusal or is_in_parts(tensor) else array_of(tensor)
    if array is not None:
        return array
    if refusal is None and is_in_parts(tensor):
        kind = type(tensor).__name__
        raise ValueError(f"{argument} must be held whole by this process, got a {kind}; pass its local parts")
    raise ValueError((refusal or unfillable(tensor)).text(argument))
