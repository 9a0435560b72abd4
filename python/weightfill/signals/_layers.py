"""What is found in one layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from weightfill._initializers.base import Initializer
from weightfill.signals._measures import Histogram


class LayerSignal(NamedTuple):
    """What is measured in one layer, and what theory predicts there; NaN where nothing can be said.

    Moments and dead units are of all values. Saturation, shares and histograms are of at most 65,536 of them, rank and
    correlation of at most 256 samples by 1,024 of their outputs, all evenly taken.

    Attributes:
        name: of the layer.
        mean, std, rms: of its outputs (after the activation, if there is one), over all samples and units.
        grad_std: the standard deviation of the gradients at its output.
        weight_std: the standard deviation of its weight.
        grad_to_weight: the rms of the weight's gradient, averaged over samples, beside the rms of the weight.
        dead: the share of units with the same output for all samples.
        saturated: the share of outputs near a bound of the activation; 0 if it has none.
        effective_rank: how many directions the outputs of the samples fill.
        correlation: the mean cosine between the outputs of two samples.
        predicted_std, predicted_grad_std: what theory says; None where it says nothing.
        outside, grad_outside: for float16, bfloat16, float8_e4m3fn and float8_e5m2, the share of outputs and of
            gradients other than 0 that would overflow or become 0.
        histogram, grad_histogram: of some outputs and gradients.
        fan_in, units: the inputs of each unit, and the units.
        init: what the weight is drawn from, if that is known.
        equal_units: how many units are equal, because the weight is constant.
        fan_out: the units that each input reaches.
        outputs: how many numbers one sample has at its output.
    """

    name: str
    mean: float
    std: float
    rms: float
    grad_std: float = math.nan
    weight_std: float = math.nan
    grad_to_weight: float = math.nan
    dead: float = math.nan
    saturated: float = math.nan
    effective_rank: float = math.nan
    correlation: float = math.nan
    predicted_std: float | None = None
    predicted_grad_std: float | None = None
    outside: Mapping[str, float] = {}
    grad_outside: Mapping[str, float] = {}
    histogram: Histogram | None = None
    grad_histogram: Histogram | None = None
    fan_in: int | None = None
    units: int | None = None
    init: Initializer | None = None
    equal_units: int = 0
    fan_out: int | None = None
    outputs: int | None = None
