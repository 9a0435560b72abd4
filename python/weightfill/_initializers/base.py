"""What all initializers have: the base classes, their fields, and their names as text.

Parameters are kept as floats and a negative zero as zero, so equal initializers give equal bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._initializers.masks import Mask
from weightfill._initializers.written import initializer_of
from weightfill._run.float_mode import in_float_mode

Shape: TypeAlias = tuple[int | None, ...]
Floats: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.uint64]


class Initializer:
    """What to draw; the base class of all initializers.

    An initializer becomes a law (a distribution with its numbers) once the shape of the full tensor is known: `law`.
    Your own is a class with this method, frozen and hashable.

    >>> class Average(Initializer):
    ...     random = False
    ...
    ...     def law(self, shape):
    ...         return Constant(1 / shape[-1])
    >>> create((2, 4), Average())
    array([[0.25, 0.25, 0.25, 0.25],
           [0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    __slots__ = ()
    random: ClassVar[bool] = True  # whether the values depend on a seed

    def law(self, shape: Shape) -> Law:
        """Return the law of the elements of a tensor of this shape; an open first dimension is None."""
        raise TypeError(f"init must be an initializer such as Normal(std=0.02), got {_without(self, 'law')}")

    def whole(self) -> WholeTensor | None:
        """Return what makes its tensors in one piece; None where `law` says how each element is drawn for itself."""
        return None

    def for_stream(self, stream: str) -> Initializer:
        """Return the initializer of a tensor of this name; itself unless names decide, as with LayerScaled.

        Raises:
            ValueError: it has none for a tensor of this name.
        """
        return self


class Composed(Initializer):
    """An initializer that is made of another one, its field `of`."""

    __slots__ = ()

    def for_stream(self, stream: str) -> Initializer:
        """Return the same, made of what `of` is for a tensor of this name."""
        own: Any = self
        of = own.of.for_stream(stream)
        return self if of is own.of else replace(own, of=of)


def names_decide(init: Initializer) -> bool:
    """Whether an initializer may be another one for a tensor of another name."""
    asked = type(init).for_stream
    if asked is Composed.for_stream:
        own: Any = init
        return names_decide(own.of)
    return asked is not Initializer.for_stream


@dataclass(frozen=True, slots=True)
class PlainLaw(Initializer):
    """A law that draws every element: an initializer that is the same law for every shape.

    A new law is a row of the core's table (cpp/src/laws/law.hpp) and a class of this kind.
    """

    core_name: ClassVar[str]  # in the core's table
    bounded: ClassVar[bool] = False  # whether values of every dtype stay within the span
    half_open: ClassVar[bool] = False  # whether they stay below its upper end

    def law(self, shape: Shape) -> PlainLaw:
        """Return itself, for every shape."""
        return self

    def parameters(self) -> tuple[float, ...]:
        """Return the numbers that the core's table takes."""
        raise NotImplementedError  # each law has its own

    def span(self, word_bits: int) -> tuple[float, float]:
        """Return an interval that holds all values drawn from words of so many bits, as tight as the checks need it."""
        raise NotImplementedError  # each law has its own

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation of the values, good to six digits."""
        raise NotImplementedError  # each law has its own

    def density(self, x: Floats) -> Floats | None:
        """Return the density at each `x`, zero where there are no values; None for a law without one."""
        return None

    def rescaled(self, change: Callable[[float], float]) -> PlainLaw:
        """Return the law of the values times, or over, a positive number: `change` does that to one number."""
        raise NotImplementedError  # each law has its own

    def check_steps(self, dtype: np.dtype[Any]) -> None:
        """Raise ValueError if the values of this dtype would be too close together to be told apart."""


class WholeTensor(Initializer):
    """An initializer whose tensors the core does not fill; they are made in one piece, from which a part is cut.

    A class makes them by `tensor`, as Orthogonal does, or says by `by_parts` that any part can be made alone, and makes
    it by `fill_part`. Each of the two stands on the other.
    """

    __slots__ = ()

    def whole(self) -> WholeTensor:
        """Return itself."""
        return self

    @property
    def by_parts(self) -> bool:
        """Whether `fill_part` makes a part alone."""
        return False

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
        """Fill memory with the elements at these indices along each axis, of a tensor that is checked."""
        made = self.tensor(shape, out.dtype, seed=seed, stream=stream, threads=threads)
        out[...] = made[np.ix_(*places)] if places else made

    def check_installed(self) -> None:
        """Raise ImportError if tensors are made by a package that is not installed; called before memory is touched."""

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raise ValueError if there is no such tensor."""
        raise TypeError(f"init must be an initializer such as Orthogonal(), got {_without(self, 'check')}")

    def tensor(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], *, seed: int, stream: str, threads: int
    ) -> npt.NDArray[Any]:
        """Return the tensor; errors as of `check`."""
        if type(self).fill_part is WholeTensor.fill_part:
            raise TypeError(f"init must be an initializer such as Orthogonal(), got {_without(self, 'tensor')}")
        self.check(shape, dtype)
        made = np.empty(shape, dtype)
        if made.size:
            places = [np.arange(count, dtype=np.uint64) for count in shape]
            self.fill_part(made, places, shape, seed=seed, stream=stream, threads=threads)
        return made


@dataclass(frozen=True, slots=True)
class Masked:
    """A law for the elements that a mask keeps; the others are zero."""

    law: PlainLaw
    mask: Mask


Law: TypeAlias = PlainLaw | Masked

InitializerName: TypeAlias = Literal[
    "AlibiSlopes",
    "Arange",
    "Blocks",
    "Constant",
    "DeltaOrthogonal",
    "DepthScaled",
    "Dirac",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "KaimingNormal",
    "KaimingUniform",
    "KeepValues",
    "Laplace",
    "LayerScaled",
    "LecunNormal",
    "LecunUniform",
    "LogRange",
    "LogUniform",
    "MuP",
    "Normal",
    "Ones",
    "Orthogonal",
    "Padded",
    "Repeat",
    "Rotary",
    "Scaled",
    "ScaledNormal",
    "Sinusoid",
    "Sparse",
    "StandardUniform",
    "TruncatedNormal",
    "Uniform",
    "Values",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
]
InitializerLike: TypeAlias = Initializer | InitializerName | str  # a text may be a call, too


def _without(init: Initializer, method: str) -> str:
    return f"an object of {type(init).__name__}, whose class does not define {method}"


def scalar(given: object) -> object:
    """Return the Python number in an array of no dimensions, of NumPy, JAX or torch; anything else as it is."""
    if getattr(given, "shape", None) == () and hasattr(given, "item"):
        try:
            return given.item()
        except Exception:  # a traced value, one on the meta device
            return given
    return given


@in_float_mode
def _unsigned_zero(value: float) -> float:
    """Return 0.0 for -0.0, and a subnormal number, which may have been taken for zero, as it is."""
    return value + 0.0


def store_number(initializer: Initializer, name: str, *, infinite: bool = False) -> float:
    """Make a field a float, finite unless allowed otherwise, and return it."""
    given = getattr(initializer, name)
    if not isinstance(given, Real):
        given = scalar(given)
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} must be a number, got {shown(given)}")
    try:
        value = float(given) or _unsigned_zero(float(given))
    except OverflowError:
        value = math.inf
    if math.isnan(value) or (math.isinf(value) and not infinite):
        raise ValueError(f"{name} must be {'a number' if infinite else 'finite'}, got {shown(given)}")
    object.__setattr__(initializer, name, value)
    return value


def store_integer(initializer: Initializer, name: str, least: int | None = None, kind: str = "an integer") -> int:
    """Make a field an int, at least `least` if that is given, and return it; messages call what it must be `kind`."""
    given = getattr(initializer, name)
    value = as_integer(given, name, kind)
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, got {shown(value)}")
    object.__setattr__(initializer, name, value)
    return value


def as_initializer(init: InitializerLike, argument: str = "init") -> Initializer:
    """Return an initializer, or the one that a text describes: its name, or a call of it.

    >>> as_initializer("kaiming_normal")
    KaimingNormal(gain=1.4142135623730951, mode='fan_in', truncated=False)
    >>> as_initializer("Normal(std=0.02)")
    Normal(mean=0.0, std=0.02)

    Raises:
        TypeError: it is neither, or a parameter has a wrong type.
        ValueError: there is no initializer of this name, or a parameter has a wrong value.
    """
    if isinstance(init, Initializer):
        return init
    if isinstance(init, str):
        made: Initializer = initializer_of(init, {}, argument)
        return made
    if isinstance(init, type) and issubclass(init, Initializer):
        raise TypeError(f"{argument} must be an initializer, got the class {init.__name__}; write {init.__name__}(...)")
    raise TypeError(f"{argument} must be an initializer such as Normal(std=0.02), got {shown(init)}")
