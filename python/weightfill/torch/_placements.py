"""Placements: which parts of a DTensor this rank holds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.placement_types import Placement, _StridedShard

Run: TypeAlias = tuple[int, int]  # neighbouring indices along one dimension: the first, and how many


class Part(NamedTuple):
    """A box of a larger tensor: its elements, and the index of its first element in the full tensor."""

    tensor: Tensor
    start: tuple[int, ...]

    @property
    def window(self) -> tuple[slice, ...]:
        """The index of the box in the full tensor."""
        return tuple(slice(first, first + count) for first, count in zip(self.start, self.tensor.shape, strict=True))


def parts(tensor: DTensor) -> list[Part]:
    """Return the parts of a DTensor that this rank holds, as views of its local tensor.

    They are as few boxes as there are: one, unless a dimension is sharded in strides (FSDP2 over tensor parallelism) or
    TorchRec dealt out several columns; none on a rank that holds nothing or is not in the mesh. There is no
    communication.

    Raises:
        ValueError: a placement is neither a Shard nor Replicate, or the local tensor is not of the shape that the
            placements give.
    """
    shape = tuple(tensor.shape)
    wrapper = wrapper_of(tensor)
    if wrapper is not None:
        return [Part(*part) for part in zip(wrapper.local_shards(), map(tuple, wrapper.local_offsets()), strict=False)]
    with torch.no_grad():
        local = tensor.to_local()
    runs = _runs(tensor, shape)
    if runs is None:
        return []
    expected = tuple(sum(count for _, count in along) for along in runs)
    if tuple(local.shape) != expected:
        raise ValueError(
            f"tensor must hold {expected} of {shape} on this rank, as torch.chunk would deal it out to "
            f"{tuple(tensor.placements)} on the mesh {tuple(tensor.device_mesh.shape)}, got {tuple(local.shape)}; "
            "fill to_local() with weightfill.fill, shape= and start="
        )
    if 0 in expected:
        return []
    places = [list(zip(itertools.accumulate((n for _, n in along), initial=0), along, strict=False)) for along in runs]
    found = []
    for box in itertools.product(*places):
        view = local
        for dim, (place, (_, count)) in enumerate(box):
            view = view.narrow(dim, place, count)
        found.append(Part(view, tuple(first for _, (first, _) in box)))
    return found


def wrapper_of(tensor: DTensor) -> Any | None:
    """Return the local tensor of one of TorchRec's, if it is one: only it knows what this rank holds, and its dtype."""
    with torch.no_grad():
        local = tensor.to_local()
    return local if type(local).__name__ == "LocalShardsWrapper" else None


def _runs(tensor: DTensor, shape: tuple[int, ...]) -> list[list[Run]] | None:
    """Return what this rank holds along each dimension, in the order of the local tensor; None outside of the mesh."""
    mesh, placements = tensor.device_mesh, tensor.placements
    for placement in placements:
        _check_placement(placement)
    coordinate = mesh.get_coordinate()
    if coordinate is None:
        return None
    runs: list[list[Run]] = [[(0, size)] for size in shape]
    for mesh_dim in _sharding_order(tensor):
        placement = placements[mesh_dim]
        if isinstance(placement, Replicate):
            continue
        # Strided: what this rank has so far is cut into `split_factor` pieces, and it keeps its chunk of each piece.
        pieces = placement.split_factor if isinstance(placement, _StridedShard) else 1
        whole = runs[placement.dim]
        runs[placement.dim] = _joined(
            run
            for number in range(pieces)
            for run in _chunk(_chunk(whole, pieces, number), mesh.size(mesh_dim), coordinate[mesh_dim])
        )
    return runs


def _check_placement(placement: Placement) -> None:
    if placement.is_partial():
        raise ValueError(
            f"placements must be Shard or Replicate, got {placement}, whose parts are summed up; "
            "redistribute the tensor first"
        )
    if not isinstance(placement, Shard | _StridedShard | Replicate):
        raise ValueError(
            f"placements must be Shard or Replicate, got {placement}; "
            "fill to_local() with weightfill.fill, shape= and start="
        )


def _sharding_order(tensor: DTensor) -> list[int]:
    """Return the mesh's dimensions in the order in which they cut the tensor: the spec's, otherwise left to right."""
    entries = getattr(tensor._spec, "shard_order", None) or ()
    order = [mesh_dim for entry in entries for mesh_dim in entry.mesh_dims]
    return order + [mesh_dim for mesh_dim in range(len(tensor.placements)) if mesh_dim not in order]


def _chunk(runs: list[Run], chunks: int, number: int) -> list[Run]:
    """Return one chunk of a dimension by the rule of torch.chunk: equal sizes, but the last may be less or empty."""
    size = sum(count for _, count in runs)
    step = -(-size // chunks)
    begin, end = step * number, step * (number + 1)
    found, place = [], 0
    for first, count in runs:
        low, high = max(begin - place, 0), min(end - place, count)
        if low < high:
            found.append((first + low, high - low))
        place += count
    return found


def _joined(runs: Iterable[Run]) -> list[Run]:
    """Return the runs, with neighbours made one."""
    found: list[Run] = []
    for first, count in runs:
        if found and sum(found[-1]) == first:
            found[-1] = (found[-1][0], found[-1][1] + count)
        else:
            found.append((first, count))
    return found
