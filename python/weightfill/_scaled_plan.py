"""Plans with factors that data gave: how one is found, what was measured in each layer, and the plan of all."""

from __future__ import annotations

import glob
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import printable, shown
from weightfill._initializers.base import scalar
from weightfill._initializers.structured import Scaled
from weightfill._models.rules import Rule, Rules
from weightfill._plan import Plan
from weightfill._reading.html import table_of

_NOISE = 1e-6  # the share of a variance that rounding in float32 alone may leave
_SAME = 1e-4  # relative change of a variance that a factor other than 1 has no part in
_LISTED = 5  # layers in a warning


def variance_of(elements: float, total: float, squares: float) -> float:
    """Return the variance of values from sums: of 1, of themselves, of their squares.

    It is 0 for equal values, which the rounding of the sums would hide, and NaN for no values.
    """
    if not elements:
        return math.nan
    square = squares / elements
    variance = square - (total / elements) ** 2
    return variance if math.isnan(variance) or variance > _NOISE**2 * square else 0.0


class LayerScale(NamedTuple):
    """What was measured in one layer, and the factor that its weight has now.

    Attributes:
        name: of the weight that is scaled, as the plan knows it.
        kind: the class of the layer.
        std_before: the standard deviation of the layer's output with the weight of the plan; NaN if it has none.
        std_after: the same with the scaled weight.
        factor: what the weight is multiplied by; 1 if it is left as it is.
        trials: how often the weight was scaled and the output measured again.
        note: why the layer is not as others; empty for most.
    """

    name: str
    kind: str
    std_before: float = math.nan
    std_after: float = math.nan
    factor: float = 1.0
    trials: int = 0
    note: str = ""


class ScaledPlan(Plan):
    """A plan in which some weights are scaled, each by a factor that was found by data; see `weightfill.torch.lsuv`.

    It is used as any other plan. It also keeps what was measured: `layers`, and `report()` as a table.
    """

    def __init__(self, rules: Rules, *, seed: int | None, layers: Sequence[LayerScale]) -> None:
        super().__init__(rules, seed=seed)
        self._layers = tuple(layers)

    @property
    def layers(self) -> tuple[LayerScale, ...]:
        """What was measured in each layer, in the order in which they were reached."""
        return self._layers

    def report(self) -> str:
        """Return a table: a line for each layer."""
        rows = self._rows()
        if not rows:
            return "no layers"
        lines = [{column: column for column in rows[0]}, *rows]
        widths = {column: max(len(line[column]) for line in lines) for column in rows[0]}

        def text(line: Mapping[str, str]) -> str:
            cells = (line[c].ljust(n) if c in _TEXTS else line[c].rjust(n) for c, n in widths.items())
            return "  ".join(cells).rstrip()

        return "\n".join(map(text, lines))

    def _rows(self) -> list[dict[str, str]]:
        return [
            {
                "weight": printable(layer.name),
                "layer": layer.kind,
                "std": _number(layer.std_before),
                "scaled": _number(layer.std_after),
                "factor": f"{layer.factor:.6g}",
                "trials": str(layer.trials),
                "note": layer.note,
            }
            for layer in self._layers
        ]

    def _repr_html_(self) -> str:
        return table_of(self._rows(), [f"seed {self.seed}, {len(self.rules)} rules"])


_TEXTS = ("weight", "layer", "note")


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"


def check_search(tolerance: object, trials: object) -> tuple[float, int]:
    """Return both arguments of a search.

    Raises:
        TypeError: `tolerance` is not a number, or `trials` is not an integer.
        ValueError: `tolerance` is not in (0, 1), or `trials` is less than 1.
    """
    given = scalar(tolerance)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"tolerance must be a number, got {shown(tolerance)}")
    if not 0 < given < 1:
        raise ValueError(f"tolerance must be between 0 and 1, got {shown(tolerance)}; 0.02 is that of the paper")
    count = as_integer(trials, "trials")
    if count < 1:
        raise ValueError(f"trials must be at least 1, got {shown(trials)}")
    return float(given), count


