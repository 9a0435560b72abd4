"""MuP: initializers whose scale follows the width as the maximal update parametrization has it."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Composed, Initializer, PlainLaw, Shape
from weightfill._initializers.fans import LayoutLike, checked_layout, fans
from weightfill._initializers.names import named
from weightfill._initializers.structured import plain_law, store_inner
from weightfill._run.float_mode import in_float_mode


@named()
@dataclass(frozen=True, slots=True)
class MuP(Composed):
    """The distribution of `of` for a base model's shape, scaled to the width of this one: the mu-parametrization.

    - Weights whose inputs and outputs both grow with the width, the hidden ones: the values of the base shape's
      distribution are divided by sqrt(m), with m = fan_in / fan_in of the base shape.
    - All others, of inputs, embeddings, readouts and biases: the distribution of the base shape.

    Which dimensions grow with the width is seen from those that differ from the base shape. The hyperparameters of the
    base model then fit models of any width, if the rest is as muP has it, too, which is the model's affair: outputs of
    the readout divided by m, attention logits by d instead of sqrt(d), and the learning rates of hidden weights
    divided by m with Adam (Yang et al. 2022, "Tensor Programs V: tuning large neural networks via zero-shot
    hyperparameter transfer", table 8; the authors' package mup does the same to a weight that has been drawn).

    Args:
        of: the initializer of the base model, or its name; it must draw every element, as Normal does.
        base_shape: the shape of this tensor in the base model.
        layout: which axes are inputs and outputs: a name in LAYOUTS, such as "torch" or "keras", or a Layout.

    >>> MuP(Normal(std=0.02), (256, 256)).law((1024, 1024))
    Normal(mean=0.0, std=0.01)
    >>> MuP(LecunNormal(), base_shape=(10, 256)).law((10, 1024))  # of a readout
    Normal(mean=0.0, std=0.0625)

    Raises:
        TypeError: `of` is not an initializer that draws every element, `base_shape` is not a tuple of integers, or
            `layout` is neither a string nor a Layout.
        ValueError: a dimension of `base_shape` is less than 1, or `layout` is not a known name. When it is used: the
            tensor has another number of dimensions than `base_shape`, or `of` does not fit the base shape.
    """

    random: ClassVar[bool] = True
    of: Initializer
    base_shape: tuple[int, ...]
    _: KW_ONLY
    layout: LayoutLike = "torch"

    def __post_init__(self) -> None:
        store_inner(self)
        given = self.base_shape
        if not isinstance(given, tuple | list):
            raise TypeError(f"base_shape must be a tuple of integers, got {shown(given)}")
        base = tuple(as_integer(count, "base_shape", "a tuple of integers", within=given) for count in given)
        if min(base, default=1) < 1:
            raise ValueError(f"base_shape must have dimensions of at least 1, got {shown(given)}")
        object.__setattr__(self, "base_shape", base)
        checked_layout(self.layout)

    @in_float_mode
    def law(self, shape: Shape) -> PlainLaw:
        """Return the law of `of` for the base shape, scaled; errors as of the class."""
        base = self.base_shape
        if len(shape) != len(base):
            raise ValueError(f"base_shape must have as many dimensions as shape={shape}, got {base}")
        law = plain_law(self.of, base)
        if len(base) < 2 or 0 in shape:
            return law
        if shape[0] is None:
            raise ValueError(f"shape must have a known first dimension for {shown(self)}, got {shape}")
        ours, theirs = fans(shape, layout=self.layout), fans(base, layout=self.layout)
        if ours.fan_in == theirs.fan_in or ours.fan_out == theirs.fan_out:
            return law
        assert ours.fan_in is not None
        assert theirs.fan_in is not None
        factor = math.sqrt(theirs.fan_in / ours.fan_in)
        return law.rescaled(lambda number: number * factor)
