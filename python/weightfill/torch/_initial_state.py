"""What every tensor of a model's state holds before training: drawn by a plan, kept in memory, or zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from weightfill._checkpoints.ranges import boxes_of
from weightfill._initializers.keep_values import KeepValues
from weightfill._models.assignment import drawn_by, tensors_of
from weightfill._models.manifest import Specs
from weightfill._plan import Plan
from weightfill._tensor import Tensor as DefinedTensor
from weightfill.torch._memory import torch_threads
from weightfill.torch._views import array_of, numpy_dtype

_BLOCK_BYTES = 16 << 20  # of what is made on the CPU and copied to another device
Told = Callable[[int, int], object]


class Initial(Protocol):
    """What a tensor holds before training, of which any window can be written."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of it."""

    @property
    def dtype(self) -> torch.dtype:
        """That the model has."""

    def fits(self, dtype: torch.dtype) -> bool:
        """Whether a tensor of this dtype can hold it."""

    def write(self, tensor: Tensor, start: tuple[int, ...], threads: int | None, progress: Told | None) -> None:
        """Give a tensor the values of the window that begins at `start`."""


class Drawn:
    """The values of a defined tensor, in the dtype of the tensor that is written."""

    def __init__(self, defined: DefinedTensor) -> None:
        self._defined = defined
        self.shape: tuple[int, ...] = defined.shape
        self.dtype: torch.dtype = getattr(torch, defined.dtype.name)

    def fits(self, dtype: torch.dtype) -> bool:
        """Whether it is one that is drawn."""
        return numpy_dtype(dtype) is not None

    def write(self, tensor: Tensor, start: tuple[int, ...], threads: int | None, progress: Told | None) -> None:
        """Fill the tensor in place; one on another device through a small one on the CPU."""
        defined = self._in(tensor.dtype)
        array = array_of(tensor)
        if array is not None:
            increment_version(tensor)
            defined.fill(array, start=start, threads=torch_threads(array.size, threads), progress=progress)
            return
        size, done = tensor.numel(), 0
        step = max(1, size if defined.only_whole else _BLOCK_BYTES // tensor.element_size())
        for begin in range(0, size, step):
            for offset, box in boxes_of(tuple(tensor.shape), begin, min(begin + step, size)):
                piece = torch.empty(box, dtype=tensor.dtype, device="cpu")
                self.write(piece, tuple(map(sum, zip(start, offset, strict=True))), threads, None)
                window = tuple(slice(first, first + count) for first, count in zip(offset, box, strict=True))
                tensor[window].copy_(piece)
                done += piece.numel()
            if progress is not None:
                progress(done, size)

    def _in(self, dtype: torch.dtype) -> DefinedTensor:
        if dtype == self.dtype:
            return self._defined
        one = self._defined
        return DefinedTensor(one.shape, one.init, seed=one.seed, stream=one.stream, dtype=dtype)


class Kept:
    """The values of a tensor in memory."""

    def __init__(self, values: Tensor) -> None:
        self._values = values.detach()
        self.shape: tuple[int, ...] = tuple(values.shape)
        self.dtype: torch.dtype = values.dtype

    def fits(self, dtype: torch.dtype) -> bool:
        """Whether it is its own, or both are floats, to which values are rounded."""
        return bool(dtype == self.dtype or (dtype.is_floating_point and self.dtype.is_floating_point))

    def write(self, tensor: Tensor, start: tuple[int, ...], threads: int | None, progress: Told | None) -> None:
        """Copy the window."""
        window = tuple(slice(first, first + count) for first, count in zip(start, tensor.shape, strict=True))
        tensor.copy_(self._values[window])


class Untouched:
    """What the tensor holds already: the rule is KeepValues."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.shape, self.dtype = shape, dtype

    def fits(self, dtype: torch.dtype) -> bool:
        """Whether it is one of numbers; all are left alone."""
        return True

    def write(self, tensor: Tensor, start: tuple[int, ...], threads: int | None, progress: Told | None) -> None:
        """Do nothing."""


class Counter:
    """A counter of batches, of which there were none."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.shape, self.dtype = shape, dtype

    def fits(self, dtype: torch.dtype) -> bool:
        """Whether it is one of numbers: zero is one of all."""
        return True

    def write(self, tensor: Tensor, start: tuple[int, ...], threads: int | None, progress: Told | None) -> None:
        """Set all to zero."""
        tensor.zero_()


def initial_state(plan: Plan, tensors: Specs, prefix: str) -> dict[str, Initial]:
    """Return what the tensors of a model hold before training, by every name that a state may have them under.

    Names are those of the model's `state_dict()`, tied ones all of them, with and without what wrappers put into them,
    and each after the prefix. Tensors that a plan does not draw, such as integers, are here only if their values are
    known: of a manifest, or of a module's buffers in memory.

    Raises:
        TypeError: an initializer is not one for its tensor.
        ValueError: a parameter has no rule, a rule has no parameter, or an initializer does not fit its tensor.
    """
    held, assigned = drawn_by(plan, tensors)
    kept = {name for name, (_, rule) in assigned.items() if isinstance(rule.init, KeepValues)}
    drawn = {name: rule for name, rule in assigned.items() if name not in kept}
    found: dict[str, Initial] = {name: Drawn(tensor) for name, tensor in tensors_of(plan, held, drawn).items()}
    for name, spec in held.items():
        if name in kept:
            found[name] = Untouched(spec.shape, getattr(torch, spec.dtype.name))
        elif name in held.known:
            found[name] = Kept(_tensor_of(held.known[name]))
        elif name not in found:
            found[name] = Counter(spec.shape, getattr(torch, spec.dtype.name))
    state = tensors.state
    found |= {other: found[first] for other, first in tensors.ties.items() if first in found}
    if state is not None:
        found |= {state.streams[name]: initial for name, initial in found.items() if name in state.streams}
    return {prefix + name: initial for name, initial in found.items()}


def _tensor_of(array: npt.NDArray[Any]) -> Tensor:
    """Return a tensor of what an array holds."""
    tensor = torch.empty(array.shape, dtype=getattr(torch, array.dtype.name), device="cpu")
    tensor.reshape(-1).view(torch.uint8).numpy()[:] = np.frombuffer(array.tobytes(), np.uint8)
    return tensor
