"""A model's own initialization: recorded while it is built without memory, and said as a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Generator, Tensor
from torch._C import _DisableTorchDispatch  # many times as fast as _disable_current_modes
from torch.nn import Module, Parameter
from torch.nn.parameter import is_lazy
from torch.overrides import _get_current_function_mode_stack
from torch.utils import swap_tensors
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import (
    _disable_current_modes,
    _get_current_dispatch_mode_stack,
    is_traceable_wrapper_subclass,
)

from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Initializer
from weightfill._initializers.laws import Zeros
from weightfill._initializers.padded import Padded, says_padding
from weightfill._models.gathered import literal
from weightfill._models.rules import Rule, RuleList, Rules
from weightfill._models.wrappers import place
from weightfill._plan import Plan
from weightfill._recorded_plan import plan_of, reasons
from weightfill.torch._assignment import check_arguments, padding_rows, statistics
from weightfill.torch._nn_init.drawing import initializer_of_call
from weightfill.torch._nn_init.originals import ASSIGNING, LOOKING, READING, REGISTERING, originals
from weightfill.torch._nn_init.patching import taken_by
from weightfill.torch._recorded.contents import Unsayable
from weightfill.torch._recorded.differing import check_same
from weightfill.torch._recorded.interception import Interception
from weightfill.torch._recorded.layers import by_layers
from weightfill.torch._recorded.said import COMPUTED, origins, said
from weightfill.torch._recorded.written import Written
from weightfill.torch._views import numpy_dtype

Copies = Literal["refuse", "draw"]
OfComputed = Literal["refuse", "keep"]


class Recorded:
    """What was recorded within a block of `recording`."""

    def __init__(self) -> None:
        self._written = Written()

    def plan(
        self,
        module: Module,
        *,
        seed: int,
        rules: Rules | None = None,
        copies: Copies = "refuse",
        computed: OfComputed = "refuse",
    ) -> Plan:
        """Return the module's own initialization as a plan.

        Every parameter is found by its name in `module.named_parameters()`, without the prefixes of wrappers, tied ones
        once. Equal initializers are gathered into few rules, and the rules are compared with what was recorded, name by
        name. A table with rows set to zero is `Padded`; weights of all layers with a std over sqrt(2 * layers) are
        `DepthScaled`, those with one over sqrt(2 * (i + 1)), with i the layer's own number, `LayerScaled`. Buffers that
        were drawn get rules of their own. All other buffers have their values already, as the module computed them, and
        need no rule.

        The plan has the distributions, not the values that torch would have drawn. Writes after the block are not
        known to it.

        Args:
            module: a module that was built within the block.
            seed: the seed of the plan.
            rules: rules of your own for some parameters, which come first: a mapping or pairs as `Plan` takes them.
                Each must match a parameter or buffer, unless it is optional.
            copies: what to do with parameters that were copied from drawn ones, as `copy.deepcopy` does in
                `torch.nn.TransformerEncoder`. They would be equal, and a plan draws each for itself: "refuse" raises,
                "draw" draws each.
            computed: what to do with parameters that hold numbers which the module has computed, and no table that has
                a name: "refuse" raises, "keep" has the numbers in the plan, as `Values`. Numbers that are computed from
                draws are not known and always refused.

        >>> import torch
        >>> import weightfill.torch
        >>> with weightfill.torch.recording() as recorded:
        ...     model = torch.nn.Sequential(torch.nn.Embedding(9, 4, padding_idx=0), torch.nn.LayerNorm(4))
        >>> for rule in recorded.plan(model, seed=42).rules:
        ...     print(rule.pattern, rule.init)
        *.bias Zeros()
        1.weight Ones()
        *.weight Padded(of=Normal(mean=0.0, std=1.0), padding_idx=(0,))

        Raises:
            TypeError: `module` is not a torch module, or `rules` are none.
            ValueError: a parameter was not built within the block, or holds what no initializer says, such as values
                that the module computes (the message names it and the operation), or a rule matches nothing.
        """
        if not isinstance(module, Module):
            raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
        check_choice(copies, ("refuse", "draw"), "copies")
        check_choice(computed, ("refuse", "keep"), "computed")
        own = RuleList(rules) if rules is not None else None
        if own is not None:
            own.check_used(
                [place(module, name)[0] for name, _ in (*module.named_parameters(), *module.named_buffers())]
            )
        inits: dict[str, Initializer] = {}
        refused: dict[str, str] = {}
        first: dict[object, str] = {}
        tensors = dict(self._tensors(module, own))
        for name, found in self._all_said(module, tensors, keep=computed == "keep").items():
            if isinstance(found, Unsayable):
                refused[name] = found.why
                continue
            inits[name] = found
            drawn = origins(self._written.painting(tensors[name]))
            others = {first.setdefault(origin, name) for origin in drawn} - {name}
            if others and copies == "refuse":
                refused[name] = f"a copy of {shown(min(others))}"
        if refused:
            raise ValueError(_refusal(refused))
        given = [] if own is None else list(own.rules)
        if not inits and not given:
            raise ValueError("module must have parameters, got none")
        buffers = [name for name, tensor in tensors.items() if not isinstance(tensor, Parameter)]
        given.extend(Rule(literal(name), inits.pop(name)) for name in buffers)
        shapes = {name: tuple(tensors[name].shape) for name in inits}
        return plan_of(given, by_layers(inits, shapes), seed)

    def check(self, module: Module, plan: Plan) -> None:
        """Check that a plan has the module's own initialization, as one that was recorded for another version has not.

        Distributions are compared, and kept numbers, name by name; the seed is not. Parameters whose initialization no
        plan says, and those with the rule `KeepValues`, are not compared.

        Args:
            module: a module that was built within the block.
            plan: a plan, such as one that was recorded earlier.

        >>> import torch
        >>> import weightfill.torch
        >>> with weightfill.torch.recording() as recorded:
        ...     model = torch.nn.LayerNorm(4)
        >>> recorded.check(model, Plan({"bias": Zeros(), "weight": Ones()}))

        Raises:
            TypeError: `module` is not a torch module, or `plan` is not a Plan.
            ValueError: the plan has another distribution for a parameter, or no rule for it, or a rule without one. The
                message names the first.
        """
        check_arguments(module, plan, None, None)
        tensors = dict(self._tensors(module, None))
        check_same(self._all_said(module, tensors, keep=True), tensors, plan)

    def _all_said(
        self, module: Module, tensors: Mapping[str, Tensor], *, keep: bool
    ) -> dict[str, Initializer | Unsayable]:
        padding = padding_rows(module)
        with _disable_current_modes():
            said = {name: self._said(tensor, keep=keep) for name, tensor in tensors.items()}
        return {name: _with_padding(found) if id(tensors[name]) in padding else found for name, found in said.items()}

    def _tensors(self, module: Module, own: RuleList | None) -> Iterator[tuple[str, Tensor]]:
        """Yield parameters, and buffers that are not in memory as computed, without those that rules are given for."""
        reset = statistics(module)  # which materialize sets
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            stream, _ = place(module, name)
            is_parameter = isinstance(tensor, Parameter)
            if not is_parameter and stream in reset and not self._written.knows(tensor):
                continue
            if (is_parameter or not self._is_computed(tensor)) and (own is None or own.find(stream) is None):
                yield stream, tensor

    def _is_computed(self, tensor: Tensor) -> bool:
        """Whether a buffer has its values already."""
        return is_lazy(tensor) or self._written.is_known(tensor)

    def _said(self, tensor: Tensor, *, keep: bool) -> Initializer | Unsayable:
        if is_lazy(tensor):
            return Unsayable("of a shape that is not known before a forward pass")
        if not self._written.knows(tensor):
            return Unsayable("which was not made within the block, or was converted after it")
        if numpy_dtype(tensor.dtype) is None:
            return Unsayable(f"of {tensor.dtype}, which is not drawn")
        if tensor.is_cpu:  # a parameter that its module was not told of
            self._written.twin(tensor)
        return said(self._written.painting(tensor), tuple(tensor.shape), tensor.dtype, keep=keep)


@contextmanager
def recording() -> Iterator[Recorded]:
    """Inside the block, build a torch module whose parameters take no memory, and record how it initializes them.

    Recorded are the functions of `torch.nn.init`, and what operations on tensors draw, set, copy and multiply by
    numbers, also through `.data`, slices and views; of several writes the last counts. Parameters are on meta. Buffers
    and small other tensors are real. `recorded.plan(module, seed=...)` then says the initialization as a plan, and
    `materialize(module, plan)` makes the values.

    torch's random generators are left alone, and torch is as it was after the block, also after an error. The block
    affects only the thread that entered it. It may be within `patched()` or `torch.device("meta")`.
    Parameters from before the block stay as they are.

    >>> import torch
    >>> import weightfill.torch
    >>> with weightfill.torch.recording() as recorded:
    ...     model = torch.nn.Linear(1_000_000, 10_000)
    >>> model.weight.device
    device(type='meta')
    >>> for rule in recorded.plan(model, seed=42).rules:
    ...     print(rule.pattern, rule.init)
    bias Uniform(low=-0.001, high=0.001)
    weight StandardUniform()

    Raises:
        RuntimeError: a recording of this thread is open; or, within the block, a parameter is made under
            `torch.device("meta")`, where libraries leave out their initialization.
    """
    recorded = Recorded()
    written = recorded._written
    interception = Interception(written)

    def taker(name: str, *arguments: Any) -> Any:
        if name == ASSIGNING:
            return _assigned(written, *arguments)
        if name == LOOKING:
            return interception.look(*arguments)
        if name == READING:
            seen_by_model = interception in _get_current_dispatch_mode_stack()  # not by torch within an operation
            return torch.device("cpu" if seen_by_model and written.knows(*arguments) else "meta")
        if name != REGISTERING:
            return _called(interception, name, *arguments)
        _check_device(*arguments)
        with _DisableTorchDispatch():
            _to_meta(written, arguments[-1])
        return originals[name](*arguments)

    on_cpu = torch.device("cpu") if _is_meta_default() else nullcontext()
    with taken_by(taker), on_cpu, interception:
        yield recorded


def _called(interception: Interception, name: str, tensor: Any, *arguments: Any) -> Any:
    """Record a call of a function of torch.nn.init, and make it unless the tensor has no memory."""
    numbers = arguments[:-1] if arguments and isinstance(arguments[-1], Generator | None) else arguments
    init = None
    if isinstance(tensor, Tensor) and tensor.numel():
        init = initializer_of_call(name, numbers, tuple(tensor.shape))
    if init is None or not tensor.is_meta:
        interception.may_look, before = init is not None, interception.writes
        try:
            originals[name](tensor, *arguments)
        finally:
            interception.may_look = False
        if init is None and isinstance(tensor, Tensor) and tensor.is_meta and interception.writes == before:
            interception.refuse(tensor, f"which {name} draws as no initializer does")  # torch leaves it as it is
    if init is not None:
        interception.draw(tensor, init)
    return tensor


def _assigned(written: Written, tensor: Tensor, value: Any) -> Any:
    """Return what is assigned to `tensor.data`: a twin if the tensor is on meta, and takes nothing in memory."""
    if not tensor.is_meta or not isinstance(value, Tensor) or value.is_meta or not written.knows(value):
        return value
    with _DisableTorchDispatch():
        return written.twin(value)


def _is_meta_default() -> bool:
    """Whether new tensors are on meta. `get_default_device` of torch 2.5 does not see `with torch.device(...)`."""
    devices = [mode.device for mode in _get_current_function_mode_stack() if isinstance(mode, DeviceContext)]
    return bool(devices) and devices[-1].type == "meta"


def _check_device(module: Module, name: str, param: Any) -> None:
    """Raise RuntimeError within torch.device("meta"), where transformers leaves its initialization out."""
    if param is not None and _is_meta_default():
        raise RuntimeError(
            f"recording() must not have torch.device('meta') within, got {shown(name)} of {type(module).__name__} made "
            "there; leave it out, as parameters take no memory anyway, or put it around recording()"
        )


def _to_meta(written: Written, param: Any) -> None:
    """Give a parameter, which stays the same object, a tensor on meta."""
    if type(param) is not Parameter and (
        not isinstance(param, Parameter) or is_lazy(param) or is_traceable_wrapper_subclass(param)
    ):
        return
    if not param.is_cpu or param.layout is not torch.strided or not written.knows(param):
        return
    twin = written.twin(param)
    if twin is None:
        return
    new = Parameter(twin, requires_grad=param.requires_grad)
    new.__class__ = type(param)
    new.__dict__.update(param.__dict__)
    swap_tensors(param, new)


def _with_padding(found: Initializer | Unsayable) -> Initializer | Unsayable:
    """Return the initializer of a table with padding rows, which are zeros unless it says that there are none."""
    if isinstance(found, Unsayable) or says_padding(found) or found == Zeros():
        return found
    try:
        return Padded(found, ())
    except TypeError:
        return Unsayable("whose padding rows are drawn like the others")


def _refusal(refused: dict[str, str]) -> str:
    ways = ["pass rules={pattern: initializer} for them"]
    if any(why.startswith(COMPUTED) for why in refused.values()):
        ways.insert(0, 'keep the numbers by computed="keep"')
    if any(why.startswith("a copy of") for why in refused.values()):
        ways.insert(0, 'draw each copy for itself by copies="draw"')
    way_out = ", or ".join([", ".join(ways[:-1]), ways[-1]] if len(ways) > 1 else ways)
    return f"module must have parameters that initializers describe, got {reasons(refused)}; {way_out}"
