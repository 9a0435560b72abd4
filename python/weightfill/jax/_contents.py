"""What the outputs of a traced program hold: constants, draws of jax.random times and plus numbers, or what none says.

The program is followed, not run: nothing of the size of a parameter is made.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal


@dataclass(frozen=True, slots=True)
class Full:
    """One number in all elements."""

    value: Any


_number_of_key = itertools.count()


@dataclass(frozen=True, slots=True)
class Key:
    """Keys, no two alike, or the words of such; of one origin are the same keys."""

    origin: str = field(default_factory=lambda: str(next(_number_of_key)))


@dataclass(frozen=True, slots=True)
class Draw:
    """Independent values of jax.random, times `scale`, plus `shift`.

    Attributes:
        name: of the function: "_normal", "_uniform", "_truncated_normal".
        bounds: its other arguments.
        key: two tensors of one key have common values.
    """

    name: str
    bounds: tuple[float, ...]
    key: Key
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Unsayable:
    """What no initializer says, and why."""

    why: str


_REPEATED = Unsayable("with the same values several times")
Content: TypeAlias = Full | Key | Draw | Unsayable

_CALLS = {"jit", "pjit", "closed_call", "core_call", "checkpoint", "custom_jvp_call", "custom_vjp_call", "remat2"}
_DRAWS = {"_normal": 0, "_uniform": 2, "_truncated_normal": 2}  # how many arguments they have beside the key
_RANDOM = jax.random.normal.__code__.co_filename  # where functions of these names are JAX's
_SAME = {  # elements, perhaps at other places
    "broadcast_in_dim",
    "copy",
    "copy_p",
    "expand_dims",
    "optimization_barrier",
    "reshape",
    "reshard",
    "sharding_constraint",
    "squeeze",
    "stop_gradient",
    "transpose",
}
_SAME_KEYS = {"random_clone", "random_unwrap", "random_wrap"}
_OF_KEYS = {"random_fold_in", "random_split"}
_PARTS = {"dynamic_slice", "slice"}
_NUMBERS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "neg": np.negative,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sqrt": np.sqrt,
    "square": np.square,
    "sub": np.subtract,
}


def contents(program: ClosedJaxpr) -> list[Content]:
    """Return what the outputs of a program hold."""
    return _outputs(program, [_argument(variable.aval) for variable in program.jaxpr.invars])


def _argument(aval: Any) -> Content:
    if jax.dtypes.issubdtype(aval.dtype, jax.dtypes.prng_key) or aval.dtype == np.uint32:
        return Key()
    return Unsayable("computed from an argument")


def _outputs(program: ClosedJaxpr, arguments: Sequence[Content]) -> list[Content]:
    jaxpr = program.jaxpr
    found: dict[Any, Content] = dict(zip(jaxpr.invars, arguments, strict=True))
    found.update(zip(jaxpr.constvars, map(_constant, program.consts), strict=True))

    def content(atom: Any) -> Content:
        return _constant(atom.val) if isinstance(atom, Literal) else found[atom]

    for equation in _needed(jaxpr):
        results = _results(equation, list(map(content, equation.invars)))
        found.update(zip(equation.outvars, results, strict=True))
    return list(map(content, jaxpr.outvars))


def _needed(jaxpr: Jaxpr) -> list[JaxprEqn]:
    """Return the equations on which outputs depend: not those of a forward pass."""
    wanted = {atom for atom in jaxpr.outvars if not isinstance(atom, Literal)}
    needed = []
    for equation in reversed(jaxpr.eqns):
        if not wanted.isdisjoint(equation.outvars):
            needed.append(equation)
            wanted.update(atom for atom in equation.invars if not isinstance(atom, Literal))
    return needed[::-1]


def _constant(value: Any) -> Content:
    if jax.dtypes.issubdtype(getattr(value, "dtype", None), jax.dtypes.prng_key):
        return Key() if value.size == 1 else Unsayable("of several keys from outside")
    array = np.asarray(value)
    if array.size and (array == array.flat[0]).all():
        return Full(array.flat[0])
    return Unsayable("with numbers from outside")


def _results(equation: JaxprEqn, inputs: list[Content]) -> list[Content]:
    name = equation.primitive.name
    if name in _CALLS:
        inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
        program = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
        draw = _draw(equation, program, inputs)
        return [draw] if draw is not None else _outputs(program, inputs)
    result = _result(name, equation, inputs) if len(equation.outvars) == 1 else None
    if result is not None:
        return [result]
    why = next((one for one in inputs if isinstance(one, Unsayable)), None) or Unsayable(f"computed by {name}")
    return [why] * len(equation.outvars)


def _draw(equation: JaxprEqn, program: ClosedJaxpr, inputs: list[Content]) -> Draw | None:
    """Return what a call draws, if it is one of the functions of jax.random that are known."""
    name = equation.params.get("name")
    if name not in _DRAWS or program.jaxpr.debug_info.func_filename != _RANDOM or len(inputs) != 1 + _DRAWS[name]:
        return None
    key, *bounds = inputs
    if any(atom.aval.shape for atom in equation.invars[1:]):  # in a vmap over bounds, all with the values of one key
        return None
    is_real = jax.numpy.issubdtype(program.jaxpr.outvars[0].aval.dtype, np.floating)
    if not is_real or not isinstance(key, Key) or not all(isinstance(bound, Full) for bound in bounds):
        return None
    numbers = tuple(float(bound.value) for bound in bounds if isinstance(bound, Full))
    return Draw(name, numbers, key) if list(numbers) == sorted(numbers) else None  # reversed ones draw no such thing


def _result(name: str, equation: JaxprEqn, inputs: list[Content]) -> Content | None:
    """Return what one operation gives; None if that is not known."""
    first, (aval,) = inputs[0] if inputs else None, (variable.aval for variable in equation.outvars)
    if all(isinstance(one, Full) for one in inputs) and inputs:
        return _number(name, aval, equation, inputs)
    if isinstance(first, Key) and all(isinstance(one, Key | Full) for one in inputs):
        if name in _SAME and equation.invars[0].aval.size == aval.size:
            return first
        if name == "random_fold_in" and equation.invars[0].aval.size < aval.size:  # by equal numbers
            return None
        if name in _SAME_KEYS:
            return first
        return _derived(equation, inputs) if name in _OF_KEYS or name in _PARTS else None
    if name in _SAME and isinstance(first, Draw):
        return first if equation.invars[0].aval.size == aval.size else _REPEATED
    if name == "convert_element_type" and isinstance(first, Draw):
        return first if jax.numpy.issubdtype(aval.dtype, np.floating) else None
    if name == "neg" and isinstance(first, Draw):
        return replace(first, scale=-first.scale, shift=-first.shift)
    scaled = _scaled(name, inputs)
    is_one = any(
        isinstance(content, Draw) and atom.aval.size < aval.size
        for content, atom in zip(inputs, equation.invars, strict=True)
    )
    return _REPEATED if scaled is not None and is_one else scaled


def _derived(equation: JaxprEqn, inputs: list[Content]) -> Key:
    """Return the keys that an operation makes: the same ones wherever it is done to the same."""
    made = f"{equation.primitive.name} {equation.params} {inputs}"
    return Key(hashlib.blake2b(made.encode(), digest_size=16).hexdigest())


def _number(name: str, aval: Any, equation: JaxprEqn, inputs: list[Content]) -> Content | None:
    values = [one.value for one in inputs if isinstance(one, Full)]
    if name == "random_seed":
        return _derived(equation, inputs) if aval.size == 1 else None
    if name in _SAME or name == "slice":
        return Full(values[0])
    if name == "convert_element_type":
        return Full(np.asarray(values[0]).astype(aval.dtype)[()])
    if name not in _NUMBERS or (name == "div" and not jax.numpy.issubdtype(aval.dtype, np.floating)):
        return None
    with np.errstate(all="ignore"):
        return Full(np.asarray(_NUMBERS[name](*values)).astype(aval.dtype)[()])


def _scaled(name: str, inputs: list[Content]) -> Draw | None:
    """Return a draw times or plus a number."""
    if len(inputs) != 2:
        return None
    left, right = inputs
    if isinstance(left, Full) and isinstance(right, Draw):
        if name == "sub":
            return replace(right, scale=-right.scale, shift=float(left.value) - right.shift)
        left, right = right, left if name != "div" else right
    if not isinstance(left, Draw) or not isinstance(right, Full):
        return None
    number = float(right.value)
    if name == "div" and number:
        name, number = "mul", 1 / number
    if name == "mul":
        return replace(left, scale=left.scale * number, shift=left.shift * number)
    if name in ("add", "sub"):
        return replace(left, shift=left.shift + (number if name == "add" else -number))
    return None
