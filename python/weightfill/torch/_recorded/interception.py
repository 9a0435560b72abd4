"""Operations on tensors while recording: run, or only noted, and what they draw, set and compute written down."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes, _get_current_dispatch_mode_stack
from torch.utils._pytree import tree_leaves, tree_map_only

from weightfill._initializers.base import Initializer
from weightfill._initializers.laws import Constant, Normal, Uniform
from weightfill.torch._recorded.contents import (
    ELEMENTWISE,
    MEMORY,
    UNSET,
    Content,
    Draw,
    Known,
    Unsayable,
    after,
    computed_by,
    in_memory,
    sum_of,
)
from weightfill.torch._recorded.regions import place_of
from weightfill.torch._recorded.written import Written

_LARGE = 1 << 26  # bytes, from which a tensor that is not set takes no memory, but is on meta
_SMALL = 1 << 20  # bytes, up to which constants on meta are computed with
_LARGEST_ITEM = 16  # bytes of an element of any dtype
_CPU = torch.device("cpu")
_UNSET = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
_SET = {"zeros": 0, "zeros_like": 0, "new_zeros": 0, "ones": 1, "ones_like": 1, "new_ones": 1}
_FULL = {"full": 1, "full_like": 1, "new_full": 2}  # the place of the value among the arguments
_RANDOM = {"randn": "normal_", "randn_like": "normal_", "rand": "uniform_", "rand_like": "uniform_"}
_DRAWING = {"normal_": ("mean", "std"), "uniform_": ("from", "to")}
_LOOKS = (
    "recording() must not have code that looks at values that are drawn, got {name}; parameters take no memory there: "
    "let this code run after materialize"
)
_OVERWRITING = {"copy_", "fill_", "zero_"}
_COPIES = {"clone", "_to_copy", "lift_fresh_copy"}


class Interception(TorchDispatchMode):
    """Sees all operations of this thread within its block.

    Draws take their random numbers from a generator of their own, so that torch's is left alone.
    """

    def __init__(self, written: Written) -> None:
        super().__init__()
        self._written = written
        self._generator = torch.Generator().manual_seed(0)
        self.may_look = False  # for code that looks at drawn values, and whose draws are known all the same

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # which would import torch._dynamo, for seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = func.overloadpacket.__name__, dict(kwargs or {})
        if func.is_view:
            result = func(*args, **kwargs)
            if name == "lift_fresh" and not self._written.knows(result):  # what torch.tensor makes
                self._written.add(result)
            return result
        if name == "_to_copy" and args[0].is_meta and self._written.knows(args[0]):
            kwargs["device"] = args[0].device  # it is said to be in memory already
        if name in _RANDOM and "out" in kwargs:
            return self._drawn(getattr(torch.ops.aten, _RANDOM[name]).default, _RANDOM[name], (kwargs["out"],), {})
        if func is torch.ops.aten.normal.float_float:  # torch.normal(mean, std, size)
            empty = self._made(torch.ops.aten.empty.memory_format, "empty", (args[2],), kwargs)
            return self._drawn(torch.ops.aten.normal_.default, "normal_", (empty, *args[:2]), {})
        if (name in _UNSET or name in _RANDOM or name in _SET or name in _FULL) and "out" not in kwargs:
            return self._made(func, name, args, kwargs)
        if name in _DRAWING:
            return self._drawn(func, name, args, kwargs)
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if not given:
            _keep_in_memory(kwargs)
        func = _with_generator(func)
        if "generator" in (argument.name for argument in func._schema.arguments) and not any(t.is_meta for t in given):
            kwargs.setdefault("generator", self._generator)
        draws = torch.Tag.nondeterministic_seeded in func.tags
        read = given[1:] if name in _OVERWRITING and not given[0].is_meta else given
        known = not draws and all(map(self._written.is_known, read))
        changed = [tensor for tensor in _changed(func, args, kwargs) if isinstance(tensor, Tensor)]
        if name == "set_":  # which gives a tensor other memory, and writes in none
            changed = []
        if name in ("item", "_local_scalar_dense") and not self.may_look and not self._written.is_known(args[0]):
            return self._item(args[0])
        if name == "copy_" and args[1].is_meta and not args[0].is_meta:  # nothing that could be read
            self._written.copy(args[1], args[0], operation=name)
            return args[0]
        result = _run(func, args, kwargs, given, changed)
        if name == "equal" and not known:
            raise RuntimeError(_LOOKS.format(name=name))
        for tensor in changed:
            self._written.write(tensor, self._after(func, name, args, kwargs, tensor, known))
        if name == "copy_" and not self._written.is_known(args[1]):
            self._written.copy(args[1], args[0], operation=name)
        mine = {id(tensor) for tensor in changed}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and id(tensor) not in mine and not self._is_alias(tensor, given):
                self._note_result(func, name, args, kwargs, tensor, known)
        return result

    def knows(self, tensor: Tensor) -> bool:
        """Whether the tensor was made within the block."""
        return self._written.knows(tensor)

    def look(self, tensor: Tensor, name: str) -> None:
        """Raise RuntimeError where code reads values of a tensor, by a method of this name, that were drawn."""
        held = self._written.painting(tensor).held()
        if any(isinstance(content, Draw | Unsayable) and content is not UNSET for content in held):
            raise RuntimeError(_LOOKS.format(name=name))

    def draw(self, tensor: Tensor, init: Initializer) -> None:
        """Take note that a tensor is drawn, by a call that the operations do not show."""
        draw = Draw(init, tuple(tensor.shape), object(), order=place_of(tensor).order)
        law = draw.plain()
        if isinstance(law, Constant):
            self._written.write(tensor, Known(law.value) if tensor.is_meta else MEMORY)
        elif law is None and not tensor.is_contiguous():  # its elements would be in other places
            self._written.write(tensor, Unsayable(f"which {init} fills in another order"))
        else:
            self._written.write(tensor, draw)

    @property
    def writes(self) -> int:
        """The number of writes until now."""
        return self._written.count

    def refuse(self, tensor: Tensor, why: str) -> None:
        """Take note that a tensor gets what no initializer says."""
        self._written.write(tensor, Unsayable(why))

    def _made(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """Make a tensor that is not set, drawn or constant."""
        if name in _RANDOM:
            kwargs.pop("generator", None)
            base = "empty_like" if name.endswith("_like") else "empty"
            empty = getattr(torch.ops.aten, base)
            result = self._allocated(empty.default if base == "empty_like" else empty.memory_format, args, kwargs)
            self._written.add(result)
            draw = getattr(torch.ops.aten, _RANDOM[name]).default
            return self._drawn(draw, _RANDOM[name], (result,), {})
        if name in _UNSET:
            result = self._allocated(func, args, kwargs)
            self._written.add(result, UNSET)
            return result
        result = self._allocated(func, args, kwargs)
        value = _SET[name] if name in _SET else args[_FULL[name]] if len(args) > _FULL[name] else kwargs["fill_value"]
        self._written.add(result, Known(float(value)) if result.is_meta else MEMORY)
        return result

    def _allocated(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
        """Make a tensor on meta if it is large, or is made like one that is there; in memory otherwise."""
        like = args[0] if args and isinstance(args[0], Tensor) else None
        device = torch.device(kwargs.get("device") or (like.device if like is not None else "cpu"))
        if like is None and device.type in ("cpu", "meta") and math.prod(args[0]) * _LARGEST_ITEM < _LARGE:
            small: Tensor = func(*args, **{**kwargs, "device": _CPU})
            return small
        found: Tensor = func(*args, **{**kwargs, "device": torch.device("meta"), "pin_memory": False})
        if device.type not in ("cpu", "meta"):
            return func(*args, **kwargs)
        if found.nbytes >= _LARGE or (like is not None and like.is_meta):
            return found
        return func(*args, **{**kwargs, "device": _CPU})

    def _drawn(self, func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        tensor, numbers = args[0], _numbers(name, args, kwargs)
        if not tensor.is_meta:
            func(*args, **{**kwargs, "generator": self._generator if tensor.is_cpu else None})
        self._written.write(tensor, self._law(name, tensor, *numbers))
        return tensor

    def _law(self, name: str, tensor: Tensor, first: Any, second: Any) -> Content:
        try:
            if name == "uniform_" and first == second:
                return Known(float(first))
            init = Normal(first, second) if name == "normal_" else Uniform(first, second)
        except (TypeError, ValueError):
            return Unsayable(f"which {name} drew with {first} and {second}")
        return Draw(init, tuple(tensor.shape), object())

    def _after(self, func: Any, name: str, args: Any, kwargs: Any, tensor: Tensor, known: bool) -> Any:
        """Return what a tensor in which an operation has written holds."""
        if torch.Tag.nondeterministic_seeded in func.tags:
            return Unsayable(f"which {name} drew")
        if known:
            return MEMORY
        if name in ("zero_", "fill_"):
            value = 0.0 if name == "zero_" else self._number(args[1])
            return MEMORY if value is not None and not tensor.is_meta else _known(value, name)
        if name == "copy_":  # of what is drawn, the contents follow part by part
            if not self._written.is_known(args[1]):
                return UNSET
            return self._in_memory(args[1], tensor) if tensor.is_meta else MEMORY
        numbers = None if "out" in kwargs else self._elementwise(name, args, kwargs, tensor)
        if numbers is not None:
            return _change(func, numbers, kwargs, tensor.dtype)
        folded = self._folded(func, args, kwargs) if tensor.is_meta and args[0] is tensor else None
        return computed_by(name) if folded is None else self._in_memory(folded, tensor)

    def _note_result(self, func: Any, name: str, args: Any, kwargs: Any, tensor: Tensor, known: bool) -> None:
        if known:
            kept = tensor.is_meta and name in _COPIES
            self._written.add(tensor, self._in_memory(args[0], tensor) if kept else MEMORY)
            return
        draws = torch.Tag.nondeterministic_seeded in func.tags
        self._written.add(tensor, Unsayable(f"which {name} drew") if draws else computed_by(name))
        folded = None if draws else self._folded(func, args, kwargs)
        if folded is not None and folded.shape == tensor.shape:
            self._written.write(tensor, self._in_memory(folded, tensor))
            return
        if name in ("cat", "stack"):
            self._note_joined(name, tensor, *args, **kwargs)
            return
        source = args[0] if args and isinstance(args[0], Tensor) else None
        if source is None or source.shape != tensor.shape:
            return
        if name in _COPIES and tensor.dtype.is_floating_point:
            self._written.copy(source, tensor, operation=name)
            return
        numbers = self._elementwise(name, args, kwargs, source)
        if numbers is not None and source.dtype == tensor.dtype:
            self._written.copy(source, tensor, operation=name)
            self._written.write(tensor, _change(func, numbers, kwargs, tensor.dtype))
        elif name == "add" and len(args) == 2 and not kwargs and isinstance(args[1], Tensor):
            paintings = [self._written.painting(one) for one in args]
            if all(one.cells.size == 1 for one in paintings) and args[1].shape == tensor.shape:
                self._written.write(tensor, sum_of(*(one.contents[int(one.cells.item())] for one in paintings)))

    def _note_joined(self, name: str, tensor: Tensor, sources: Sequence[Tensor], dim: int = 0) -> None:
        """Take note that a tensor has the contents of others beside each other."""
        lengths = [1 if name == "stack" else source.shape[dim] if source.numel() else 0 for source in sources]
        if not tensor.dtype.is_floating_point or sum(lengths) != tensor.shape[dim]:
            return
        for source, first, length in zip(sources, itertools.accumulate(lengths, initial=0), lengths, strict=False):
            part = tensor.select(dim, first) if name == "stack" else tensor.narrow(dim, first, length)
            self._written.copy(source, part, operation=name)

    def _folded(self, func: Any, args: Any, kwargs: Any) -> Tensor | None:
        """Return the result for arguments on meta whose values are known; None if they are not."""
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if "device" in kwargs or any(tensor.nbytes > _SMALL for tensor in given):
            return None
        constants: dict[int, Tensor] = {}
        for tensor in given:
            if self._written.is_known(tensor):
                continue
            values = self._written.painting(tensor).real(tensor.dtype)
            if values is None:
                return None
            constants[id(tensor)] = values.reshape(tensor.shape)
        replaced: Callable[[Tensor], Tensor] = lambda tensor: constants.get(id(tensor), tensor)  # noqa: E731
        result = func(*tree_map_only(Tensor, replaced, args), **tree_map_only(Tensor, replaced, kwargs))
        return result if isinstance(result, Tensor) else None

    def _elementwise(self, name: str, args: Any, kwargs: Any, tensor: Tensor) -> tuple[float, ...] | None:
        """Return the numbers of an operation that is done to each element alone; None if it is no such."""
        if name not in ELEMENTWISE or args[0] is not tensor:
            return None
        if name.startswith("clamp"):
            return (
                tuple(args[1:]) if all(value is None or isinstance(value, int | float) for value in args[1:]) else None
            )
        numbers = tuple(map(self._number, args[1:]))
        return None if None in numbers else numbers  # type: ignore[return-value]

    def _in_memory(self, values: Tensor, tensor: Tensor) -> Content:
        """Return what a tensor holds that has got values in memory, of which there may be fewer, to be repeated."""
        return in_memory(values.detach().expand(tensor.shape), place_of(tensor), tensor.dtype)

    def _item(self, tensor: Tensor) -> Any:
        """Return the number that a tensor holds; RuntimeError if it was drawn, also where the number is in memory."""
        values = self._written.painting(tensor).real(tensor.dtype)
        if values is None:
            raise RuntimeError(_LOOKS.format(name="item"))
        return values.item()

    def _number(self, value: Any) -> float | None:
        """Return a number, or the one in a tensor in memory."""
        if isinstance(value, Tensor):
            if value.ndim or not self._written.is_known(value) or value.is_complex():
                return None
            with _disable_current_modes():
                return float(value.item())
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _is_alias(self, tensor: Tensor, given: list[Tensor]) -> bool:
        """Whether a result shares its storage with an argument, as that of `contiguous` may."""
        storage = tensor.untyped_storage()._cdata
        return any(storage == other.untyped_storage()._cdata for other in given)


def interception_of(tensor: Tensor) -> Interception | None:
    """Return the open one of this thread that knows a tensor; it must be told of what weightfill draws."""
    if not torch._C._len_torch_dispatch_stack():  # as is mostly so: what follows takes time beside a small fill
        return None
    modes = _get_current_dispatch_mode_stack()
    return next((mode for mode in modes if isinstance(mode, Interception) and mode.knows(tensor)), None)


def _keep_in_memory(kwargs: dict[str, Any]) -> None:
    """Let a tensor be made in memory that is meant to be on meta, as parameters are, or a block of torch.device is."""
    if kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "meta":
        kwargs["device"] = _CPU


def _with_generator(func: Any) -> Any:
    """Return the overload of an operation without tensors that takes a generator, if there is one."""
    other = {"default": "generator", "low": "low_generator"}.get(func._overloadname)
    return getattr(func.overloadpacket, other) if other and other in func.overloadpacket.overloads() else func


def _run(func: Any, args: Any, kwargs: Any, given: list[Tensor], changed: list[Tensor]) -> Any:
    """Run an operation; RuntimeError if it looks at values that are drawn."""
    try:
        return _together(func, args, kwargs, given, changed)
    except RuntimeError as error:
        if "item() cannot be called on meta" not in str(error):
            raise
        raise RuntimeError(_LOOKS.format(name=func.overloadpacket.__name__)) from error


def _together(func: Any, args: Any, kwargs: Any, given: list[Tensor], changed: list[Tensor]) -> Any:
    """Run an operation; where torch does not take tensors on meta and in memory together, all of them on meta."""
    try:
        return func(*args, **kwargs)
    except RuntimeError:
        if len({tensor.is_meta for tensor in given}) < 2 or not all(tensor.is_meta for tensor in changed):
            raise
    move: Callable[[Tensor], Tensor] = lambda tensor: tensor if tensor.is_meta else tensor.to("meta")  # noqa: E731
    return func(*tree_map_only(Tensor, move, args), **tree_map_only(Tensor, move, kwargs))


def _known(value: float | None, name: str) -> Content:
    return (
        computed_by(name)
        if value is None
        else Known(value)
        if abs(value) < float("inf")
        else Unsayable("which is NaN" if math.isnan(value) else "which is infinite")
    )


def _change(func: Any, numbers: tuple[float, ...], options: Any, dtype: torch.dtype) -> Callable[[Content], Content]:
    return lambda content: after(content, func, numbers, dict(options), dtype)


def _changed(func: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    """Yield the arguments in which an operation writes."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            yield from value if isinstance(value, list | tuple) else [value]


def _numbers(name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    names, found = _DRAWING[name], []
    for place, argument in enumerate(names):
        found.append(args[place + 1] if len(args) > place + 1 else kwargs.get(argument, float(place)))
    return found[0], found[1]
