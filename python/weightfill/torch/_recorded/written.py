"""What recorded operations have written where: for each storage the writes in their order, of which the last wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from weightfill.torch._recorded.contents import (
    MEMORY,
    UNSET,
    Computed,
    Content,
    Draw,
    Known,
    Unsayable,
    computed_by,
    in_memory,
)
from weightfill.torch._recorded.regions import Place, covered, place_of

_META = torch.device("meta")
_MOST_CELLS = 100_000
_MOST_CUTS = 4096  # of one write along an axis
_MANY = Unsayable("which was written in too many different parts")
_OTHER_VIEW = Unsayable("which was written through a view that is no box of it")
Change = Callable[[Content], Content]


class _Write(NamedTuple):
    place: Place
    new: Content | Change


class Painting(NamedTuple):
    """What a tensor holds: its axes are cut, and each cell has one content."""

    place: Place
    cuts: tuple[list[int], ...]
    cells: npt.NDArray[np.int64]  # numbers of contents
    contents: list[Content]

    def held(self) -> list[Content]:
        """Return the contents that cells have, each once, in the order in which they were written."""
        if self.cells.size == 1:  # as most have
            return [self.contents[int(self.cells.item())]]
        return [self.contents[number] for number in np.unique(self.cells)]

    @property
    def is_in_memory(self) -> bool:
        """Whether all of it is."""
        return all(content is MEMORY for content in self.held())

    def real(self, dtype: torch.dtype) -> Tensor | None:
        """Return the values, if the tensor holds constants and values that were computed, and nothing else."""
        if not all(isinstance(content, Known | Computed) for content in self.held()):
            return None
        values = torch.zeros(self.place.shape, dtype=dtype, device="cpu")
        for box, content in self.parts():
            part = values[tuple(slice(one.start, one.stop) for one in box)]
            if isinstance(content, Known):
                part.fill_(content.value)
            elif isinstance(content, Computed):
                part.copy_(content.at(self.place.part(box)))
        return values

    def parts(self) -> Iterator[tuple[tuple[range, ...], Content]]:
        """Yield the cells as boxes, and what they hold."""
        for index, number in np.ndenumerate(self.cells):
            box = tuple(range(cut[i], cut[i + 1]) for cut, i in zip(self.cuts, index, strict=True))
            yield box, self.contents[number]


class _Storage:
    """A storage that was made while recording; without writes it holds what is in memory."""

    def __init__(self, dtype: torch.dtype, *, is_older: bool = False) -> None:
        self.dtype = dtype
        self.is_older = is_older  # than the recording
        self.writes: list[_Write] = []
        self.is_overwritten = False  # whether the first of them is to all of it
        self.twin: Tensor | None = None  # on meta, in whose place a parameter stands

    @property
    def may_be_in_memory(self) -> bool:
        """Whether any part of it may hold what is in memory."""
        return not self.is_overwritten or any(write.new is MEMORY for write in self.writes)


class Written:
    """The writes to all storages that were made while recording."""

    def __init__(self) -> None:
        self._storages: dict[int, tuple[StorageWeakRef, _Storage]] = {}  # a weak reference keeps the number from reuse
        self.count = 0  # of writes

    def knows(self, tensor: Tensor) -> bool:
        """Whether the tensor's storage was made while recording."""
        storage = self._find(tensor)
        return storage is not None and not storage.is_older

    def add(self, tensor: Tensor, content: Content = MEMORY) -> None:
        """Take note of a new storage, and of what the tensor in it holds."""
        self._note(tensor, _Storage(tensor.dtype))
        if content is not MEMORY:
            self.write(tensor, content)

    def is_known(self, tensor: Tensor) -> bool:
        """Whether the tensor holds what lies in memory, none of it drawn or not set."""
        storage = self._find(tensor)
        if tensor.is_meta or storage is None or not storage.writes:
            return not tensor.is_meta
        return self.painting(tensor).is_in_memory

    def write(self, tensor: Tensor, new: Content | Change) -> None:
        """Take note that all elements of a tensor hold a new content, or are changed."""
        self.count += 1
        storage, place = self._find(tensor), place_of(tensor)
        if not place.size or (storage is None and new is MEMORY):
            return
        if storage is None:
            storage = self._note(tensor, _Storage(tensor.dtype, is_older=True))
        if new is MEMORY and not storage.writes and storage.twin is None:
            return
        if tensor.dtype != storage.dtype:
            everything = Place(0, (tensor.untyped_storage().nbytes() // storage.dtype.itemsize,), (1,))
            storage.writes = [_Write(everything, Unsayable("which was written as another dtype"))]
            storage.is_overwritten = True
            return
        if new is MEMORY and storage.twin is not None:
            new = in_memory(tensor, place, storage.dtype)
        is_all = place.size * tensor.element_size() == tensor.untyped_storage().nbytes() and place.is_dense
        if is_all and not callable(new):
            storage.writes.clear()
            storage.is_overwritten = new is not MEMORY
            if new is MEMORY:
                return
        storage.writes.append(_Write(place, new))

    def painting(self, tensor: Tensor) -> Painting:
        """Return what a tensor holds."""
        storage, place = self._find(tensor), place_of(tensor)
        if storage is None:
            return _all(place, UNSET if tensor.is_meta else MEMORY)
        if tensor.dtype != storage.dtype and (storage.writes or tensor.is_meta):
            return _all(place, Unsayable("which is a view of another dtype"))
        ground: Content = UNSET if tensor.is_meta else MEMORY
        once = Place(
            place.offset, tuple(1 if not step else n for n, step in zip(*place[1:], strict=True)), place.stride
        )
        if once == place:
            return _painted(place, storage.writes, ground)
        return _repeated(_painted(once, storage.writes, ground), place)

    def copy(self, source: Tensor, target: Tensor, *, operation: str) -> None:
        """Take note that a tensor now holds what another of the same shape holds."""
        if source.shape != target.shape:
            self.write(target, computed_by(operation))
            return
        place, origin = place_of(target), place_of(source)
        call = object()
        for box, content in list(self.painting(source).parts()):
            within = place.part(box)
            part = torch.as_strided(target, *_strided(within))
            if isinstance(content, Draw) and source.dtype.is_floating_point and target.dtype.is_floating_point:
                is_kept = bool(content.steps) or content.is_all_of(origin.part(box), tuple(map(len, box)))
                is_kept = is_kept or content.plain() is not None
                copied = replace(content, copy=(call, content.copy), order=within.order)
                content = copied if is_kept else computed_by(operation)
            elif isinstance(content, Draw):
                content = computed_by(operation)
            elif isinstance(content, Known) and source.dtype != target.dtype:
                rounded = torch.tensor(content.value, dtype=source.dtype, device="cpu").to(target.dtype)
                content = in_memory(rounded, within, target.dtype)
            elif isinstance(content, Computed):
                content = in_memory(content.at(origin.part(box)), within, target.dtype)
            elif content is MEMORY and target.is_meta:
                values = torch.as_strided(source, *_strided(origin.part(box)))
                content = in_memory(values, within, target.dtype)
            self.write(part, content)

    def twin(self, tensor: Tensor) -> Tensor | None:
        """Return a tensor on meta whose storage stands for that of this one from now on; None if none can."""
        storage = self._find(tensor)
        if storage is None or storage.dtype != tensor.dtype:
            return None
        if storage.may_be_in_memory:
            for box, content in list(self.painting(tensor).parts()):
                if content is MEMORY:
                    part = torch.as_strided(tensor, *_strided(place_of(tensor).part(box)))
                    place = place_of(part)
                    storage.writes.append(_Write(place, in_memory(part, place, tensor.dtype)))
        if storage.twin is None:
            count = tensor.untyped_storage().nbytes() // tensor.element_size()
            is_all = tensor.numel() == count and tensor.is_contiguous()
            storage.twin = torch.empty(tensor.shape if is_all else (count,), dtype=tensor.dtype, device=_META)
            self._note(storage.twin, storage)
            if is_all:
                return storage.twin
        return torch.as_strided(storage.twin, tensor.shape, tensor.stride(), tensor.storage_offset())

    def _note(self, tensor: Tensor, storage: _Storage) -> _Storage:
        reference = StorageWeakRef(tensor.untyped_storage())
        self._storages[reference.cdata] = (reference, storage)
        return storage

    def _find(self, tensor: Tensor) -> _Storage | None:
        try:
            found = self._storages.get(tensor.untyped_storage()._cdata)
        except (NotImplementedError, RuntimeError):  # without a storage
            return None
        return None if found is None else found[1]


def _strided(place: Place) -> tuple[Any, ...]:
    return place.shape, place.stride, place.offset


def _all(place: Place, content: Content) -> Painting:
    cells = np.zeros((1,) * len(place.shape), np.int64)
    return Painting(place, tuple([0, size] for size in place.shape), cells, [content])


def _repeated(painting: Painting, place: Place) -> Painting:
    """Return what a tensor holds whose elements along some axes are the same ones, of what it holds of each once."""
    cuts = tuple(cut if n == cut[-1] else [0, n] for cut, n in zip(painting.cuts, place.shape, strict=True))
    contents: list[Content] = [
        computed_by("expand") if isinstance(content, Draw) else content for content in painting.contents
    ]
    return Painting(place, cuts, painting.cells, contents)


def _painted(place: Place, writes: list[_Write], ground: Content) -> Painting:
    boxes = [covered(place, write.place) for write in writes]
    everything = tuple(map(range, place.shape))
    last = max((i for i, box in enumerate(boxes) if box == everything and not callable(writes[i].new)), default=None)
    if last is not None:  # what was before is gone
        ground, writes, boxes = cast(Content, writes[last].new), writes[last + 1 :], boxes[last + 1 :]
    if not writes:
        return _all(place, ground)
    if None in boxes:
        return _all(place, _OTHER_VIEW)
    cuts: list[set[int]] = [{0, size} for size in place.shape]
    for box in boxes:
        for cut, one in zip(cuts, box or (), strict=True):
            if one.step == 1:
                cut.update((one.start, one.stop) if one else ())
            elif len(one) > _MOST_CUTS:
                return _all(place, _MANY)
            else:
                cut.update(edge for i in one for edge in (i, i + 1))
    axes = tuple(sorted(cut) for cut in cuts)
    if np.prod([len(axis) - 1 for axis in axes], dtype=float) > _MOST_CELLS:
        return _all(place, _MANY)
    cells = np.zeros([max(len(axis) - 1, 0) for axis in axes], np.int64)
    contents: list[Content] = [ground]
    for write, box in zip(writes, boxes, strict=True):
        assert box is not None
        chosen = np.ix_(
            *([i for i, low in enumerate(axis[:-1]) if low in one] for axis, one in zip(axes, box, strict=True))
        )
        if not callable(write.new):
            contents.append(write.new)
            cells[chosen if box else ()] = len(contents) - 1
            continue
        for number in np.unique(cells[chosen if box else ()]):
            contents.append(write.new(contents[number]))
            part = cells[chosen if box else ()]
            cells[chosen if box else ()] = np.where(part == number, len(contents) - 1, part)
    return Painting(place, axes, cells, contents)
