"""A checkpoint for torch.distributed.checkpoint that is in no file: a plan makes its tensors when they are loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Size, Tensor
from torch.distributed.checkpoint import LoadPlan, LoadPlanner, StorageReader
from torch.distributed.checkpoint.default_planner import create_default_local_load_plan
from torch.distributed.checkpoint.metadata import (
    STORAGE_TYPES,
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadItemType, ReadItem
from torch.futures import Future

from weightfill._arguments.messages import listed, placed, shown
from weightfill._arguments.signatures import explained
from weightfill._models.manifest import Shapes, specs
from weightfill._plan import Plan
from weightfill._run.progress import Progress, check_progress, following, ticking
from weightfill._run.threads import threads_for
from weightfill.torch._initial_state import Initial, initial_state
from weightfill.torch._placements import parts
from weightfill.torch._refusals import stand_in, unfillable
from weightfill.torch._views import is_dtensor


class PlanReader(StorageReader):
    """A checkpoint without a file for `torch.distributed.checkpoint`: what is loaded from it is computed by a plan.

    `dcp.load(state, storage_reader=PlanReader(plan))` fills the tensors of a state with the values of
    `initialize(module, plan)`. Every rank makes its own parts, where they are to lie, for any number of ranks and any
    sharding: DTensors (`fully_shard`, tensor parallelism), ShardedTensors, replicated and plain tensors. Tensors on
    other devices are made on the CPU, piece by piece, and copied.

    The stream of a tensor is its name in the module: `prefix`, which the state has before it, and what wrappers add are
    no part of it. Running statistics of norms get their values before the first batch.

    Without `shapes` the tensors of the state are all that is known. It does not say which are buffers, which rows of
    embeddings are padding, and which name of tied tensors comes first; so tied tensors are an error, and so are
    tensors of integers, such as position ids. With a module as `shapes`, all this is known, and buffers without a rule
    are copied from the module.

    The state may hold nothing else, as an initial checkpoint has no optimizer and no steps. With
    `planner=DefaultLoadPlanner(allow_partial_load=True)`, what is not the model's is left as it is. A `checkpoint_id`
    is not looked at.

    Args:
        plan: what to draw.
        shapes: the model whose state is loaded, as for `Plan.write`: a torch module (the best), a mapping from names
            to shapes, or the path of a manifest. By default, the tensors of the state.
        prefix: what the state has before the names of the model, such as "model." for
            `{"model": model.state_dict()}`.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            elements of this process, at most every 50 ms and once at the end.

    >>> import torch, warnings
    >>> import torch.distributed.checkpoint as dcp
    >>> import weightfill.torch
    >>> plan = Plan({"*.bias": Zeros(), "*": KaimingNormal()}, seed=42)
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # that there is only one process
    ...     dcp.load({"model": model}, storage_reader=weightfill.torch.PlanReader(plan, prefix="model."))
    >>> bool(weightfill.torch.verify(model, plan))
    True

    Raises:
        TypeError: `plan` is not a Plan, or another argument has a wrong type.
        ValueError: no rule matches a parameter, a rule matches no parameter, or an initializer does not fit its tensor.
            Without `shapes`, `dcp.load` raises it, in a CheckpointException. So it does for what cannot be loaded.
    """

    @explained
    def __init__(
        self,
        plan: Plan,
        shapes: Shapes | None = None,
        *,
        prefix: str = "",
        threads: int | None = None,
        progress: Progress = None,
    ) -> None:
        if not isinstance(plan, Plan):
            raise TypeError(f"plan must be a weightfill.Plan, got {type(plan).__name__}")
        if not isinstance(prefix, str):
            raise TypeError(f'prefix must be a string such as "model.", got {shown(prefix)}')
        threads_for(0, threads)
        check_progress(progress)
        self._plan, self._prefix = plan, prefix
        self._threads, self._progress = threads, progress
        self._known: Mapping[str, Initial] | None = None
        if shapes is not None:
            self._known = initial_state(plan, specs(shapes), prefix)

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Do nothing: there is only one checkpoint of a plan."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Return the names, shapes and dtypes of the tensors, as far as they are known before the state is."""
        return Metadata(_Contents({name: _described(initial) for name, initial in (self._known or {}).items()}))

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Do nothing: there is no storage."""

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """Return the plan of a rank as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """Return the plans of all ranks as they are."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Fill what the items of a plan ask for. All is checked before the first is filled.

        Raises:
            TypeError: the planner does not say what the state holds.
            ValueError: the state holds what no plan says, or a tensor cannot be filled.
        """
        items, known = self._items(plan, planner)
        done = 0
        with ticking(self._progress, sum(item.lengths.numel() for item in items)) as tick:
            for item in items:
                tensor = planner.resolve_tensor(item).detach()
                initial = known[item.storage_index.fqn]
                initial.write(tensor, tuple(item.storage_offsets), self._threads, following(tick, done))
                planner.commit_tensor(item, tensor)
                done += item.lengths.numel()
        finished: Future[None] = Future()
        finished.set_result(None)
        return finished

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Return False: no path is that of a plan's checkpoint."""
        return False

    def _items(self, plan: LoadPlan, planner: LoadPlanner) -> tuple[list[ReadItem], Mapping[str, Initial]]:
        """Return the windows to be filled, and what all tensors hold at first."""
        items = [item for item in plan.items if item.type == LoadItemType.TENSOR]
        unknown = [item.dest_index.fqn for item in plan.items if item.type == LoadItemType.BYTE_IO]
        state: Mapping[str, Any] = getattr(planner, "state_dict", {})
        if not set(unknown) <= state.keys():
            raise TypeError(
                "planner must be a DefaultLoadPlanner, whose state_dict has the tensors, got "
                f"{type(planner).__name__}; pass the model, PlanReader(plan, module)"
            )
        self._check_not_nested(unknown, planner)
        if self._known is not None:
            known = self._known
        else:
            tensors = {name: one for name, one in state.items() if name.startswith(self._prefix) and _is_one(one)}
            known = self._of_state(tensors)
            tensors = {name: tensor for name, tensor in tensors.items() if name in known}
            described = Metadata({name: _described(known[name]) for name in tensors})
            items += create_default_local_load_plan(tensors, described).items
        others = [name for name in unknown if name not in known]
        if others and not getattr(planner, "allow_partial_load", False):
            raise ValueError(
                f"state must hold what the plan draws, got {listed(others)} as well; load the state of the model "
                "alone, give buffers rules of their own, pass the module, PlanReader(plan, module), whose buffers in "
                "memory are copied, or planner=DefaultLoadPlanner(allow_partial_load=True), which leaves others alone"
            )
        _check_tensors(state, known)
        return items, known

    def _of_state(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Initial]:
        """Return what the tensors of a state hold at first, where it alone says what there is."""
        with placed("state"):
            found = specs({name.removeprefix(self._prefix): tensor for name, tensor in tensors.items()})
            for tie in found.ties.items():
                one, other = sorted(tie)
                raise ValueError(
                    f"must have tied tensors once, got {shown(one)} and {shown(other)}, and not which of them a "
                    "module has first; pass the module, PlanReader(plan, module)"
                )
            return initial_state(self._plan, found, self._prefix)

    def _check_not_nested(self, names: Iterable[str], planner: LoadPlanner) -> None:
        """Raise ValueError if the state has the model's tensors in a mapping of their own and the prefix is another."""
        paths = getattr(planner, "mappings", {})
        for name in names:
            path = paths.get(name, ())
            before = name.removesuffix(str(path[-1])) if len(path) > 1 else ""
            if before and self._prefix in ("", before.removesuffix(".")):
                raise ValueError(
                    f"prefix must be what a state has before the names of the model, got {self._prefix!r} for "
                    f"{shown(name)}; pass prefix={before!r}, or load the mapping within alone"
                )


