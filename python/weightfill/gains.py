"""Gains: by how much a nonlinearity shrinks what passes through it."""

from __future__ import annotations

import math
from numbers import Real

from weightfill.choices import check_choice
from weightfill.signatures import explained

GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "conv": 1.0,
    **{f"conv{transposed}{n}d": 1.0 for transposed in ("", "_transpose") for n in (1, 2, 3)},
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
    "selu": 3 / 4,
    "logistic": 4.0,
}


@explained
def gain(nonlinearity: str, slope: float | None = None) -> float:
    """Return the factor by which a scheme's standard deviation makes up for a nonlinearity.

    ================================= ===================== ========================================================
    nonlinearity                      gain                  source
    ================================= ===================== ========================================================
    linear, identity, conv, conv1d .. 1                     nothing to make up for
    conv3d, conv_transpose1d .. 3d
    sigmoid                           1                     torch's; "logistic" is the other opinion
    tanh                              5/3                   torch's
    relu                              sqrt(2)               He et al. 2015, eq. 10: half of the variance passes
    leaky_relu                        sqrt(2/(1 + slope^2)) He et al. 2015, eq. 15; slope is 0.01 if left out
    selu                              3/4                   torch's; self-normalizing layers (Klambauer et al. 2017)
                                                            need 1, LecunNormal
    logistic                          4                     1 / the slope of the logistic function at 0; Bengio 2012
                                                            after Glorot & Bengio 2010, for XavierUniform
    ================================= ===================== ========================================================

    The names and the values from "linear" to "selu" are those of torch.nn.init.calculate_gain; "identity", "conv" and
    "logistic" are additions. Keras and JAX have no gains: they write the scale, which is the gain squared.

    >>> gain("relu")
    1.4142135623730951
    >>> gain("leaky_relu", 0.2)
    1.3867504905630728

    Raises:
        TypeError: `nonlinearity` is not a string, `slope` is not a number, or a slope is given to anything but
            leaky_relu.
        ValueError: `nonlinearity` is not one of the names, or `slope` is beyond +-1e100.
    """
    check_choice(nonlinearity, GAINS, "nonlinearity")
    if slope is None:
        return GAINS[nonlinearity]
    if nonlinearity != "leaky_relu":
        raise TypeError(f"slope must be left out unless nonlinearity is 'leaky_relu', got {slope!r}")
    if isinstance(slope, bool) or not isinstance(slope, Real):
        raise TypeError(f"slope must be a number, got {slope!r}")
    try:
        number = float(slope)
    except OverflowError:
        number = math.inf
    if not abs(number) <= 1e100:
        raise ValueError(f"slope must be from -1e+100 to 1e+100, got {slope!r}")
    return math.sqrt(2 / (1 + number**2))
