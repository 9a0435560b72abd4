"""The formulas of tables, by mpmath and without the package."""

import mpmath
import numpy as np

import weightfill as wf
from tests.bits import assert_same_bits


def frequency(base, numerator, denominator):
    return mpmath.mpf(base) ** (-mpmath.mpf(numerator) / denominator)


def wave(base, even, position, numerator, denominator):
    """Sine or cosine of a position's angle, in whose product the frequency is float64 first."""
    angle = mpmath.mpf(float(frequency(base, numerator, denominator)) * position)
    return mpmath.sin(angle) if even else mpmath.cos(angle)


def slope(head, heads):
    power = 2 ** (heads.bit_length() - 1)
    if head < power:
        return frequency(2, 8 * (head + 1), power)
    return frequency(2, 8 * (2 * (head - power) + 1), 2 * power)


FORMULAS = [  # initializer, shape, value at an index
    (wf.Arange(), (2, 5), lambda i, j: j),
    (wf.Arange(-2.5, 0.1, axis=0), (7,), lambda i: -2.5 + float(i) * 0.1),
    (wf.LogRange(), (2, 16), lambda i, j: mpmath.log(j + 1)),
    (wf.LogRange(0.5, axis=0), (3, 2), lambda i, j: mpmath.log(i + 0.5)),
    (wf.AlibiSlopes(), (8,), lambda h: slope(h, 8)),
    (wf.AlibiSlopes(axis=-3), (12, 1, 1), lambda h, i, j: slope(h, 12)),
    (wf.Sinusoid(), (5, 7), lambda t, c: wave(10000, c % 2 == 0, t, 2 * (c // 2), 7)),
    (wf.Sinusoid(500.0, "halves"), (2, 5, 6), lambda i, t, c: wave(500, c < 3, t, c % 3, 3)),
    (wf.Sinusoid(form="timescales"), (5, 8), lambda t, c: wave(10000, c < 4, t, c % 4, 3)),
]


def assert_as_formula(made, init, formula):
    """Values are the formula's, rounded to float64, float32, and the dtype; sines in float64 are good to 3e-16."""
    values = np.array([float(formula(*index)) for index in np.ndindex(made.shape)]).reshape(made.shape)
    if made.dtype != np.float64:
        assert_same_bits(made, values.astype(np.float32).astype(made.dtype), init)
    elif isinstance(init, wf.Sinusoid):
        np.testing.assert_allclose(made, values, rtol=0, atol=3e-16, err_msg=str(init))
    else:
        assert_same_bits(made, values, init)
