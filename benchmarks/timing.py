"""What the times of two tasks that took turns say."""

from __future__ import annotations

from statistics import median, quantiles


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """Return the ratio of the medians."""
    return median(numerator) / median(denominator)


def ratio_of_minima(numerator: list[float], denominator: list[float]) -> float:
    """Return the ratio of the shortest times: what is left of a machine that others use, too."""
    return min(numerator) / min(denominator)


def spread(numerator: list[float], denominator: list[float]) -> tuple[float, float]:
    """Return the lower and the upper quartile of the ratios within the rounds."""
    ratios = [a / b for a, b in zip(numerator, denominator, strict=True)]
    if len(ratios) == 1:
        return ratios[0], ratios[0]
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    return low, high
