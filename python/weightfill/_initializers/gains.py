"""Gains: by how much a nonlinearity shrinks the signal that passes through it."""

from __future__ import annotations

import math
from numbers import Real
from typing import Literal, TypeAlias

from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained
from weightfill._initializers.base import scalar
from weightfill._run.float_mode import in_float_mode


@in_float_mode
def _leaky(slope: float) -> float:
    return math.sqrt(2 / (1 + slope**2))


Nonlinearity: TypeAlias = Literal[
    "linear",
    "identity",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "selu",
    "logistic",
]

GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "conv": 1.0,
    **{f"conv{transposed}{n}d": 1.0 for transposed in ("", "_transpose") for n in (1, 2, 3)},
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": _leaky(0.0),
    "leaky_relu": _leaky(0.01),
    "selu": 3 / 4,
    "logistic": 4.0,
}

# Nonlinearities without a gain of their own in the literature or in torch: 1 / sqrt(E f(z)^2), z standard normal, which
# keeps the mean square of what passes, as sqrt(2) does for relu.
NEUTRAL_GAINS = {
    "celu": 1.245198,
    "elu": 1.245198,
    "gelu": 1.533530,
    "gelu_tanh": 1.533581,
    "hardswish": 1.736657,
    "hardtanh": 1.392036,
    "mish": 1.486848,
    "quick_gelu": 1.539459,
    "relu6": 1.414214,
    "silu": 1.676532,
    "softplus": 1.041867,
    "softsign": 2.337533,
    "swish": 1.676532,
}


@explained
def gain(nonlinearity: Nonlinearity, slope: float | None = None) -> float:
    """Return the factor by which a scheme multiplies its std to make up for a nonlinearity.

    ================================= ===================== ========================================================
    nonlinearity                      gain                  source
    ================================= ===================== ========================================================
    linear, identity, conv, conv1d .. 1                     nothing to make up for
    conv3d, conv_transpose1d .. 3d
    sigmoid                           1                     torch's; "logistic" is the other convention
    tanh                              5/3                   torch's
    relu                              sqrt(2)               He et al. 2015, eq. 10: half of the variance passes
    leaky_relu                        sqrt(2/(1 + slope^2)) He et al. 2015, eq. 15; slope is 0.01 if left out
    selu                              3/4                   torch's; self-normalizing layers (Klambauer et al. 2017)
                                                            need 1, LecunNormal
    logistic                          4                     1 / the slope of the logistic function at 0; Bengio 2012
                                                            after Glorot & Bengio 2010, for XavierUniform
    ================================= ===================== ========================================================

    The names and values from "linear" to "selu" are those of torch.nn.init.calculate_gain; "identity", "conv" and
    "logistic" are additions. Keras and JAX have no gains but a scale, which is the gain squared. For gelu, silu, elu
    and the like there is no agreed gain. Then the error message has the number that keeps the mean square of standard
    normal inputs, 1 / sqrt(E f(z)^2), as sqrt(2) does for relu.

    Args:
        nonlinearity: one of the names above.
        slope: the slope of leaky_relu for negative inputs, from -1e100 to 1e100. No other name takes it.

    >>> gain("relu")
    1.4142135623730951
    >>> gain("leaky_relu", 0.2)
    1.3867504905630728

    Raises:
        TypeError: `nonlinearity` is not a string, `slope` is not a number, or `slope` is passed for another
            nonlinearity than leaky_relu.
        ValueError: `nonlinearity` is not one of the names, or `slope` is beyond +-1e100.
    """
    if slope is None:
        return gain_named(nonlinearity, "nonlinearity")
    check_choice(nonlinearity, GAINS, "nonlinearity")
    if nonlinearity != "leaky_relu":
        raise TypeError(f"slope must be left out unless nonlinearity is 'leaky_relu', got {shown(slope)}")
    value = slope if isinstance(slope, Real) else scalar(slope)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"slope must be a number, got {shown(slope)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not abs(number) <= 1e100:
        raise ValueError(f"slope must be from -1e+100 to 1e+100, got {shown(slope)}")
    return _leaky(number)


def gain_named(name: str, argument: str) -> float:
    """Return the gain of this name.

    Raises:
        TypeError: it is not a string.
        ValueError: there is none; for a nonlinearity without an agreed gain the message has a number to pass.
    """
    neutral = NEUTRAL_GAINS.get(name) if isinstance(name, str) else None
    if neutral is None:
        check_choice(name, GAINS, argument)
        return GAINS[name]
    raise ValueError(
        f"{argument} must be one of {', '.join(map(repr, GAINS))}, got {name!r}, for which there is no agreed gain; "
        f"pass a number, such as gain={neutral}, which keeps the mean square of standard normal inputs"
    )
