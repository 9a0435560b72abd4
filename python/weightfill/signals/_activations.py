"""Activations: their values, slopes, and what a theory of signals must know of them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from weightfill._arguments.messages import shown

Array: TypeAlias = npt.NDArray[Any]

_logistic: Callable[[Array], Array] = special.expit
_erf: Callable[[Array], Array] = special.erf


@dataclass(frozen=True)
class Activation:
    """An elementwise function of a network, with its slope.

    Args:
        name: how reports call it.
        function: takes an array, which it leaves as it is, and returns one of the same shape.
        slope: takes the inputs and the outputs of `function`, and returns the derivative at the inputs. It may use
            either.
        kinks: inputs at which the derivative jumps.
        bounds: the smallest and largest output, for functions that saturate; None for others.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: a kink is not finite, or `bounds` are not a smaller and a larger number.

    >>> sine = Activation("sine", np.sin, lambda x, y: np.cos(x))
    >>> propagation([50] * 4, sine, Normal(std=0.1)).layers[0].name
    'layer1'
    """

    name: str
    function: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    kinks: tuple[float, ...] = ()
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be text, got {shown(self.name)}")
        for name in ("function", "slope"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a callable, got {shown(getattr(self, name))}")
        object.__setattr__(self, "kinks", _numbers(self.kinks, "kinks"))
        if not all(map(math.isfinite, self.kinks)):
            raise ValueError(f"kinks must be finite, got {self.kinks}")
        if self.bounds is not None:
            bounds = _numbers(self.bounds, "bounds")
            if len(bounds) != 2 or not bounds[0] < bounds[1]:
                raise ValueError(f"bounds must be a smaller and a larger number, got {shown(self.bounds)}")
            object.__setattr__(self, "bounds", bounds)

    def outputs(self, inputs: Array) -> Array:
        """Return the function of an array, in its dtype.

        Raises:
            TypeError: what the function returns is no array of real numbers.
            ValueError: it has another shape.
        """
        return _elementwise(self.function(inputs), inputs, f"function of {self.name}")

    def slopes(self, inputs: Array, outputs: Array) -> Array:
        """Return the derivative at the inputs of `outputs`; errors as there."""
        return _elementwise(self.slope(inputs, outputs), inputs, f"slope of {self.name}")

    def saturated(self, values: Array) -> float:
        """Return the share of outputs within 1 % of the range from a bound; 0 for functions without bounds."""
        if self.bounds is None or not values.size:
            return 0.0
        low, high = self.bounds
        edge = 0.01 * (high - low)
        return float(np.count_nonzero((values < low + edge) | (values > high - edge)) / values.size)


def _numbers(values: Any, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a tuple of numbers, got {shown(values)}") from None


def _elementwise(made: Any, inputs: Array, name: str) -> Array:
    if not isinstance(made, np.ndarray) or made.dtype.kind not in "fiub":
        raise TypeError(f"{name} must return an array of real numbers, got {shown(made)}")
    if made.shape != inputs.shape:
        raise ValueError(f"{name} must return an array of the shape of its input, {inputs.shape}, got {made.shape}")
    return made.astype(inputs.dtype, copy=False)


def _pdf(x: Array) -> Array:
    return np.exp(-x * x / 2) * (1 / math.sqrt(2 * math.pi))


def _cdf(x: Array) -> Array:
    return (1 + _erf(x * math.sqrt(0.5))) / 2


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, np.zeros((), x.dtype))


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _step(x: Array) -> Array:
    return (x > 0).astype(x.dtype)


def _between(low: float, high: float) -> Callable[[Array, Array], Array]:
    return lambda x, y: ((x > low) & (x < high)).astype(x.dtype)


def _mish_slope(x: Array, y: Array) -> Array:
    t = np.tanh(_softplus(x))
    return np.asarray(t + x * (1 - t * t) * _logistic(x))


def _gelu_tanh(x: Array) -> Array:
    return np.asarray(x * (1 + np.tanh(_inner(x))) / 2)


def _inner(x: Array) -> Array:
    return np.asarray(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def _gelu_tanh_slope(x: Array, y: Array) -> Array:
    t = np.tanh(_inner(x))
    inner_slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return np.asarray((1 + t) / 2 + x * (1 - t * t) * inner_slope / 2)


def _gated(steepness: float, name: str) -> Activation:
    """Return x times the logistic function of `steepness` times x."""

    def slope(x: Array, y: Array) -> Array:
        gate = _logistic(steepness * x)
        return np.asarray(gate + steepness * y * (1 - gate))

    return Activation(name, lambda x: x * _logistic(steepness * x), slope)


# Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017, section 2
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu(x: Array) -> Array:
    return np.asarray(_SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(np.minimum(x, 0))))


def _selu_slope(x: Array, y: Array) -> Array:
    return np.where(x > 0, np.full_like(x, _SELU_SCALE), y + _SELU_SCALE * _SELU_ALPHA)


def leaky_relu(slope: float) -> Activation:
    """Return the rectifier with a slope for negative inputs."""
    return Activation(
        "leaky_relu",
        lambda x: np.where(x > 0, x, x * slope),
        lambda x, y: np.where(x > 0, np.ones_like(x), np.full_like(x, slope)),
        kinks=(0.0,),
    )


_LINEAR = Activation("linear", np.copy, lambda x, y: np.ones_like(x))
_LOGISTIC = Activation("logistic", _logistic, lambda x, y: y * (1 - y), bounds=(0.0, 1.0))
_SILU = _gated(1.0, "silu")

ACTIVATIONS = {
    "linear": _LINEAR,
    "identity": _LINEAR,
    "relu": Activation("relu", lambda x: np.maximum(x, 0), lambda x, y: _step(x), kinks=(0.0,)),
    "leaky_relu": leaky_relu(0.01),
    "relu6": Activation("relu6", lambda x: np.clip(x, 0, 6), _between(0, 6), kinks=(0.0, 6.0)),
    "relu_squared": Activation(
        "relu_squared", lambda x: np.maximum(x, 0) ** 2, lambda x, y: 2 * np.maximum(x, 0), kinks=(0.0,)
    ),
    "tanh": Activation("tanh", np.tanh, lambda x, y: 1 - y * y, bounds=(-1.0, 1.0)),
    "logistic": _LOGISTIC,
    "sigmoid": _LOGISTIC,
    "erf": Activation("erf", _erf, lambda x, y: 2 / math.sqrt(math.pi) * np.exp(-x * x), bounds=(-1.0, 1.0)),
    "softsign": Activation(
        "softsign", lambda x: x / (1 + np.abs(x)), lambda x, y: (1 - np.abs(y)) ** 2, kinks=(0.0,), bounds=(-1.0, 1.0)
    ),
    "hardtanh": Activation(
        "hardtanh", lambda x: np.clip(x, -1, 1), _between(-1, 1), kinks=(-1.0, 1.0), bounds=(-1.0, 1.0)
    ),
    "elu": Activation("elu", _elu, lambda x, y: np.where(x > 0, np.ones_like(x), y + 1), kinks=(0.0,)),
    "selu": Activation("selu", _selu, _selu_slope, kinks=(0.0,)),
    "gelu": Activation("gelu", lambda x: x * _cdf(x), lambda x, y: _cdf(x) + x * _pdf(x)),
    "gelu_tanh": Activation("gelu_tanh", _gelu_tanh, _gelu_tanh_slope),
    "quick_gelu": _gated(1.702, "quick_gelu"),
    "silu": _SILU,
    "swish": _SILU,
    "mish": Activation("mish", lambda x: x * np.tanh(_softplus(x)), _mish_slope),
    "softplus": Activation("softplus", _softplus, lambda x, y: _logistic(x)),
    "hardswish": Activation(
        "hardswish",
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x, y: np.where(x >= 3, np.ones_like(x), np.where(x <= -3, np.zeros_like(x), (2 * x + 3) / 6)),
        kinks=(-3.0, 3.0),
    ),
}


def as_activation(activation: str | Activation) -> Activation:
    """Return an activation, or the one of this name.

    Raises:
        TypeError: it is neither an Activation nor text.
        ValueError: there is none of this name.
    """
    if isinstance(activation, Activation):
        return activation
    if not isinstance(activation, str):
        raise TypeError(f"activation must be a name such as 'tanh' or an Activation, got {shown(activation)}")
    found = ACTIVATIONS.get(activation.lower().replace("-", "_"))
    if found is None:
        near = difflib.get_close_matches(activation, ACTIVATIONS, 1)
        meant = f"; do you mean {near[0]!r}?" if near else "; for another one pass signals.Activation(...)"
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {shown(activation)}{meant}")
    return found
