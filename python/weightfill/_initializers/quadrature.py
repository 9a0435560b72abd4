"""Integrals over the normal density."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

REACH = 12.0  # standard deviations, beyond which the normal density is below 1e-31
_FINEST = 2.0**-40  # the narrowest piece of the integrals, beside which a steep function may jump


@lru_cache(maxsize=256)
def normal_nodes(places: tuple[float, ...]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return points and weights for integrals over the normal density, by Gauss-Legendre on pieces.

    From each of the places where a function changes the pieces grow by powers of 2, up to 1, because it changes over a
    distance near 1 of its argument, whatever the scale makes of that.
    """
    powers = np.concatenate([2.0 ** np.arange(math.log2(_FINEST), 0), np.arange(1, 2 * REACH)])
    steps = np.concatenate([-powers, [0.0], powers])
    ends = np.unique(np.clip([-REACH, REACH, *(place + step for place in places for step in steps)], -REACH, REACH))
    return _on_pieces(ends)


@lru_cache(maxsize=1)
def fine_normal_nodes() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return points and weights for functions of which nothing is known: pieces of 1/256."""
    return _on_pieces(np.linspace(-REACH, REACH, int(2 * REACH) * 256 + 1))


def _on_pieces(ends: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    node, weight = np.polynomial.legendre.leggauss(16)
    half = np.diff(ends)[:, None] / 2
    z = ((ends[:-1] + ends[1:])[:, None] / 2 + half * node).reshape(-1)
    weights = (half * weight).reshape(-1) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return z, weights
