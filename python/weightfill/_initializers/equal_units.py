"""The symmetry trap: units that begin equal, and stay equal."""

from __future__ import annotations

from weightfill._initializers.base import Law, Shape
from weightfill._initializers.laws import Constant


def equal_units(law: Law | None, shape: Shape) -> int:
    """Return how many units a weight makes equal, as all its elements are; 0 if they differ, or for vectors.

    Units with equal weights compute the same, get the same gradient, and so stay equal under every optimizer that
    treats weights alike. One row of a weight is a unit.

    >>> equal_units(Constant(0.5), (500, 784)), equal_units(Normal(), (500, 784)), equal_units(Constant(1.0), (500,))
    (500, 0, 0)
    """
    if not isinstance(law, Constant) or len(shape) < 2:
        return 0
    units = shape[0] or 0
    return units if units > 1 else 0
