"""Initializers that place or scale what others draw: Identity, Dirac, DepthScaled, Scaled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.messages import shown
from weightfill._arguments.windows import INDICES
from weightfill._initializers.base import (
    Composed,
    Indices,
    Initializer,
    Law,
    Masked,
    PlainLaw,
    Shape,
    WholeTensor,
    as_initializer,
    store_integer,
    store_number,
)
from weightfill._initializers.fans import LayoutLike, checked_groups, checked_layout, single_axes
from weightfill._initializers.laws import Constant
from weightfill._initializers.masks import Diagonal, countable
from weightfill._initializers.names import named
from weightfill._run.float_mode import in_float_mode


@named("Eye")
@dataclass(frozen=True, slots=True)
class Identity(Initializer):
    """`gain` on the main diagonal of a matrix, zero elsewhere. Needs no seed.

    The matrix need not be square. It is used for recurrent weights: Le, Jaitly, Hinton, "A simple way to initialize
    recurrent networks of rectified linear units", 2015. torch calls it `eye_`.

    Args:
        gain: the value on the diagonal, finite.

    >>> Identity(0.5)
    Identity(gain=0.5)

    Raises:
        TypeError: `gain` is not a number.
        ValueError: `gain` is not finite. When it is used: the tensor does not have 2 dimensions.
    """

    random: ClassVar[bool] = False
    gain: float = 1.0

    def __post_init__(self) -> None:
        store_number(self, "gain")

    def law(self, shape: Shape) -> Masked:
        """Return Constant(gain) under the mask of the diagonal; ValueError unless the shape has 2 dimensions."""
        if len(shape) != 2:
            raise ValueError(f"shape must have 2 dimensions for {self}, got {shape}; use Dirac for convolutions")
        rows, columns = _known(shape, self)
        mask = Diagonal(1, columns, 1, max(rows, 1), 1, max(rows, 1))
        return Masked(Constant(self.gain), countable(mask, self, shape))


@named()
@dataclass(frozen=True, slots=True)
class Dirac(Initializer):
    """A convolution that passes its input channels through unchanged. Needs no seed.

    Output i gets a 1 at the centre of its kernel for input i; all other weights are zero. With groups, each group of
    outputs passes the channels of its own group through; in a transposed layout the inputs of a group go to its outputs
    in turn. The centre of a kernel axis of length k is element k // 2, as in torch's `dirac_`. If a group has different
    numbers of inputs and outputs, the surplus channels are zero.

    Args:
        groups: the number of groups; it must divide the number of outputs.
        layout: which axes are inputs and outputs: a name in `weightfill.LAYOUTS`, or a Layout with one axis for each.

    >>> Dirac(groups=2)
    Dirac(groups=2, layout='torch')

    Raises:
        TypeError: `groups` is not an integer, or `layout` is neither a string nor a Layout.
        ValueError: `groups` is less than 1, or `layout` is not a known name or has not one axis for inputs and outputs
            each. When it is used: the tensor has fewer than 3 dimensions, or `groups` does not divide its outputs.
    """

    random: ClassVar[bool] = False
    groups: int = 1
    _: KW_ONLY
    layout: LayoutLike = "torch"

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", checked_groups(self.groups))
        layout = checked_layout(self.layout)
        if not (isinstance(layout.in_axis, int) and isinstance(layout.out_axis, int) and layout.batch_axis == ()):
            raise ValueError(
                f"layout must have one input and one output axis and no batch axis, got {shown(self.layout)}"
            )

    def law(self, shape: Shape) -> Masked:
        """Return Constant(1) under the mask of the channels' diagonal; errors as of the class."""
        if len(shape) < 3:
            raise ValueError(f"shape must have at least 3 dimensions for {self}, got {shape}; use Identity")
        sizes = _known(shape, self)
        in_axis, out_axis = single_axes(self.layout, shape)
        group_axis = checked_layout(self.layout).group_axis
        if group_axis is not None and group_axis % len(sizes) == in_axis:  # one output for each input of a group
            in_axis, out_axis = out_axis, in_axis
        outputs, inputs = sizes[out_axis], sizes[in_axis]
        if outputs % self.groups:
            raise ValueError(
                f"groups must divide the {outputs} channels along axis {out_axis} of shape={shape}, got "
                f"{shown(self.groups)}"
            )
        kernel = [axis for axis in range(len(sizes)) if axis not in (in_axis, out_axis)]
        if kernel != list(range(kernel[0], kernel[-1] + 1)):
            raise ValueError(
                f"layout must have the kernel axes side by side, got {shown(self.layout)} for shape={shape}"
            )
        taps = [sizes[axis] for axis in kernel]
        centre = 0
        for count in taps:
            centre = centre * count + count // 2

        def unit_stride(axis: int) -> int:
            """Return how far the number of a slice goes on with the index of an axis."""
            return math.prod(size for later, size in enumerate(sizes) if later > axis and later != in_axis)

        mask = Diagonal(
            in_axis,
            inputs,
            math.prod(sizes[in_axis + 1 :]),
            max(outputs, 1),
            max(unit_stride(out_axis), 1),
            max(outputs // self.groups, 1),
            max(math.prod(taps), 1),
            max(unit_stride(kernel[-1]), 1),
            centre,
        )
        return Masked(Constant(1.0), countable(mask, self, shape))


@named()
@dataclass(frozen=True, slots=True)
class DepthScaled(Composed):
    """The values of `of`, divided by sqrt(branches * layers): for the last weights of residual blocks, as in GPT-2.

    Each of `layers` blocks adds `branches` terms to the residual stream, so its variance would grow with the depth.
    GPT-2 divides the std of the weights that write into it (Radford et al., "Language models are unsupervised multitask
    learners", 2019, section 2.3). It has 2 branches: attention and MLP.

    Args:
        of: the initializer whose values are divided, or its name; it must draw every element, as Normal does.
        layers: the number of blocks of the model, from 1 to 2**64 - 1.
        branches: the number of terms that each block adds, from 1 to 2**64 - 1.

    >>> DepthScaled(Normal(std=0.02), layers=12).law((768, 768))
    Normal(mean=0.0, std=0.004082482904638631)

    Raises:
        TypeError: `of` is not an initializer that draws every element, or `layers` or `branches` is not an integer.
        ValueError: `layers` or `branches` is out of range.
    """

    random: ClassVar[bool] = True
    of: Initializer
    layers: int
    branches: int = 2

    def __post_init__(self) -> None:
        store_inner(self)
        for name in ("layers", "branches"):
            if store_integer(self, name, least=1) >= INDICES:
                raise ValueError(f"{name} must be less than 2**64, got {getattr(self, name)}")

    @in_float_mode
    def law(self, shape: Shape) -> PlainLaw:
        """Return the law of `of` with all numbers divided; ValueError if `of` has none for the shape."""
        divisor = math.sqrt(self.branches * self.layers)
        return plain_law(self.of, shape).rescaled(lambda number: number / divisor)


@named()
@dataclass(frozen=True, slots=True)
class Scaled(Composed):
    """The values of `of` times a positive factor, as `weightfill.torch.lsuv` finds one for each layer.

    It is the distribution that is scaled: `Scaled(Normal(std=0.5), 0.3)` has exactly the values of
    `Normal(std=0.5 * 0.3)`, with the product in float64; means, bounds and constants are scaled likewise, and zeros of
    `Sparse`, `Identity` or `Padded` stay where they are. A tensor that is made in one piece, such as that of
    `Orthogonal`, is made in float32 (in float64 for float64), each value is multiplied by the factor in this dtype, and
    rounded once to the dtype of the tensor.

    Args:
        of: the initializer whose values are scaled, or its name.
        factor: what they are multiplied by, finite and greater than 0.

    >>> Scaled(KaimingNormal(), factor=0.5).law((3, 600))
    Normal(mean=0.0, std=0.02886751345948129)
    >>> w = create((2, 4), Scaled(Orthogonal(), factor=3.0), seed=42, stream="recurrent")
    >>> (w @ w.T).round(4) + 0.0
    array([[9., 0.],
           [0., 9.]], dtype=float32)

    Raises:
        TypeError: `of` is not an initializer, or `factor` is not a number.
        ValueError: `factor` is not finite or not positive. When it is used: `of` does not fit the tensor or has no
            scaled form (a `LogUniform` with a transform), or scaled values are beyond the largest or below the smallest
            numbers.
    """

    random: ClassVar[bool] = True
    of: Initializer
    factor: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", as_initializer(self.of, "of"))
        if (factor := store_number(self, "factor")) <= 0:
            raise ValueError(f"factor must be greater than 0, got {factor}; use Zeros() for zeros")

    @in_float_mode
    def law(self, shape: Shape) -> Law:
        """Return the law of `of` with all numbers multiplied, under its mask if it has one; errors as of the class."""
        law = self.of.law(shape)
        if isinstance(law, Masked):
            return replace(law, law=self._scaled(law.law))
        return self._scaled(law)

    def whole(self) -> WholeTensor | None:
        """Return what makes tensors of `of` in one piece and scales them; None if it draws each element."""
        whole = self.of.whole()
        return None if whole is None else _ScaledWhole(whole, self.factor)

    def _scaled(self, law: PlainLaw) -> PlainLaw:
        try:
            return law.rescaled(lambda number: number * self.factor)
        except ValueError as error:
            raise ValueError(f"factor must leave a distribution of {law}, got {self.factor}: {error}") from error


@dataclass(frozen=True, slots=True)
class _ScaledWhole(WholeTensor):
    """What Scaled is of an initializer that makes tensors in one piece."""

    of: WholeTensor
    factor: float

    @property
    def by_parts(self) -> bool:
        return self.of.by_parts

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.of.check(shape, dtype)

    def fill_part(
        self,
        out: npt.NDArray[Any],
        places: Sequence[Indices],
        shape: tuple[int, ...],
        *,
        seed: int,
        stream: str,
        threads: int,
    ) -> None:
        made = np.empty(out.shape, computed_dtype(out.dtype))
        self.of.fill_part(made, places, shape, seed=seed, stream=stream, threads=threads)
        out[...] = times(made, self.factor, out.dtype)

    def tensor(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], *, seed: int, stream: str, threads: int
    ) -> npt.NDArray[Any]:
        self.check(shape, dtype)
        made = self.of.tensor(shape, computed_dtype(dtype), seed=seed, stream=stream, threads=threads)
        return times(made, self.factor, dtype)