class _Contents(dict[str, STORAGE_TYPES]):
    """What is known of a checkpoint's tensors. It has every other name, too, as bytes, of which nothing is known.

    The planner then asks for them with one item each, however large they are, and says in `read_data` what they are.
    """

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> STORAGE_TYPES:
        return BytesStorageMetadata()


def _is_one(value: object) -> bool:
    return isinstance(value, Tensor) and stand_in(value) is None


def _described(initial: Initial) -> TensorStorageMetadata:
    shape = Size(initial.shape)
    chunk = ChunkStorageMetadata(Size([0] * len(shape)), shape)
    return TensorStorageMetadata(TensorProperties(dtype=initial.dtype), shape, [chunk])


def _check_tensors(state: Mapping[str, Any], known: Mapping[str, Initial]) -> None:
    """Raise ValueError if a tensor cannot be filled with what it is to hold."""
    for name, initial in known.items():
        tensor = state.get(name)
        if not isinstance(tensor, Tensor):
            continue
        where = f"state[{shown(name)}]"
        if tuple(tensor.shape) != initial.shape:
            raise ValueError(
                f"{where} must have the shape that the model has, {initial.shape}, got {tuple(tensor.shape)}; "
                "pass the model whose state is loaded"
            )
        if not initial.fits(tensor.dtype):
            raise ValueError(unfillable(tensor).text(where))
        if is_dtensor(tensor) and len(parts(tensor)) > 1:
            raise ValueError(
                f"{where} must hold one box of the whole on a rank, as the checkpoints of torch have it, got "
                f"{tuple(tensor.placements)}; fill it by weightfill.torch.fill"
            )
