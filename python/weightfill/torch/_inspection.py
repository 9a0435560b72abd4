"""Torch modules beside a plan: what it draws of each parameter, and which of them still hold that."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import Module

from weightfill._arguments.messages import listed, shown
from weightfill._checkpoints.verification import CheckpointVerification, TensorVerification, kept_verification
from weightfill._initializers.base import Masked
from weightfill._initializers.laws import Zeros
from weightfill._initializers.padded import Padded
from weightfill._models.explanation import Explained, Explanation, explained_tensor
from weightfill._models.rules import Rule
from weightfill._plan import Plan
from weightfill._run.progress import Progress, following, ticking
from weightfill._tensor import Tensor as DefinedTensor
from weightfill._verification import Verification, combined, compared_with
from weightfill.torch._assignment import assigned, check_arguments, reshard, ties
from weightfill.torch._memory import torch_threads
from weightfill.torch._refusals import unfillable
from weightfill.torch._views import View, dtype_of, is_dtensor, is_meta, views_of


def explain(module: Module, plan: Plan) -> Explanation:
    """Return the rule, distribution, fans and bytes of every parameter of a torch module; print it to see a table.

    Nothing is filled, and parameters may be on meta. Names and shapes are those of the full tensors, also for sharded
    parameters.

    Args:
        module: a module with parameters on meta or on the CPU.
        plan: what `initialize` or `materialize` would draw.

    >>> import torch
    >>> import weightfill.torch
    >>> plan = Plan({"*.bias": Zeros(), "*": Normal(std=0.02)}, seed=42)
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Embedding(4, 3, padding_idx=0), torch.nn.Linear(3, 2))
    >>> [(row.name, row.shape, row.pattern) for row in weightfill.torch.explain(model, plan)]
    [('0.weight', (4, 3), '*'), ('1.weight', (2, 3), '*'), ('1.bias', (2,), '*.bias')]

    Raises:
        TypeError: `module` is not a torch module, or `plan` is not a Plan.
        ValueError: no rule matches a parameter, a rule matches no parameter, a parameter holds integers or complex
            numbers, or an initializer does not fit its parameter.
    """
    check_arguments(module, plan, None, None)
    tensors, rules, _, zero_rows, kept, integers = assigned(module, plan)
    explained = []
    for name, tensor in (tensors | kept).items():
        row = explained_tensor(name, name, tuple(tensor.shape), _dtype(name, tensor), rules[name])
        explained.append(_with_zeros(row, zero_rows[name]) if name in zero_rows else row)
    return Explanation(tuple(explained), ties(module), known=tuple(integers))


def verify(
    module: Module, plan: Plan, *, threads: int | None = None, progress: Progress = None
) -> CheckpointVerification:
    """Check for each parameter of a torch module whether it still has the values of `initialize`, bit by bit.

    Of sharded parameters this process compares its own parts, without communication. Buffers without a rule of their
    own are not compared.

    Args:
        module: a module with parameters on the CPU.
        plan: the plan with which it was initialized.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements of this process, at most every 50 ms and once at the end. An exception that it raises stops the
            work.

    Returns:
        A mapping from names to results, as from `verify_checkpoint`. It is true if every parameter is as expected.

    >>> import torch
    >>> import weightfill.torch
    >>> plan = Plan({"*.bias": Zeros(), "*": Normal(std=0.02)}, seed=42)
    >>> model = weightfill.torch.initialize(torch.nn.Sequential(torch.nn.Linear(3, 2)), plan)
    >>> bool(weightfill.torch.verify(model, plan))
    True
    >>> with torch.no_grad():
    ...     _ = model[0].bias.fill_(1)
    >>> print(weightfill.torch.verify(model, plan))
    0.bias: 2 of 2 elements differ, the first at (0,): expected 0.0, found 1.0
    1 of 2 tensors have their initial values

    Raises:
        TypeError: `module` is not a torch module, or `plan` is not a Plan.
        ValueError: no rule matches a parameter, a rule matches no parameter, or a parameter cannot be compared (it is
            on meta or another device, or holds integers or complex numbers).
    """
    check_arguments(module, plan, threads, progress)
    reshard(module)
    tensors, rules, _, zero_rows, kept, integers = assigned(module, plan)
    every = tensors | {name: buffer for name, (buffer, _) in integers.items()}
    on_meta = [name for name, tensor in every.items() if is_meta(tensor)]
    if on_meta:
        raise ValueError(f"module must have its parameters in memory, got {listed(on_meta)} on meta")
    definitions = {name: _defined(name, tensor, rules[name], plan) for name, tensor in tensors.items()}
    views = {name: _views(name, tensor) for name, tensor in tensors.items()}
    found, done = {name: kept_verification() for name in kept}, 0
    with ticking(progress, sum(view.array.size for held in views.values() for view in held)) as tick:
        for name, held in views.items():
            result = Verification(0, 0)
            for view in held:
                for part, defined in _pieces(view, definitions[name], zero_rows.get(name, ())):
                    size, rest = part.array.size, following(tick, done)
                    one = defined.verify(
                        part.array, start=part.start, threads=torch_threads(size, threads), progress=rest
                    )
                    done += size
                    result = _joined(result, one, part)
            found[name] = TensorVerification(result)
    found |= {name: TensorVerification(_compared(*one)) for name, one in integers.items()}
    return CheckpointVerification(found)


def _dtype(name: str, tensor: Tensor) -> np.dtype[Any]:
    dtype = dtype_of(tensor)
    if dtype is None:
        raise ValueError(unfillable(tensor).text(f"params[{name!r}]"))
    return dtype


def _defined(name: str, tensor: Tensor, rule: Rule, plan: Plan) -> DefinedTensor:
    dtype = _dtype(name, tensor)
    try:
        return DefinedTensor(tuple(tensor.shape), rule.init, seed=plan.seed, stream=name, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{shown(name)}, rule {shown(rule.pattern)}: {error}") from error


def _with_zeros(row: Explained, rows: tuple[int, ...]) -> Explained:
    """Return the same with rows of zeros, if the initializer can be Padded."""
    if row.law is None or isinstance(row.law, Masked):
        return row
    init = Padded(row.init, rows)
    return row._replace(init=init, law=Padded(row.law, rows).law(row.shape))


def _views(name: str, tensor: Tensor) -> list[View]:
    with torch.inference_mode():  # whose tensors can be read anywhere
        views = views_of(tensor)
    if views is None:
        raise ValueError(unfillable(tensor).text(f"params[{name!r}]"))
    return views


def _compared(buffer: Tensor, values: npt.NDArray[Any]) -> Verification:
    """Compare a buffer of integers, of which this process may hold parts, with what it should hold."""
    if not is_dtensor(buffer):
        return compared_with(buffer.detach().cpu().numpy(), values)
    from weightfill.torch._placements import parts  # needs torch.distributed, whose import takes long

    return combined([compared_with(part.tensor.cpu().numpy(), values[part.window]) for part in parts(buffer)])


def _pieces(view: View, defined: DefinedTensor, zero_rows: tuple[int, ...]) -> Iterator[tuple[View, DefinedTensor]]:
    """Yield a view cut into drawn rows and rows of zeros, and with each piece the tensor that it should be part of."""
    array = view.array
    if not array.ndim:
        yield view, defined
        return
    start = view.start or (0,) * array.ndim
    zeros = [row - start[0] for row in zero_rows if start[0] <= row < start[0] + len(array)]
    cuts = [0, *(cut for row in zeros for cut in (row, row + 1)), len(array)]
    for low, high in itertools.pairwise(cuts):
        if low < high:
            piece = View(array[low:high], (start[0] + low, *start[1:]))
            yield piece, defined._with(Zeros()) if low in zeros else defined


def _joined(result: Verification, part: Verification, view: View) -> Verification:
    """Return what was found of a tensor with what was found of one more part of it."""
    index, expected, found = result.index, result.expected, result.found
    if index is None and part.index is not None:
        start = view.start or (0,) * len(part.index)
        index = tuple(int(first + i) for first, i in zip(start, part.index, strict=True))
        expected, found = part.expected, part.found
    differing, total = result.differing + part.differing, result.total + part.total
    return Verification(differing, total, index, expected, found)