def computed_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in which Scaled multiplies what is made in one piece."""
    return dtype if dtype == np.float64 else np.dtype(np.float32)


@in_float_mode
def times(made: npt.NDArray[Any], factor: float, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return values times a factor, multiplied in their dtype and rounded once to another.

    Raises:
        ValueError: a product is beyond the largest finite value of either.
    """
    with np.errstate(over="ignore"):
        scaled: npt.NDArray[Any] = made * made.dtype.type(factor)
    largest = max(float(scaled.max(initial=0)), -float(scaled.min(initial=0)))
    if not largest <= CORE_DTYPES[dtype].largest:
        raise ValueError(
            f"factor must keep values within +-{CORE_DTYPES[dtype].largest:g}, the finite values of {dtype}, got "
            f"{factor}; use a smaller one or a wider dtype"
        )
    return scaled.astype(dtype, copy=False)


def store_inner(init: Any) -> None:
    """Make the field `of` an initializer; TypeError unless it is one that draws every element for itself."""
    of = as_initializer(init.of, "of")
    object.__setattr__(init, "of", of)
    if of.whole() is not None:
        raise TypeError(f"of must draw every element for itself, got {shown(of)}")


def plain_law(of: Initializer, shape: Shape) -> PlainLaw:
    """Return the law of an initializer that draws every element; ValueError if some are zero."""
    law: Law = of.law(shape)
    if isinstance(law, Masked):
        raise ValueError(f"of must draw every element, got {shown(of)}, whose zeros have places of their own")
    return law


def _known(shape: Shape, init: Initializer) -> tuple[int, ...]:
    if shape[0] is None:
        raise ValueError(f"shape must have a known first dimension for {shown(init)}, got {shape}")
    return tuple(count for count in shape if count is not None)
