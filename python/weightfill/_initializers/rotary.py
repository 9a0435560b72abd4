"""The frequencies of rotary position embeddings, also of contexts that were made longer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import shown
from weightfill._initializers.base import Indices, store_number
from weightfill._initializers.elementary import logarithms, powers
from weightfill._initializers.names import named
from weightfill._initializers.tables import Table, along

RopeScaling: TypeAlias = Literal["none", "linear", "llama3", "yarn", "longrope"]
_TAKEN: dict[str, tuple[str, ...]] = {  # the parameters of each
    "none": (),
    "linear": ("factor",),
    "llama3": ("factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"),
    "yarn": ("factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "truncate"),
    "longrope": ("factors",),
}
Steps: TypeAlias = npt.NDArray[Any]  # of float32, or of float64 for float64


@named("RotaryFrequencies", "InvFreq")
@dataclass(frozen=True, slots=True)
class Rotary(Table):
    """Frequencies of rotary position embeddings: base^(-2 i / d) at index i of the last axis, of d / 2. Needs no seed.

    Su et al. 2021, "RoFormer: Enhanced transformer with rotary position embedding", section 3.2.2; the buffer
    `inv_freq` of Llama, Qwen, Mistral and others. With a scaling, positions of a longer context are brought into the
    range that the model has seen:

    - "linear": every frequency divided by `factor` (Chen et al. 2023, "Extending context window of large language
      models via positional interpolation").
    - "llama3": those of a wavelength above original / low_freq_factor are divided by `factor`, those below original /
      high_freq_factor stay, and those between are mixed (the formula is that of Meta's and transformers' code).
    - "yarn": those that turn less than `beta_slow` times in the original context are divided by `factor`, those that
      turn more than `beta_fast` times stay, and there is a ramp between them, by index (Peng et al. 2023, "YaRN",
      section 3.2). `truncate` rounds the ends of the ramp outward to integers.
    - "longrope": each is divided by its own number of `factors` (Ding et al. 2024, "LongRoPE").

    Dynamic scaling begins as "none". The names of parameters are those of transformers, whose order of steps is
    followed, in float32 (in float64 for float64), each rounded; powers are the nearest number of this kind. torch's
    `pow` misses that in one of a hundred, so a model's own buffer may differ in the last bit or two.

    Args:
        base: greater than 1; `rope_theta` of transformers.
        scaling: "none", "linear", "llama3", "yarn" or "longrope". The other parameters are left out where a scaling
            does not take them.
        factor: by how much the context becomes longer, greater than 0.
        original_max_position_embeddings: the length of the original context, greater than 0.
        low_freq_factor: of llama3; greater than 0.
        high_freq_factor: of llama3; greater than `low_freq_factor`.
        beta_fast: of yarn; greater than `beta_slow`.
        beta_slow: of yarn; greater than 0.
        truncate: of yarn.
        factors: of longrope; a number greater than 0 for each index.

    >>> create(4, Rotary())
    array([1.   , 0.1  , 0.01 , 0.001], dtype=float32)
    >>> create(4, Rotary(scaling="linear", factor=4.0))
    array([0.25   , 0.025  , 0.0025 , 0.00025], dtype=float32)

    Raises:
        TypeError: a parameter has a wrong type.
        ValueError: a parameter is out of range, or given for a scaling that does not take it. When it is used: the
            tensor has no dimension, or longrope another number of `factors` than there are indices.
    """

    base: float = 10000.0
    _: KW_ONLY
    scaling: RopeScaling = "none"
    factor: float = 1.0
    original_max_position_embeddings: float = 8192.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True
    factors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if (base := store_number(self, "base")) <= 1:
            raise ValueError(f"base must be greater than 1, got {base}")
        check_choice(self.scaling, _TAKEN, "scaling")
        for field in fields(self)[2:]:
            given = getattr(self, field.name)
            if given != field.default and field.name not in _TAKEN[self.scaling]:
                takers = " or ".join(repr(kind) for kind, taken in _TAKEN.items() if field.name in taken)
                raise ValueError(f"{field.name} must be left out unless scaling is {takers}, got {shown(given)}")
            if isinstance(field.default, float) and (number := store_number(self, field.name)) <= 0:
                raise ValueError(f"{field.name} must be greater than 0, got {number}")
        for low, high in (("low_freq_factor", "high_freq_factor"), ("beta_slow", "beta_fast")):
            if not getattr(self, low) < getattr(self, high):
                raise ValueError(f"{high} must be greater than {low}, {getattr(self, low)}, got {getattr(self, high)}")
        if not isinstance(self.truncate, bool):
            raise TypeError(f"truncate must be True or False, got {shown(self.truncate)}")
        object.__setattr__(self, "factors", _checked_factors(self.factors))

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError if there is no tensor of this shape; see the class."""
        if not shape:
            raise ValueError(f"shape must have at least 1 dimension for {shown(self)}, got ()")
        if self.scaling == "longrope" and len(self.factors) != shape[-1]:
            raise ValueError(
                f"factors must have as many numbers as the last dimension of {shape}, got {len(self.factors)}"
            )

    def ends(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return 0 and a bound of all frequencies."""
        return 0.0, 1.0 / min(1.0, self.factor, *self.factors)

    def at(self, places: Sequence[Indices], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Steps:
        """Return the frequencies, in the type of the steps."""
        kind = np.dtype(np.float64 if dtype == np.float64 else np.float32).type
        count, index = 2 * shape[-1], places[-1].astype(np.float64)
        exponents = (2 * index).astype(kind) / kind(count)
        period = powers(self.base, exponents.tolist()).astype(kind)  # of 2 pi positions
        match self.scaling:
            case "none":
                found = 1 / period
            case "linear":
                found = 1 / period / kind(self.factor)
            case "llama3":
                found = self._llama3(1 / period, kind)
            case "yarn":
                found = self._yarn(period, index, count, kind)
            case "longrope":
                found = 1 / (np.array(self.factors, kind)[places[-1].astype(np.int64)] * period)
        return along(found, -1, len(shape))

    def _llama3(self, frequency: Steps, kind: Any) -> Steps:
        original, low, high = self.original_max_position_embeddings, self.low_freq_factor, self.high_freq_factor
        wavelength = 1 / frequency * kind(2 * math.pi)
        long, short = wavelength > kind(original / low), wavelength < kind(original / high)
        scaled = np.where(long, frequency / kind(self.factor), frequency)
        share = (1 / wavelength * kind(original) - kind(low)) / kind(high - low)
        mixed = (1 - share) * scaled / kind(self.factor) + share * scaled
        return np.where(long | short, scaled, mixed)

    def _yarn(self, period: Steps, index: Steps, count: int, kind: Any) -> Steps:
        turns = [
            self.original_max_position_embeddings / (beta * 2 * math.pi) for beta in (self.beta_fast, self.beta_slow)
        ]
        *logs, of_base = logarithms([*turns, self.base]).tolist()
        low, high = (count * log / (2 * of_base) for log in logs)
        if self.truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, count - 1)
        if low == high:
            high += 0.001  # as transformers does, to divide by something
        ramp = np.clip((index.astype(kind) - kind(low)) / kind(high - low), kind(0), kind(1))
        kept = 1 - ramp
        mixed: Steps = 1 / (kind(self.factor) * period) * (1 - kept) + 1 / period * kept
        return mixed


def _checked_factors(given: object) -> tuple[float, ...]:
    if not isinstance(given, tuple | list) or not all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in given
    ):
        raise TypeError(f"factors must be a tuple of numbers, got {shown(given)}")
    wrong = [number for number in given if not 0 < number < math.inf]
    if wrong:
        raise ValueError(f"factors must be finite and greater than 0, got {shown(wrong[0])}")
    return tuple(map(float, given))
