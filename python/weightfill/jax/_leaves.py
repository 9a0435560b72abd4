"""The leaves of a model's pytree, by the names that a plan has for them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import jax

from weightfill._arguments.messages import shown

_STATISTICS = {"mean": 0.0, "var": 1.0}  # of Flax's BatchNorm, before the first batch
_PARAMETERS = "params"  # Linen's collection


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of a pytree.

    Attributes:
        name: the keys of its path, joined by dots.
        value: what stands in the tree: abstract, or a value that is there already.
        box: what of Flax holds it, an nnx.Variable or a Partitioned of Linen; None if nothing does.
        is_parameter: whether it is one, rather than a statistic, the state of a generator and the like.
        is_statistic: whether it is of a batch norm's own collection.
    """

    name: str
    value: Any
    box: Any
    is_parameter: bool
    is_statistic: bool

    @property
    def is_abstract(self) -> bool:
        return isinstance(self.value, jax.ShapeDtypeStruct)

    @property
    def is_key(self) -> bool:
        return bool(jax.dtypes.issubdtype(getattr(self.value, "dtype", None), jax.dtypes.prng_key))

    @property
    def is_count_of_keys(self) -> bool:
        return isinstance(self.box, _of_flax("flax.nnx", "RngCount"))

    @property
    def statistic(self) -> float | None:
        """Its value before the first batch; None if it is no statistic of a norm."""
        return _STATISTICS.get(self.name.rpartition(".")[2]) if self.is_statistic else None

    @property
    def spec(self) -> jax.sharding.PartitionSpec | None:
        """How Flax's metadata partitions it; None if they say nothing."""
        if isinstance(self.box, _of_flax("flax.core.meta", "AxisMetadata")):
            spec = self.box.get_partition_spec()
        elif self.box is not None:
            spec, *_ = jax.tree.leaves(sys.modules["flax.nnx"].get_partition_spec(self.box))
            if isinstance(spec, jax.sharding.NamedSharding):
                spec = spec.spec
        else:
            return None
        return spec if any(axis is not None for axis in spec) else None

    @property
    def mesh(self) -> Any:
        """The mesh in Flax's metadata; None if they say none."""
        return getattr(self.box, "mesh", None)


def leaves_of(tree: Any) -> list[Leaf]:
    """Return the leaves of a pytree in its order.

    Raises:
        ValueError: two have the same name, or an nnx.Variable stands in the tree twice.
    """
    boxed = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_box)[0]
    has_collections = any(_text(path[0]) == _PARAMETERS for path, _ in boxed if path)
    has_variables = any(_is_variable(node) for _, node in boxed)
    leaves: dict[str, Leaf] = {}
    first: dict[int, str] = {}  # names of boxes
    for path, node in boxed:
        keys = list(map(_text, path))
        collection = keys[0] if keys else ""
        if _is_variable(node):
            is_parameter = isinstance(node, _of_flax("flax.nnx", "Param"))
        else:
            is_parameter = collection == _PARAMETERS if has_collections else not has_variables
        is_statistic = isinstance(node, _of_flax("flax.nnx", "BatchStat")) or collection == "batch_stats"
        keys = keys[1:] if collection == _PARAMETERS else keys
        box = node if _is_box(node) else None
        here = ".".join(keys)
        if box is not None and first.setdefault(id(box), here) != here:
            raise ValueError(
                f"abstract must have every Variable once, got {shown(first[id(box)])}, which is {shown(here)} too; "
                "pass the nnx.Module itself, or the state that nnx.split gives, which know what is tied"
            )
        # The first key within a box says that what follows is its value.
        inner = [((), node)] if box is None else jax.tree_util.tree_flatten_with_path(box)[0]
        for rest, value in inner:
            name = ".".join([*keys, *map(_text, rest[1:])])
            if name in leaves:
                raise ValueError(
                    f"abstract must have every name once, got {shown(name)} twice; pass its parts one by one"
                )
            leaves[name] = Leaf(name, value, box, is_parameter, is_statistic)
    return list(leaves.values())


def is_module(tree: Any) -> bool:
    """Whether it is a module of NNX, of which nnx.split tells what is shared."""
    return isinstance(tree, _of_flax("flax.nnx", "Module"))


def is_flax_model(value: Any) -> bool:
    """Whether it is a module of NNX or Linen."""
    return is_module(value) or isinstance(value, _of_flax("flax.linen", "Module"))


def _of_flax(module: str, name: str) -> Any:
    """Return a class of Flax, () if Flax has not been imported: nothing is of it then."""
    return getattr(sys.modules.get(module), name, ())


def _is_variable(node: Any) -> bool:
    return isinstance(node, _of_flax("flax.nnx", "Variable"))


def _is_box(node: Any) -> bool:
    return _is_variable(node) or isinstance(node, _of_flax("flax.core.meta", "AxisMetadata"))


def _text(key: Any) -> str:
    """Return a key of a path as a part of a name."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)
