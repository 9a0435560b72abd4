"""Handwritten digits to train on, which come with scikit-learn."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt


def digits() -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
    """Return 1,797 images of 8 x 8 pixels, as rows of 64 numbers in [0, 1], and which digits they show.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    samples, classes = import_module("sklearn.datasets").load_digits(return_X_y=True)
    return samples / 16, classes
