"""What a comparison of libraries has measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Speed:
    """What one library reached for one law."""

    gb_per_s: float
    elements_per_s: float
    share: float  # of the ceiling

    def __str__(self) -> str:
        return f"{self.gb_per_s:.3g} / {self.elements_per_s / 1e9:.3g} / {100 * self.share:.3g}%"


@dataclass(frozen=True)
class Comparison:
    """All speeds, by library and law; a law that a library does not have is missing."""

    size: str
    ceiling_gb_per_s: float
    speeds: dict[str, dict[str, Speed]]
