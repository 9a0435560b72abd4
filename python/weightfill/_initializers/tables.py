"""Tables: initializers that compute each value from its index, and draw nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from weightfill._arguments.choices import check_choice
from weightfill._arguments.dtypes import CORE_DTYPES
from weightfill._arguments.indices import axis_within
from weightfill._initializers.base import Floats, Indices, WholeTensor, store_integer, store_number
from weightfill._initializers.elementary import LARGEST_ANGLE, fractions, logarithms, powers, sines_and_cosines
from weightfill._initializers.names import named
from weightfill._run.float_mode import in_float_mode


class Table(WholeTensor):
    """An initializer whose values are a function of the index alone, so that any part is computed alone.

    A value is the float64 that the class says, computed by operations that give the same bits on every machine, rounded
    to float32 unless the dtype is float64, and from there once to a narrower dtype.
    """

    __slots__ = ()
    random: ClassVar[bool] = False

    @property
    def by_parts(self) -> bool:
        """True."""
        return True

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Raise ValueError if there is no such tensor, or the dtype cannot hold it."""
        self.check_shape(shape)
        if 0 in shape:
            return
        largest = max(map(abs, self.ends(shape)))
        if largest > CORE_DTYPES[dtype].largest:
            raise ValueError(
                f"init must stay within +-{CORE_DTYPES[dtype].largest:g}, the finite values of {dtype}, got {self}, "
                f"which reaches {largest:g}; use a wider dtype"
            )

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if there is no tensor of this shape."""
        raise NotImplementedError  # each table has its own

    def ends(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return two values between which all values lie."""
        raise NotImplementedError  # each table has its own

    def at(self, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Return the values at these indices along each axis, in float64 or float32, in a shape to be broadcast."""
        raise NotImplementedError  # each table has its own

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
        """Fill memory with the elements at these indices along each axis."""
        values = _at(self, places, shape, out.dtype)
        if out.dtype != np.float64:
            values = values.astype(np.float32)
        out[...] = values.astype(out.dtype, copy=False)


@in_float_mode
def _at(table: Table, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    return table.at(places, shape, dtype)


def along(values: Floats, axis: int, rank: int) -> Floats:
    """Return values that differ along one axis, in a shape to be broadcast."""
    return values.reshape([-1 if k == axis % rank else 1 for k in range(rank)])


def _check_axis(axis: int, shape: tuple[int, ...], table: Table) -> None:
    if not shape:
        raise ValueError(f"shape must have at least 1 dimension for {table}, got ()")
    axis_within(axis, shape)


@named()
@dataclass(frozen=True, slots=True)
class Arange(Table):
    """start + i * step at index i of an axis, the same for all other axes. Needs no seed.

    For positions and other numbers in steps; torch calls it `arange`. Product and sum are rounded to float64 one after
    the other. Buffers of integers in torch modules, such as `position_ids`, may have it for their rule.

    Args:
        start: the value at index 0, finite.
        step: by how much the next value differs, finite.
        axis: the axis along which values differ; negative numbers count from the end.

    >>> create((2, 3), Arange(1.0, 0.5))
    array([[1. , 1.5, 2. ],
           [1. , 1.5, 2. ]], dtype=float32)

    Raises:
        TypeError: `start` or `step` is not a number, or `axis` is not an integer.
        ValueError: `start` or `step` is not finite. When it is used: the tensor has no such axis, or a value is beyond
            the largest finite one of the dtype.
    """

    start: float = 0.0
    step: float = 1.0
    _: KW_ONLY
    axis: int = -1

    def __post_init__(self) -> None:
        store_number(self, "start")
        store_number(self, "step")
        store_integer(self, "axis")

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if the shape has no such axis."""
        _check_axis(self.axis, shape, self)

    def ends(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return the first and the last value."""
        return self.start, self.start + (shape[self.axis] - 1) * self.step

    def at(self, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
        """Return start + i * step."""
        return along(self.start + places[self.axis].astype(np.float64) * self.step, self.axis, len(shape))


@named()
@dataclass(frozen=True, slots=True)
class LogRange(Table):
    """ln(start + i) at index i of an axis, the same for all other axes. Needs no seed.

    Mamba's `A_log` is LogRange(): ln(1), ln(2), ... along the last axis, the S4D-real initialization (Gu et al. 2022,
    "On the parameterization and initialization of diagonal state space models"; Gu & Dao 2023, "Mamba", section 3.6).
    Every value is the nearest float64 to the logarithm. torch's float32 `log` may differ from it by one unit in the
    last place.

    Args:
        start: the number whose logarithm is at index 0, finite and greater than 0.
        axis: the axis along which values differ; negative numbers count from the end.

    >>> create((2, 3), LogRange())
    array([[0.       , 0.6931472, 1.0986123],
           [0.       , 0.6931472, 1.0986123]], dtype=float32)

    Raises:
        TypeError: `start` is not a number, or `axis` is not an integer.
        ValueError: `start` is not finite or not positive. When it is used: the tensor has no such axis.
    """

    start: float = 1.0
    _: KW_ONLY
    axis: int = -1

    def __post_init__(self) -> None:
        if (start := store_number(self, "start")) <= 0:
            raise ValueError(f"start must be greater than 0, got {start}")
        store_integer(self, "axis")

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if the shape has no such axis."""
        _check_axis(self.axis, shape, self)

    def ends(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return the first and the last value."""
        first, last = logarithms([self.start, self.start + (shape[self.axis] - 1)]).tolist()
        return first, last

    def at(self, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
        """Return ln(start + i)."""
        numbers = self.start + places[self.axis].astype(np.float64)
        return along(logarithms(numbers.tolist()), self.axis, len(shape))


@named("Alibi")
@dataclass(frozen=True, slots=True)
class AlibiSlopes(Table):
    """Slopes of attention with linear biases, one for each head along an axis. Needs no seed.

    With n heads, n a power of 2, head h = 1 .. n has the slope 2^(-8 h / n). For other n the first heads have the
    slopes of the next smaller power of 2, and the others every second slope of twice as many heads, from the first on
    (Press, Smith & Lewis 2022, "Train short, test long: attention with linear biases enables input length
    extrapolation", section 3; the rule for other n is that of the authors' code). Every value is the nearest float64.

    Args:
        axis: the axis of the heads; negative numbers count from the end.

    >>> create(6, AlibiSlopes())
    array([0.25      , 0.0625    , 0.015625  , 0.00390625, 0.5       ,
           0.125     ], dtype=float32)

    Raises:
        TypeError: `axis` is not an integer.
        ValueError: when it is used: the tensor has no such axis.
    """

    axis: int = 0

    def __post_init__(self) -> None:
        store_integer(self, "axis")

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if the shape has no such axis."""
        _check_axis(self.axis, shape, self)

    def ends(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return 0 and 1."""
        return 0.0, 1.0

    def at(self, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
        """Return the slopes."""
        power = 1 << shape[self.axis].bit_length() - 1
        heads = [int(head) for head in places[self.axis]]
        # in halves of a step of the smaller power: even where a head is among its own, odd where it is added
        steps = [2 * (head + 1) if head < power else 2 * (head - power) + 1 for head in heads]
        return along(powers(2, fractions((-8 * step for step in steps), 2 * power)), self.axis, len(shape))


SinusoidForm: TypeAlias = Literal["interleaved", "halves", "timescales"]
FORMS = get_args(SinusoidForm)


@named("Sinusoids", "SinusoidalPositions")
@dataclass(frozen=True, slots=True)
class Sinusoid(Table):
    """Sines and cosines of positions: position t in the last axis but one, c channels in the last. Needs no seed.

    - "interleaved": channel 2 i is sin(t w_i) and channel 2 i + 1 is cos(t w_i), with w_i = base^(-2 i / c) (Vaswani et
      al. 2017, "Attention is all you need", section 3.5). DistilBERT's.
    - "halves": the same numbers, first all sines, then all cosines. Marian's and RoFormer's.
    - "timescales": in halves, too, with w_i = base^(-i / (c / 2 - 1)), so that the last is 1 / base; the form of
      tensor2tensor's code, also of fairseq and Whisper.

    w_i is the nearest float64 and the angle is rounded to float64; its sine is good to 3e-16. Models that compute
    angles in float32, such as Whisper, have values that differ by up to t * 6e-8.

    Args:
        base: 1 / the smallest frequency, about; finite and greater than 0.
        form: "interleaved", "halves" or "timescales".

    >>> create((2, 4), Sinusoid()).round(6)
    array([[0.      , 1.      , 0.      , 1.      ],
           [0.841471, 0.540302, 0.01    , 0.99995 ]], dtype=float32)

    Raises:
        TypeError: `base` is not a number, or `form` is not a string.
        ValueError: `base` is not finite or not positive, or `form` is not a known name. When it is used: the tensor has
            fewer than 2 dimensions; an odd number of channels in halves, or less than 4 with timescales; or an angle is
            beyond 2**22.
    """

    base: float = 10000.0
    form: SinusoidForm = "interleaved"

    def __post_init__(self) -> None:
        if (base := store_number(self, "base")) <= 0:
            raise ValueError(f"base must be greater than 0, got {base}")
        check_choice(self.form, FORMS, "form")

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if there is no tensor of this shape; see the class."""
        if len(shape) < 2:
            raise ValueError(f"shape must have at least 2 dimensions for {self}, got {shape}")
        length, channels = shape[-2:]
        if self.form != "interleaved" and channels % 2:
            raise ValueError(f"shape must have an even last dimension for {self}, got {shape}")
        if self.form == "timescales" and 0 < channels < 4:
            raise ValueError(f"shape must have at least 4 channels in the last dimension for {self}, got {shape}")
        if 0 in shape:
            return
        fastest = float(self._frequencies([0, channels - 1], channels).max())  # the last if base is below 1
        if (length - 1) * fastest > LARGEST_ANGLE:
            raise ValueError(f"shape must have positions whose angles are at most 2**22 for {self}, got {shape}")

    def ends(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return -1 and 1."""
        return -1.0, 1.0

    def at(self, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Floats:
        """Return the sines and cosines."""
        channels, half = [int(channel) for channel in places[-1]], shape[-1] // 2
        angles = places[-2].astype(np.float64)[:, None] * self._frequencies(channels, shape[-1])
        sines, cosines = sines_and_cosines(angles)
        cosine = [channel % 2 == 1 if self.form == "interleaved" else channel >= half for channel in channels]
        return np.where(cosine, cosines, sines).reshape(*(1,) * (len(shape) - 2), *angles.shape)

    def _frequencies(self, channels: Sequence[int], count: int) -> Floats:
        """Return the frequency of each of these channels, of so many in all."""
        if self.form == "interleaved":
            return powers(self.base, fractions((-2 * (channel // 2) for channel in channels), count))
        half = count // 2
        steps = half - 1 if self.form == "timescales" else half
        return powers(self.base, fractions((-(channel % half) for channel in channels), steps))
