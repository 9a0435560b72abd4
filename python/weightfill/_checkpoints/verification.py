"""Checkpoints compared with their initial values, tensor by tensor."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.messages import printable, shown
from weightfill._arguments.signatures import explained
from weightfill._checkpoints.compared import verify_stored
from weightfill._files.npy import checked_path
from weightfill._files.safetensors_file import Entry, entries, stored_arrays, ties
from weightfill._files.stored import StoredArray
from weightfill._initializers.keep_values import KeepValues
from weightfill._models.assignment import drawn_by
from weightfill._models.manifest import Shapes, Spec, Specs, specs
from weightfill._models.rules import INTEGERS, Rule, is_counter
from weightfill._models.seeded_rules import SeededRules
from weightfill._models.wrappers import streams_of
from weightfill._reading.html import table_of
from weightfill._run.progress import TICK_SECONDS, Progress, Tick, check_progress, ticking
from weightfill._run.threads import threads_for
from weightfill._tensor import Tensor
from weightfill._verification import Verification, compared_with


@dataclass(frozen=True, slots=True)
class TensorVerification:
    """The result for one tensor; true if every element has its initial value.

    Attributes:
        verification: what `verify` found; None for a tensor that could not be compared.
        problem: why it could not; empty otherwise.
        kept: whether it is one that the plan leaves as it is, by `KeepValues`, so that there is nothing to compare.
    """

    verification: Verification | None
    problem: str = ""
    kept: bool = False

    @property
    def equal(self) -> bool:
        """Whether every element is as expected."""
        return self.verification is not None and self.verification.equal

    def __bool__(self) -> bool:
        return self.equal or self.kept

    def __str__(self) -> str:
        return self.problem or str(self.verification)


def kept_verification() -> TensorVerification:
    """Return what is found of a tensor that a plan leaves as it is."""
    return TensorVerification(None, "not compared, as its rule is KeepValues()", kept=True)


class CheckpointVerification(Mapping[str, TensorVerification]):
    """What `verify_checkpoint` found, by name of the tensor; true if all have their initial values.

    Printing it shows a line for every tensor that differs, and a summary.
    """

    def __init__(self, tensors: Mapping[str, TensorVerification]) -> None:
        self._tensors = dict(tensors)

    @property
    def equal(self) -> bool:
        """Whether all tensors have their initial values."""
        return all(self._tensors.values())

    def __getitem__(self, name: str) -> TensorVerification:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        return "\n".join([*(f"{name}: {tensor}" for name, tensor in self._apart()), self._summary()])

    def _repr_html_(self) -> str:
        return table_of([{"tensor": name, "difference": tensor} for name, tensor in self._apart()], [self._summary()])

    def _apart(self) -> list[tuple[str, str]]:
        return [(printable(name), str(tensor)) for name, tensor in self._tensors.items() if not tensor]

    def _summary(self) -> str:
        kept = sum(tensor.kept for tensor in self._tensors.values())
        compared = len(self) - kept
        text = f"{compared - len(self._apart())} of {compared} tensors have their initial values"
        return f"{text}, {kept} of KeepValues() not compared" if kept else text

    def __repr__(self) -> str:
        return f"CheckpointVerification({self._tensors})"


@explained
def verify_checkpoint(
    path: str | os.PathLike[str],
    plan: SeededRules,
    shapes: Shapes | None = None,
    *,
    threads: int | None = None,
    progress: Progress = None,
) -> CheckpointVerification:
    """Check for each tensor of a checkpoint whether it still has its initial values, bit by bit.

    The expected values are those of `plan` in the dtypes of the file. Memory use is constant, except for tensors that
    must be computed in one piece (Orthogonal).

    Args:
        path: the path of a .safetensors file, or of the .index.json of a sharded checkpoint.
        plan: the plan from which the checkpoint was written.
        shapes: the tensors that the checkpoint should have, in one of the forms of `Plan.write`, such as a torch
            module. Then missing tensors, additional tensors and other shapes are differences, too, and buffers are
            compared with those that the module has in memory. By default only the tensors of the file are checked, all
            by the plan. A tensor with several names may have any of them in the file.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements, at most every 50 ms and once at the end. An exception that it raises stops the work.

    >>> import tempfile, weightfill as wf
    >>> plan = wf.Plan({"*.bias": wf.Zeros(), "*": wf.Normal()}, seed=42)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (file,) = plan.write(f"{folder}/model.safetensors", {"fc.weight": (2, 3), "fc.bias": 2})
    ...     print(verify_checkpoint(file, plan))
    ...     print(verify_checkpoint(file, wf.Plan({"*": wf.Zeros()})))
    2 of 2 tensors have their initial values
    fc.weight: 6 of 6 elements differ, the first at (0, 0): expected 0.0, found 1.0454000234603882
    1 of 2 tensors have their initial values

    Raises:
        TypeError: `plan` is not a Plan, or another argument has a wrong type.
        ValueError: no file can have this `path`, the checkpoint is damaged, no rule matches a tensor, a rule matches no
            tensor, or an initializer does not fit its tensor.
        OSError: a file cannot be read.
    """
    file = checked_path(path)
    if not isinstance(plan, SeededRules):
        raise TypeError(f"plan must be a Plan, got {shown(plan)}")
    places = entries(file)
    arrays = stored_arrays(places)
    wanted = _held(file, places) if shapes is None else specs(shapes)
    expected = _expected(wanted, plan, places)
    compared = {
        name
        for name, one in expected.items()
        if name in places and places[name].shape == one.shape and _comparable(places[name], one.known) and not one.kept
    }
    total = sum(arrays[name].size for name in compared)
    threads_for(total, threads)
    check_progress(progress)

    results = {}
    with ticking(progress, total) as tick:
        done, ticked = 0, time.monotonic()

        def seldom(more: int) -> None:
            nonlocal ticked
            now = time.monotonic()
            if tick is not None and (now - ticked >= TICK_SECONDS or done + more == total):
                ticked = now
                tick(done + more)

        for name in dict.fromkeys((*expected, *places)):
            if name in compared:
                results[name] = TensorVerification(_found(arrays[name], expected[name], plan.seed, threads, seldom))
                done += arrays[name].size
                seldom(0)
            elif name not in places:
                results[name] = TensorVerification(None, "missing")
            elif name in expected and expected[name].kept and places[name].shape == expected[name].shape:
                results[name] = kept_verification()
            elif not _comparable(places[name], expected[name].known if name in expected else None):
                results[name] = TensorVerification(None, f"not compared, its dtype is {places[name].dtype_name}")
            elif name not in expected:
                results[name] = TensorVerification(None, "not expected")
            else:
                problem = f"of shape {places[name].shape} instead of {expected[name].shape}"
                results[name] = TensorVerification(None, problem)
    return CheckpointVerification(results)


class _Expected(NamedTuple):
    """What a tensor of a file should be.

    Attributes:
        shape: its shape.
        values: stream and rule of its initial value; several if it has several names, of which the first is not known.
        known: what it holds that is not drawn: the zeros of a counter, the values of a manifest or a module's buffer.
    """

    shape: tuple[int, ...]
    values: tuple[tuple[str, Rule], ...]
    known: npt.NDArray[Any] | None

    @property
    def kept(self) -> bool:
        """Whether the plan leaves it as it is."""
        return any(isinstance(rule.init, KeepValues) for _, rule in self.values)


def _held(file: str, places: Mapping[str, Entry]) -> Specs:
    """Return what a checkpoint holds that can be compared."""
    held = Specs(ties(file), first_known=False)
    for name, entry in places.items():
        if entry.dtype is not None and (entry.dtype in CORE_DTYPES or is_counter(name, entry.dtype)):
            held[name] = Spec(entry.shape, entry.dtype)
    return held


def _comparable(entry: Entry, known: npt.NDArray[Any] | None) -> bool:
    if known is not None and known.dtype.kind in INTEGERS:
        return entry.dtype is not None and entry.dtype.kind in INTEGERS
    return entry.dtype in CORE_DTYPES


def _expected(wanted: Specs, plan: SeededRules, places: Mapping[str, Entry]) -> dict[str, _Expected]:
    """Return what the tensors of a file should be, by the names that they have there."""
    if wanted.first_known:
        wanted, assigned = drawn_by(plan, wanted)
        values: dict[str, tuple[tuple[str, Rule], ...]] = {name: (value,) for name, value in assigned.items()}
    else:
        values = _possible_values(wanted, plan)
    expected: dict[str, _Expected] = {}
    for name, spec in wanted.items():
        held = [one for one in (name, *wanted.others(name)) if one in places] or [name]
        known = wanted.known.get(name)
        if known is None and spec.is_counter:
            known = np.zeros(spec.shape, spec.dtype)
        expected |= dict.fromkeys(held, _Expected(spec.shape, values.get(name, ()), known))
    return expected


def _possible_values(wanted: Specs, plan: SeededRules) -> dict[str, tuple[tuple[str, Rule], ...]]:
    """Return stream and rule under each name of a tensor, of which the first is not known."""
    names = {name: [name, *wanted.others(name)] for name, spec in wanted.items() if not spec.is_counter}
    every = [one for group in names.values() for one in group]
    streams = dict(zip(every, streams_of(every), strict=True))
    ruled = {
        name: [one for one in group if _has_rule(plan, streams[one])] or [name] if len(group) > 1 else group
        for name, group in names.items()
    }
    assigned = plan._assigned([one for group in ruled.values() for one in group])
    return {name: tuple(assigned[one] for one in group) for name, group in ruled.items()}


def _has_rule(plan: SeededRules, stream: str) -> bool:
    try:
        plan._rule(stream)
    except ValueError:
        return False
    return True


def _found(array: StoredArray, expected: _Expected, seed: int | None, threads: int | None, tick: Tick) -> Verification:
    """Compare a tensor with its initial value, or with each of those that it may have."""
    if expected.known is not None:
        return compared_with(array.whole(), expected.known.astype(array.dtype))
    result, *others = (
        partial(
            verify_stored,
            array,
            Tensor(array.shape, rule.init, seed=seed, stream=stream, dtype=array.dtype),
            threads=threads,
        )
        for stream, rule in expected.values
    )
    found = result(tick=tick)
    for other in others:
        if not found and (equal := other()):
            return equal
    return found