class Parts(NamedTuple):
    """The variance of a layer's output by the factor of its weight: scaled * f^2 + crossed * f + rest.

    `rest` is that of what is not scaled, such as a bias, and `crossed` twice its covariance with the other part.
    """

    scaled: float
    crossed: float = 0.0
    rest: float = 0.0

    @property
    def variance(self) -> float:
        """The variance with factor 1."""
        return self.scaled + self.crossed + self.rest

    def unit_factor(self) -> float:
        """Return the factor at which the variance is 1; rest < 1 and scaled > 0."""
        half = self.crossed / 2
        return (1 - self.rest) / (half + math.sqrt(half**2 + self.scaled * (1 - self.rest)))


def scaled_to_unit(
    layer: LayerScale,
    variance: float,
    parts: Callable[[], Parts],
    measure: Callable[[float], float],
    *,
    tolerance: float,
    trials: int,
) -> LayerScale:
    """Return a layer with the factor at which its output has std 1.

    The first trial is right where the output is linear in the weight. The factor has few digits (4 for tolerances of
    0.001 and more), so that it hardly ever depends on the order in which a machine, or several, add.

    Args:
        layer: its name and kind.
        variance: of its output as it is.
        parts: returns what the variance consists of; called only if the layer is to be scaled.
        measure: scales the weight by a factor and returns the variance.
        tolerance: how far the std may be from 1.
        trials: the most calls of `measure`, but for one that puts the weight back.
    """
    layer = layer._replace(std_before=math.sqrt(variance), std_after=math.sqrt(variance))
    if abs(layer.std_before - 1) <= tolerance:
        return layer
    if variance == 0:
        return layer._replace(note="left as it is: its output is constant")
    found = parts()
    if found.scaled <= _NOISE**2 * variance:
        return layer._replace(note="left as it is: its weight does not change its output")
    if found.rest >= 1:
        return layer._replace(note=f"left as it is: without its weight its output has std {math.sqrt(found.rest):.3g}")
    digits = max(4, 2 + math.ceil(-math.log10(tolerance)))
    exact = found.unit_factor()
    for trial in range(1, trials + 1):
        factor = float(f"{exact:.{digits}g}")
        previous, variance = variance, measure(factor)
        if abs(variance - previous) <= _SAME * previous:
            measure(1.0)
            return layer._replace(
                trials=trial, note="left as it is: its output does not change with its weight's scale"
            )
        layer = layer._replace(std_after=math.sqrt(variance), factor=factor, trials=trial)
        if abs(layer.std_after - 1) <= tolerance:
            return layer
        if variance <= found.rest:  # it is not linear in its weight
            break
        exact *= math.sqrt((1 - found.rest) / (variance - found.rest))
    times = f"{layer.trials} trial{'s' if layer.trials != 1 else ''}"
    return layer._replace(note=f"not within {tolerance:g} of 1 after {times}")


def scaled_plan(plan: Plan, rules: Mapping[str, Rule], layers: Sequence[LayerScale]) -> ScaledPlan:
    """Return the plan with a rule for each weight that is scaled, before its other rules.

    Rules that no parameter has any more are left out, as a plan has none of these.

    Args:
        plan: the plan.
        rules: its rule for each parameter of the model, by stream.
        layers: what was found.
    """
    factors = {layer.name: layer.factor for layer in layers if layer.factor != 1}
    own = [Rule(glob.escape(name), Scaled(rules[name].init, factor)) for name, factor in factors.items()]
    left = {rule.pattern for name, rule in rules.items() if name not in factors}
    gone = {rule.pattern for rule in rules.values()} - left | {rule.pattern for rule in own}
    seed = 0 if own and plan.seed is None else plan.seed  # of constants alone, which it does not change
    return ScaledPlan([*own, *(rule for rule in plan.rules if rule.pattern not in gone)], seed=seed, layers=layers)


def off_unit(layers: Sequence[LayerScale], tolerance: float) -> str:
    """Return a sentence about layers whose output was measured and does not have std 1; empty if there are none."""
    off = [layer for layer in layers if abs(layer.std_after - 1) > tolerance]
    if not off:
        return ""
    named = [f"{shown(layer.name)} ({layer.std_after:.3g}: {layer.note})" for layer in off[:_LISTED]]
    more = f" and {len(off) - _LISTED} more" if len(off) > _LISTED else ""
    return (
        f"{len(off)} of {len(layers)} layers do not have outputs of std 1: {', '.join(named)}{more}; "
        "the plan's report() lists all, and layers= chooses others"
    )
