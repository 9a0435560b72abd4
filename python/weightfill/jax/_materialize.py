"""Models of which JAX knows shapes alone, filled by a plan."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np

from weightfill._arguments.messages import listed, shown
from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import stream_number
from weightfill._initializers.laws import Constant
from weightfill._models.computed import check_names
from weightfill._models.rules import INTEGERS, Rule
from weightfill._models.wrappers import streams_of
from weightfill._plan import Plan
from weightfill._run.threads import threads_for
from weightfill.jax import _arrays, _programs
from weightfill.jax._keyed import Keyed, keyed
from weightfill.jax._leaves import Leaf, is_module, leaves_of
from weightfill.jax._places import place_of, wishes_of

Tree = TypeVar("Tree")
_DIFFERENT = (
    "draw them by rules that no parameter has, such as {'*.count': Zeros()}, or put arrays in their places, which stay "
    "as they are"
)


@explained
def parameters(abstract: Any) -> dict[str, jax.ShapeDtypeStruct]:
    """Return shape and dtype of every parameter of a model, by name: what `Plan.tensors`, `explain` and `write` take.

    Names are those of `materialize`. Statistics of norms, the state of generators, optimizers and caches are left out.

    Args:
        abstract: a pytree, as for `materialize`; its leaves may be arrays, too.

    >>> import jax, weightfill.jax
    >>> abstract = {"params": {"fc": {"kernel": jax.ShapeDtypeStruct((784, 256), "float32")}}}
    >>> print(Plan({"*": LecunNormal(layout="jax")}, seed=42).explain(weightfill.jax.parameters(abstract)))
    parameter  shape      dtype    rule  distribution                   fans        bytes
    fc.kernel  784 x 256  float32  *     Normal(mean=0, std=0.0357143)  784, 256  802,816
    1 parameter, 200,704 elements, 802,816 bytes

    Raises:
        ValueError: two leaves have the same name, or are one nnx.Variable.
    """
    return {
        leaf.name: jax.ShapeDtypeStruct(leaf.value.shape, leaf.value.dtype)
        for leaf in _leaves(abstract)
        if leaf.is_parameter and not leaf.is_key and hasattr(leaf.value, "dtype")
    }


@explained
def materialize(
    abstract: Tree,
    plan: Plan,
    *,
    mesh: jax.sharding.Mesh | None = None,
    shardings: Any = None,
    key: jax.Array | None = None,
    threads: int | None = None,
) -> Tree:
    """Return a model of which JAX knows the shapes alone, with the values of a plan: each device fills its own parts.

    `abstract` is what `jax.eval_shape(model.init, key, x)` gives of a Linen module, or `nnx.eval_shape(make)` of a
    module of NNX, which comes back as a module; or the state of `nnx.split`, or any other pytree with
    jax.ShapeDtypeStructs. Leaves that are arrays already stay as they are.

    - The name of a leaf is its path, with dots: "encoder.layers.0.attn.query.kernel". The collection "params" of Linen
      is no part of it, others are: "batch_stats.norm.mean". The name is the stream, as in `Plan.fill` and `Plan.write`.
      So the values do not depend on the mesh.
    - Parameters are the nnx.Params, in Linen those of "params", and in other pytrees all. Everything else is filled
      only by a rule that no parameter has. Without one, statistics of norms (nnx.BatchStat, "batch_stats") begin with
      mean 0 and var 1, generators with `key`, and anything else is an error. Leaves of integers and booleans can be
      constants.
    - Where an array is, is said by `shardings`; else by the leaf's own sharding; else by Flax's metadata
      (`nnx.with_partitioning`, `linen.with_partitioning`, also under logical axis rules of NNX). What none of these
      says anything of is replicated over the mesh. Without any mesh it is on the default device.

    On the CPU the filled memory becomes the arrays' own. Devices with the same part share one fill. Nothing else is
    allocated, except by initializers that must compute a tensor in one piece (Orthogonal). All arguments are checked
    before anything is filled.

    Args:
        abstract: a pytree, or a module of NNX.
        plan: what to draw. Every parameter needs a rule, and every rule must match a leaf.
        mesh: the devices of partition specs. The default is the mesh of `jax.set_mesh`.
        shardings: a Sharding or PartitionSpec for all leaves, or a pytree of these of the same structure or a prefix of
            it, as `nnx.get_named_sharding` and `linen.logical_to_mesh_sharding` give it; None says nothing.
        key: for the generators that a model keeps, such as nnx.Rngs for dropout. Each gets a key of its own, made from
            this one and its name, and a count of 0.
        threads: the most threads to use. The default is `get_threads()` for large arrays and 1 for small ones.

    >>> import jax, weightfill.jax
    >>> abstract = jax.eval_shape(lambda: {"kernel": jax.numpy.zeros((4, 8)), "bias": jax.numpy.zeros(8)})
    >>> params = weightfill.jax.materialize(abstract, Plan({"bias": Zeros(), "*": Normal(std=0.02)}, seed=42))
    >>> bool((params["kernel"] == create((4, 8), Normal(std=0.02), seed=42, stream="kernel")).all())
    True

    Raises:
        TypeError: `abstract` is a function, `plan` is not a Plan, `mesh` is not a mesh of devices, or `shardings` has
            something else in it.
        ValueError: a parameter has no rule, a rule has no leaf, nothing says the value of a leaf that is no parameter,
            an initializer does not fit its leaf, a sharding does not divide it, or partition specs have no mesh.
        MemoryError: there is no memory for an array.
    """
    if not isinstance(plan, Plan):
        raise TypeError(f"plan must be a weightfill.Plan, got {type(plan).__name__}")
    if mesh is not None and not isinstance(mesh, jax.sharding.Mesh):
        raise TypeError(f"mesh must be a jax.sharding.Mesh, got {shown(mesh)}")
    threads_for(0, threads)
    if callable(abstract) and not is_module(abstract) and jax.tree_util.all_leaves([abstract]):
        raise TypeError(
            f"abstract must be a module of NNX or a pytree with jax.ShapeDtypeStructs, got {shown(abstract)}; "
            "pass what nnx.eval_shape or jax.eval_shape returns for it"
        )
    if is_module(abstract):
        nnx = sys.modules["flax.nnx"]
        graph, state = nnx.split(abstract)
        if is_module(shardings):
            shardings = nnx.state(shardings)
        filled = materialize(state, plan, mesh=mesh, shardings=shardings, key=key, threads=threads)
        module: Tree = nnx.merge(graph, filled)
        return module
    leaves = leaves_of(abstract)
    asked = [leaf for leaf in leaves if leaf.is_abstract]
    rules = _rules(leaves, plan)
    _check_known(asked, rules, key)
    wishes = dict(zip((leaf.name for leaf in leaves), wishes_of(shardings, abstract), strict=True))
    places = {leaf.name: place_of(leaf, wishes[leaf.name], mesh) for leaf in asked}
    made = {leaf.name: _defined(leaf, rules.get(leaf.name), plan, threads) for leaf in asked}
    values = [
        _made(leaf, made[leaf.name], places[leaf.name], key) if leaf.is_abstract else leaf.value for leaf in leaves
    ]
    tree: Tree = jax.tree.unflatten(jax.tree.structure(abstract), values)
    return tree


def _leaves(abstract: Any) -> list[Leaf]:
    return leaves_of(sys.modules["flax.nnx"].state(abstract) if is_module(abstract) else abstract)


def _rules(leaves: Sequence[Leaf], plan: Plan) -> dict[str, tuple[str, Rule]]:
    """Return stream and rule of every leaf that has one; errors as of `Plan.assign`."""
    params = [leaf.name for leaf in leaves if leaf.is_parameter and leaf.is_abstract and not leaf.is_key]
    streams = dict(zip(params, streams_of(params), strict=True))
    others = [leaf.name for leaf in leaves if leaf.name not in streams and leaf.is_abstract and not leaf.is_key]
    left = plan._left(list(streams.values()), others)
    streams |= {name: name for name in others if name not in left}
    # A rule may be for leaves that are there already.
    there = [leaf.name for leaf in leaves if not leaf.is_abstract and plan._list.find(leaf.name) is not None]
    rules = plan._rules_of([*streams.values(), *there])
    check_names(streams.values(), plan._rule)
    return {name: (stream, rules[stream]) for name, stream in streams.items()}


def _check_known(leaves: Sequence[Leaf], rules: Mapping[str, Any], key: Any) -> None:
    """Raise ValueError if the value of a leaf is not known."""
    generators = [leaf.name for leaf in leaves if leaf.name not in rules and (leaf.is_key or leaf.is_count_of_keys)]
    if generators and key is None:
        raise ValueError(
            f"key must be given for the state of generators, got None for {listed(generators)}; pass "
            "key=jax.random.key(...), from which each gets its own"
        )
    unknown = [leaf.name for leaf in leaves if leaf.name not in {*rules, *generators} and leaf.statistic is None]
    if unknown:
        raise ValueError(
            "abstract must have no leaves but parameters, statistics of norms, generators and those with a rule that "
            f"no parameter has, got {listed(unknown)}; {_DIFFERENT}"
        )


def _defined(
    leaf: Leaf, assigned: tuple[str, Rule] | None, plan: Plan, threads: int | None
) -> tuple[Keyed, int] | np.ndarray[Any, Any] | None:
    """Return what a leaf is to hold: a tensor and its seed, an integer or a truth value; None of a generator."""
    shape, dtype = leaf.value.shape, leaf.value.dtype
    if assigned is None and leaf.statistic is None:
        return None
    stream, init = (leaf.name, Constant(leaf.statistic or 0.0)) if assigned is None else (assigned[0], assigned[1].init)
    try:
        if np.dtype(dtype).kind in INTEGERS:
            law = init.law(shape)
            if not isinstance(law, Constant) or dtype.type(law.value) != law.value:
                raise ValueError(
                    f"init must be a constant that {dtype} holds; put the array itself in the leaf's place"
                )
            return np.asarray(law.value, dtype)
        return keyed(shape, init, plan.seed, stream, dtype, threads)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{shown(leaf.name)}, {shown(init)}: {error}") from error


def _made(
    leaf: Leaf,
    defined: tuple[Keyed, int] | np.ndarray[Any, Any] | None,
    sharding: jax.sharding.Sharding | None,
    key: jax.Array | None,
) -> jax.Array:
    """Return the array of a leaf."""
    if isinstance(defined, tuple):
        tensor, seed = defined
        if _programs.traced():
            return _programs.staged(tensor, np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32), sharding)
        return _arrays.created(tensor, seed, sharding)
    if defined is None and leaf.is_key:
        assert key is not None
        for word in divmod(stream_number(leaf.name), 2**32):
            key = jax.random.fold_in(key, word)
        return _put(key if leaf.value.shape == () else jax.random.split(key, leaf.value.shape), sharding)
    value = 0 if defined is None else defined
    return _put(jax.numpy.full(leaf.value.shape, value, leaf.value.dtype), sharding)


def _put(array: jax.Array, sharding: jax.sharding.Sharding | None) -> jax.Array:
    return array if sharding is None else jax.device_put(array, sharding)
