"""The plan of a model's own initialization, from the program that JAX traces of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained
from weightfill._initializers.base import Initializer
from weightfill._initializers.laws import Constant, Normal, Ones, TruncatedNormal, Uniform, Zeros
from weightfill._initializers.schemes import (
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    XavierNormal,
    XavierUniform,
)
from weightfill._models.gathered import literal
from weightfill._models.rules import Rule, RuleList, Rules
from weightfill._models.wrappers import streams_of
from weightfill._plan import Plan
from weightfill._recorded_plan import plan_of, reasons
from weightfill.jax._contents import Content, Draw, Full, Key, Unsayable, contents
from weightfill.jax._leaves import Leaf, is_flax_model, is_module, leaves_of

_SCHEMES: tuple[Initializer, ...] = (
    LecunNormal(truncated=True, layout="jax"),
    KaimingNormal(truncated=True, layout="jax"),
    XavierNormal(truncated=True, layout="jax"),
    LecunUniform(layout="jax"),
    KaimingUniform(layout="jax"),
    XavierUniform(layout="jax"),
)


@explained
def recorded_plan(make: Callable[..., Any], *args: Any, seed: int, rules: Rules | None = None) -> Plan:
    """Return a model's own initialization as a plan, without drawing it or taking its memory.

    JAX traces `make(*args)`, and the program is followed from each parameter back: to constants, and to `normal`,
    `uniform` and `truncated_normal` of jax.random, times and plus numbers. So the model may have jax.nn.initializers,
    Flax's defaults or functions of its own. The names are those of `materialize`. What has the distribution of LeCun's,
    He's or Glorot's initializer, but for rounding, gets that. Equal initializers are gathered into few rules, and the
    rules are compared with what was recorded, name by name.

    The plan has the distributions, not the values that JAX would have drawn. Statistics of norms and generators need no
    rule. Not known are values computed in other ways, such as orthogonal matrices, and in loops (`linen.scan`; layers
    that `nnx.vmap` stacks are known): these parameters are refused by name and need `rules`.

    Args:
        make: a function that returns a pytree, such as `model.init` of Linen, or a module of NNX. It makes its nnx.Rngs
            itself.
        args: its arguments: keys, arrays or jax.ShapeDtypeStructs.
        seed: the seed of the plan.
        rules: rules of your own for some parameters, which come first: a mapping or pairs as `Plan` takes them. Each
            must match a parameter or another leaf, unless it is optional.

    >>> import jax, weightfill.jax
    >>> def make(key):
    ...     return {"kernel": jax.nn.initializers.lecun_normal()(key, (784, 256)), "bias": jax.numpy.zeros(256)}
    >>> for rule in weightfill.jax.recorded_plan(make, jax.random.key(0), seed=42).rules:
    ...     print(rule.pattern, rule.init)
    bias Zeros()
    kernel LecunNormal(truncated=True, layout='jax')

    Raises:
        TypeError: `make` is not callable, or `rules` are none.
        ValueError: no initializer says what a parameter holds, two hold the same values, or a rule matches nothing.
    """
    if not callable(make):
        raise TypeError(f"make must be a function that returns a model, got {shown(make)}")
    if is_flax_model(make):
        raise TypeError(
            f"make must be a function that returns a model, got the {type(make).__name__} itself; pass a function that "
            "builds it, or of Linen model.init and its arguments"
        )
    own = None if rules is None else RuleList(rules)

    def state(*args: Any) -> Any:
        model = make(*args)
        return sys.modules["flax.nnx"].split(model)[1] if is_module(model) else model

    program, abstract = jax.make_jaxpr(state, return_shape=True)(*args)
    leaves = leaves_of(abstract)
    held = {leaf.name: content for leaf, content in zip(leaves, contents(program), strict=True)}
    if own is not None:
        own.check_used([leaf.name for leaf in leaves])
    asked = [leaf for leaf in leaves if own is None or own.find(leaf.name) is None]
    params = [leaf for leaf in asked if leaf.is_parameter and not leaf.is_key]
    inits: dict[str, Initializer] = {}
    refused: dict[str, str] = {}
    first: dict[object, str] = {}
    for leaf, stream in zip(params, streams_of([leaf.name for leaf in params]), strict=True):
        content = held[leaf.name]
        said = _said(content, leaf)
        if isinstance(content, Draw) and first.setdefault(content.key, stream) != stream:
            said = Unsayable(f"drawn with the key of {shown(first[content.key])}")
        if isinstance(said, Unsayable):
            refused[stream] = said.why
        else:
            inits[stream] = said
    if refused:
        raise ValueError(_refusal(refused))
    given = [] if own is None else list(own.rules)
    given.extend(Rule(literal(leaf.name), init) for leaf in asked if (init := _own_constant(leaf, held[leaf.name])))
    return plan_of(given, inits, seed)


def _own_constant(leaf: Leaf, content: Content) -> Initializer | None:
    """Return the constant of what is no parameter, and has no value without a rule."""
    if leaf.is_parameter or leaf.is_count_of_keys or not isinstance(content, Full):
        return None
    return None if leaf.statistic is not None and leaf.statistic == content.value else _constant(content)


def _said(content: Content, leaf: Leaf) -> Initializer | Unsayable:
    """Return the initializer of a parameter, or why there is none."""
    shape, dtype = leaf.value.shape, leaf.value.dtype
    if isinstance(content, Unsayable):
        return content
    if isinstance(content, Key) or not jax.numpy.issubdtype(dtype, np.floating):
        return Unsayable(f"of {dtype}, which is not drawn")
    try:
        init = _constant(content) if isinstance(content, Full) else _drawn(content)
    except ValueError as error:
        return Unsayable(f"for which {error}")
    if len(shape) < 2 or not isinstance(init, Uniform | TruncatedNormal):
        return init
    tolerance = 2 * float(jax.numpy.finfo(dtype).eps)  # of the program's own arithmetic
    distances = [_distance(scheme.law(shape), init) for scheme in _SCHEMES]
    best = min(distances)
    return _SCHEMES[distances.index(best)] if best <= tolerance else init


def _constant(content: Full) -> Initializer:
    value = _shortest(content.value)
    return (Ones() if value else Zeros()) if value in (0, 1) else Constant(value)


def _drawn(draw: Draw) -> Initializer:
    scale, shift = _shortest(draw.scale), _shortest(draw.shift)
    if scale == 0:
        return Constant(shift)
    if draw.name == "_normal":
        return Normal(shift, abs(scale))
    low, high = sorted(_shortest(bound * draw.scale + draw.shift) for bound in draw.bounds)
    if draw.name == "_uniform":
        return Uniform(low, high)
    if draw.bounds == (-2.0, 2.0):
        return TruncatedNormal(mean=shift, std=abs(scale))
    return TruncatedNormal(mean=shift, std=abs(scale), low=low, high=high)


def _shortest(value: Any) -> float:
    """Return the shortest number that is the same one in float32; integers as they are."""
    return float(value if np.asarray(value).dtype.kind in "iub" else str(np.float32(value)))


def _distance(law: Any, init: Uniform | TruncatedNormal) -> float:
    """Return by how much a number of two distributions around 0 differs at most, as a part of it."""
    if type(law) is not type(init):
        return math.inf
    names = ("low", "high") if isinstance(init, Uniform) else ("std", "cutoff")
    pairs = [(getattr(law, name), getattr(init, name)) for name in names]
    if getattr(init, "mean", 0) != 0 or any(not one or not other for one, other in pairs):
        return math.inf
    return float(max(abs(one / other - 1) for one, other in pairs))


def _refusal(refused: dict[str, str]) -> str:
    return (
        f"make must return parameters that initializers describe, got {reasons(refused)}; "
        "pass rules={pattern: initializer}"
    )
