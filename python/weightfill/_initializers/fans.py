"""Fans: the number of inputs of an output of a layer, and the number of outputs of an input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from weightfill._arguments.choices import check_choice
from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._arguments.rows import OpenShape, open_shape
from weightfill._arguments.signatures import explained, explained_constructor

Axes: TypeAlias = int | tuple[int, ...]


def _checked_axes(axes: Axes, argument: str) -> Axes:
    kind = "an integer or a tuple of integers"
    if isinstance(axes, tuple | list):
        return tuple(as_integer(axis, argument, kind, within=axes) for axis in axes)
    return as_integer(axes, argument, kind)


def _tuple(axes: Axes) -> tuple[int, ...]:
    return axes if isinstance(axes, tuple) else (axes,)


def _check_distinct(ins: tuple[int, ...], outs: tuple[int, ...], batch: tuple[int, ...], layout: Layout) -> None:
    """Raise where an axis is named twice, but for one that counts inputs and outputs, as JAX has it for embeddings."""
    if any(len(set(axes)) < len(axes) for axes in (ins + batch, outs + batch)):
        raise ValueError(
            "those of in_axis and batch_axis, and of out_axis and batch_axis, must be different axes, got "
            f"in_axis={shown(layout.in_axis)}, out_axis={shown(layout.out_axis)}, "
            f"batch_axis={shown(layout.batch_axis)}"
        )


class Fans(NamedTuple):
    """fan_in, the inputs of one output, and fan_out, the outputs of one input. None if an open dimension decides it.

    >>> Fans(784, 256).fan_out
    256
    """

    fan_in: int | None
    fan_out: int | None


@explained_constructor
@dataclass(frozen=True, slots=True)
class Layout:
    """Which axes of a weight are inputs and which are outputs. All other axes are the receptive field.

    Args:
        in_axis: the axis, or axes, of the inputs; negative numbers count from the end.
        out_axis: the axis, or axes, of the outputs. An axis that is also in `in_axis` is in neither fan, as in JAX.
        batch_axis: axes along which independent layers are stacked, such as experts.
        group_axis: in a grouped convolution, the axis that counts the channels of all groups, one of `in_axis` and
            `out_axis`; the others count the channels of one group. The default is `out_axis`.

    >>> heads = Layout(in_axis=0, out_axis=(1, 2))
    >>> fans((512, 8, 64), layout=heads)
    Fans(fan_in=512, fan_out=512)
    >>> embedding = Layout(in_axis=-2, out_axis=0)  # Flax's nnx.Embed: both are the rows
    >>> fans((1000, 64), layout=embedding)
    Fans(fan_in=64, fan_out=64)

    Raises:
        TypeError: an axis is not an integer.
        ValueError: an axis occurs twice in an argument or also in `batch_axis`, or `group_axis` is neither in `in_axis`
            nor in `out_axis`.
    """

    in_axis: Axes = 1
    out_axis: Axes = 0
    batch_axis: Axes = ()
    group_axis: int | None = None

    def __post_init__(self) -> None:
        for name in ("in_axis", "out_axis", "batch_axis"):
            object.__setattr__(self, name, _checked_axes(getattr(self, name), name))
        channels = _tuple(self.in_axis) + _tuple(self.out_axis)
        _check_distinct(_tuple(self.in_axis), _tuple(self.out_axis), _tuple(self.batch_axis), self)
        if self.group_axis is None:
            return
        group_axis = as_integer(self.group_axis, "group_axis")
        if group_axis not in channels:
            raise ValueError(
                f"group_axis must be one of in_axis={shown(self.in_axis)} and out_axis={shown(self.out_axis)}, "
                f"got {shown(group_axis)}"
            )
        object.__setattr__(self, "group_axis", group_axis)


LayoutName: TypeAlias = Literal[
    "torch", "torch_transposed", "keras", "keras_transposed", "keras_depthwise", "jax", "flax"
]
LayoutLike: TypeAlias = LayoutName | Layout

# Where frameworks keep the axes of a weight.
LAYOUTS: dict[str, Layout] = {
    "torch": Layout(1, 0),  # Linear, Conv: (out, in / groups, *kernel)
    "torch_transposed": Layout(0, 1, group_axis=0),  # ConvTranspose: (in, out / groups, *kernel)
    "keras": Layout(-2, -1),  # Dense, Conv: (*kernel, in / groups, out)
    "keras_transposed": Layout(-1, -2, group_axis=-1),  # Conv2DTranspose: (*kernel, out, in)
    "keras_depthwise": Layout(-2, -1, group_axis=-2),  # DepthwiseConv2D: (*kernel, in, multiplier), groups=in
    "jax": Layout(-2, -1),  # jax.nn.initializers' in_axis=-2, out_axis=-1
    "flax": Layout(-2, -1),  # Dense, Conv: (*kernel, in / groups, out); ConvTranspose: (*kernel, in, out)
}


@explained
def fans(
    shape: OpenShape,
    in_axis: Axes = 1,
    out_axis: Axes = 0,
    groups: int = 1,
    *,
    batch_axis: Axes = (),
    layout: LayoutLike | None = None,
) -> Fans:
    """Return the fans of a weight: the channels of one group times the receptive field.

    fan_in is the product of the sizes of all axes except `out_axis` and `batch_axis`. fan_out is the product of the
    sizes of all axes except `in_axis` and `batch_axis`. The axis that counts the channels of all groups is divided by
    `groups` first. torch, Keras and JAX do not divide: use `groups=1` to get their fan_out of a grouped convolution.

    Args:
        shape: the shape of the full tensor, even if you fill only a part. Its first dimension may be open: None.
        in_axis: the axis, or axes, of the inputs.
        out_axis: the axis, or axes, of the outputs.
        groups: the number of groups of a grouped convolution.
        batch_axis: axes along which independent layers are stacked.
        layout: instead of the axes, a name in LAYOUTS ("torch", "torch_transposed", "keras", "keras_transposed",
            "keras_depthwise", "jax", "flax") or a Layout.

    >>> fans((256, 784))
    Fans(fan_in=784, fan_out=256)
    >>> fans((3, 3, 64, 128), layout="keras")
    Fans(fan_in=576, fan_out=1152)
    >>> fans((None, 128))
    Fans(fan_in=128, fan_out=None)

    Raises:
        TypeError: `shape` is not a shape, an axis or `groups` is not an integer, `layout` is neither a string nor a
            Layout, or axes are passed together with `layout`.
        ValueError: `shape` lacks an axis or has no dimension, an axis occurs twice (except once in `in_axis` and once
            in `out_axis`), `groups` does not divide the channels, or `layout` is not a name in LAYOUTS.
    """
    sizes = open_shape(shape)
    axes = Layout(in_axis, out_axis, batch_axis)
    groups = checked_groups(groups)
    if layout is not None:
        if axes != Layout():
            raise TypeError(f"layout must be left out where axes are given, got {shown(layout)}; a Layout holds axes")
        axes = checked_layout(layout)
    _check_rank(sizes, axes)
    return _count(sizes, axes, groups)


def checked_layout(layout: LayoutLike) -> Layout:
    """Return the layout of this name, or the layout itself.

    Raises:
        TypeError: it is neither a string nor a Layout.
        ValueError: it is not a name in LAYOUTS.
    """
    if isinstance(layout, Layout):
        return layout
    check_choice(layout, LAYOUTS, "layout")
    return LAYOUTS[layout]


def single_axes(layout: LayoutLike, shape: Sequence[int | None]) -> tuple[int, int]:
    """Return the input and the output axis of a layout that has one of each, counted from the start.

    Raises:
        ValueError: the shape does not have them, or they are the same.
    """
    axes, rank = checked_layout(layout), len(shape)
    assert isinstance(axes.in_axis, int)
    assert isinstance(axes.out_axis, int)
    both = axes.in_axis, axes.out_axis
    if not all(-rank <= axis < rank for axis in both) or both[0] % rank == both[1] % rank:
        raise ValueError(
            f"layout must name two axes of shape {shape}, got in_axis={shown(both[0])}, out_axis={shown(both[1])}"
        )
    return both[0] % rank, both[1] % rank


def checked_groups(groups: int) -> int:
    """Return the number of groups as an int.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is less than 1.
    """
    count = as_integer(groups, "groups")
    if count < 1:
        raise ValueError(f"groups must be at least 1, got {shown(count)}")
    return count


def _check_rank(sizes: tuple[int | None, ...], layout: Layout) -> None:
    """Raise for a scalar, and for a vector unless all axes that the layout names are the one that it has."""
    if len(sizes) >= 2:
        return
    axes = _tuple(layout.in_axis) + _tuple(layout.out_axis) + _tuple(layout.batch_axis)
    if not sizes or not all(-1 <= axis < 1 for axis in axes):
        raise ValueError(
            f"shape must have at least 2 dimensions to count fans, got {sizes}; use Normal or Uniform for vectors"
        )


def _count(sizes: tuple[int | None, ...], layout: Layout, groups: int) -> Fans:
    ins = _positions(layout.in_axis, "in_axis", sizes)
    outs = _positions(layout.out_axis, "out_axis", sizes)
    batch = _positions(layout.batch_axis, "batch_axis", sizes)
    _check_distinct(ins, outs, batch, layout)
    grouped = outs if layout.group_axis is None else _positions(layout.group_axis, "group_axis", sizes)
    channels = _product(sizes[axis] for axis in grouped)
    if channels is not None and channels % groups:
        raise ValueError(
            f"groups must divide the {channels} channels along axis {', '.join(map(str, grouped))} of shape {sizes}, "
            f"got {shown(groups)}"
        )

    def fan(others: tuple[int, ...]) -> int | None:
        counted = set(range(len(sizes))) - set(others) - set(batch)
        product = _product(sizes[axis] for axis in counted)
        return product // groups if product is not None and set(grouped) <= counted else product

    return Fans(fan(outs), fan(ins))


def _positions(axes: Axes, argument: str, sizes: tuple[int | None, ...]) -> tuple[int, ...]:
    rank = len(sizes)
    for axis in _tuple(axes):
        if not -rank <= axis < rank:
            raise ValueError(f"{argument} must be within the {rank} axes of shape {sizes}, got {shown(axes)}")
    return tuple(axis % rank for axis in _tuple(axes))


def _product(sizes: Iterable[int | None]) -> int | None:
    """Return the product, None if a size is open."""
    product = 1
    for size in sizes:
        if size is None:
            return None
        product *= size
    return product
