"""Gains: by how much a nonlinearity shrinks the signal that passes through it."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np

from weightfill._arguments.choices import check_choice
from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained
from weightfill._initializers.base import Floats, scalar
from weightfill._initializers.quadrature import fine_normal_nodes
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
    "celu",
    "elu",
    "erf",
    "gelu",
    "gelu_tanh",
    "hardswish",
    "hardtanh",
    "mish",
    "quick_gelu",
    "relu6",
    "relu_squared",
    "silu",
    "softplus",
    "softsign",
    "swish",
]

# Of torch, and of papers.
PUBLISHED_GAINS = {
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

# Of nonlinearities for which neither torch nor a paper has one: 1 / sqrt(E f(z)^2), z standard normal, by quadrature.
# They are written here so that they are the same on every machine.
NEUTRAL_GAINS = {
    "celu": 1.2451983007007066,
    "elu": 1.2451983007007066,
    "erf": 1.4671669504891387,
    "gelu": 1.5335304411955353,
    "gelu_tanh": 1.533580521666147,
    "hardswish": 1.7366572127665416,
    "hardtanh": 1.3920361404483097,
    "mish": 1.486847581273208,
    "quick_gelu": 1.5394587622988314,
    "relu6": 1.4142135650950736,
    "relu_squared": 0.816496580927726,
    "silu": 1.676532470331091,
    "softplus": 1.0418668355353018,
    "softsign": 2.3375333631085398,
    "swish": 1.676532470331091,
}

GAINS = {**PUBLISHED_GAINS, **NEUTRAL_GAINS}


@explained
def gain(nonlinearity: Nonlinearity | Callable[[Floats], Any], slope: float | None = None) -> float:
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
    celu, elu, erf, gelu, gelu_tanh,  1 / sqrt(E f(z)^2)    keeps the mean square of standard normal inputs z, as
    hardswish, hardtanh, mish,                              sqrt(2) does for relu (He et al. 2015, eq. 10); computed,
    quick_gelu, relu6, relu_squared,                        as no paper and no framework has numbers for these;
    silu, softplus, softsign, swish                         docs/concepts/schemes.md lists them
    ================================= ===================== ========================================================

    The names and values from "linear" to "selu" are those of torch.nn.init.calculate_gain; all others are additions.
    Keras and JAX have no gains but a scale, which is the gain squared.

    Args:
        nonlinearity: one of the names above; or the function itself, which takes a float64 array and returns the values
            for its elements. Then the result is 1 / sqrt(E f(z)^2) by quadrature, rounded to seven digits, which
            are right for continuous functions.
        slope: the slope of leaky_relu for negative inputs, from -1e100 to 1e100. No other name takes it.

    >>> gain("relu")
    1.4142135623730951
    >>> gain("leaky_relu", 0.2)
    1.3867504905630728
    >>> gain("gelu")
    1.5335304411955353
    >>> gain(lambda x: np.maximum(x, 0) ** 3)
    0.3651484

    Raises:
        TypeError: `nonlinearity` is neither a string nor a function, or does not take or return an array; `slope` is
            not a number, or is passed for another nonlinearity than leaky_relu.
        ValueError: `nonlinearity` is not one of the names, or returns another shape, values that are not finite or zero
            everywhere; or `slope` is beyond +-1e100.
    """
    if slope is None:
        return gain_named(nonlinearity, "nonlinearity") if not callable(nonlinearity) else _gain_of(nonlinearity)
    if not callable(nonlinearity):
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
        ValueError: there is none.
    """
    check_choice(name, GAINS, argument)
    return GAINS[name]


@in_float_mode
def _gain_of(function: Callable[[Floats], Any]) -> float:
    """Return 1 / sqrt(E f(z)^2), z standard normal, to seven digits; errors as of `gain`."""
    z, weight = fine_normal_nodes()
    with np.errstate(all="ignore"):
        try:
            values = np.asarray(function(z.copy()), np.float64)
        except TypeError as error:
            raise TypeError(
                f"nonlinearity must take a NumPy array and return one, got {shown(function)}, which raised "
                f"'{error}'; for a function f of torch pass lambda x: f(torch.from_numpy(x)).numpy()"
            ) from error
        if values.shape != z.shape:
            raise ValueError(
                f"nonlinearity must return as many values as it is given, got shape {values.shape} for {z.shape}"
            )
        square = float(weight @ (values * values))
    if not 0 < square < math.inf:
        raise ValueError(
            f"nonlinearity must have a finite and positive mean square, got {square:g} for standard normal inputs"
        )
    return float(f"{1 / math.sqrt(square):.7g}")
