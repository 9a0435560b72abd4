"""The coordinate check: whether the size of activations in training depends on the width of a network."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from weightfill._arguments.choices import check_choice
from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._fill import create
from weightfill._initializers.laws import Normal, Zeros
from weightfill._initializers.schemes import LecunNormal
from weightfill._plan import Plan
from weightfill._reading.html import table_of
from weightfill._run.progress import Progress, check_progress, ticking
from weightfill.signals._activations import Activation, as_activation
from weightfill.signals._measures import Array
from weightfill.signals._networks import Inits, Sizes, stack_of, weights_of
from weightfill.signals._training import Network
from weightfill.signals._training_pictures import Line, draw_widths

_INPUTS, _HIDDEN, _OUTPUTS, _RATE = 64, 3, 10, 0.01  # of the two ready-made parametrizations
_FLAT = 0.2  # the exponent of the width from which a layer counts as growing or shrinking
_FIRST_MOMENT, _SECOND_MOMENT, _SMALLEST = 0.9, 0.999, 1e-8  # of Adam, as Kingma and Ba (ICLR 2015) give them


class Parametrization(NamedTuple):
    """How a network of some width is built and trained.

    Attributes:
        sizes: its layers, as `propagation` takes them.
        init: an initializer of all weights (biases are then 0), or a plan for layer1.weight, layer1.bias and so on.
        rate: the learning rate of all layers, or a mapping with that of each: "layer1", "layer2" and so on.
    """

    sizes: Sizes
    init: Inits
    rate: float | Mapping[str, float]


@dataclass(frozen=True, repr=False)
class CoordinateCheck:
    """What `coordinate_check` found; print it to see a table.

    Attributes:
        title: what was trained, in a line.
        widths: in rising order.
        layers: their names.
        sizes: root mean squares of what goes into the activations, mean over seeds, of shape (steps + 1, layers,
            widths).
        spreads: their standard deviations over seeds, as parts of `sizes`.
    """

    title: str
    widths: tuple[int, ...]
    layers: tuple[str, ...]
    sizes: Array
    spreads: Array

    @cached_property
    def exponents(self) -> Array:
        """The power of the width with which each layer grows, of shape (steps + 1, layers), by least squares."""
        x = np.log(self.widths)
        x = x - x.mean()
        with np.errstate(all="ignore"):
            return np.asarray((np.log(self.sizes) * x).sum(-1) / (x * x).sum())

    @property
    def verdict(self) -> str:
        """Whether activations depend on the width, in a sentence."""
        last = self.exponents[-1]
        if not np.isfinite(last).all():
            name = self.layers[int((~np.isfinite(last)).argmax())]
            return f"{name} is 0 or overflows after {len(self.sizes) - 1} steps"
        worst = int(np.abs(last).argmax())
        if abs(last[worst]) < _FLAT:
            return f"flat: no layer changes by more than {_power(last[worst])} after {len(self.sizes) - 1} steps"
        kind = "grows" if last[worst] > 0 else "shrinks"
        return (
            f"{self.layers[worst]} {kind} like {_power(last[worst])} after {len(self.sizes) - 1} steps: "
            "a learning rate that suits one width does not suit another"
        )

    def rows(self) -> list[dict[str, str]]:
        """Return the cells of the table, one mapping from column to text for each layer, before and after training."""
        return [
            {
                "step": str(step),
                "layer": layer,
                **{str(width): f"{self.sizes[step, number, at]:.3g}" for at, width in enumerate(self.widths)},
                "grows like": _power(self.exponents[step, number]),
                "spread over seeds": f"{self.spreads[step, number].max():.0%}",
            }
            for step in (0, len(self.sizes) - 1)
            for number, layer in enumerate(self.layers)
        ]

    def to_json(self) -> str:
        """Return what was found as JSON; numbers that are not finite are null."""
        report = {
            "title": self.title,
            "verdict": self.verdict,
            "widths": self.widths,
            "layers": self.layers,
            "sizes": _finite(self.sizes),
            "spreads": _finite(self.spreads),
            "exponents": _finite(self.exponents),
        }
        return json.dumps(report)

    def png(self, path: str | os.PathLike[str], *, replace: bool = False) -> None:
        """Draw the size of each layer over the width, before and after training.

        Args:
            path: of the PNG file.
            replace: whether an existing file may be replaced.

        Raises:
            ImportError: matplotlib is not installed.
            TypeError: `path` is no path.
            ValueError: `path` does not end in .png.
            OSError: the file cannot be written, or exists and `replace` is false.
        """
        draw_widths(self.title, self.widths, self._lines(), path, replace)

    def _lines(self) -> list[tuple[str, list[Line]]]:
        """Return what a picture draws: before and after training, a line for each layer."""
        steps = (0, len(self.sizes) - 1)
        titles = ("before training", f"after {steps[1]} steps")
        return [
            (
                title,
                [
                    Line(f"{layer}: {_power(self.exponents[step, at])}", self.sizes[step, at], self.spreads[step, at])
                    for at, layer in enumerate(self.layers)
                ],
            )
            for title, step in zip(titles, steps, strict=True)
        ]

    def __str__(self) -> str:
        rows = self.rows()
        lines = [{column: column for column in rows[0]}, *rows]
        widths = {column: max(len(line[column]) for line in lines) for column in rows[0]}
        left = ("step", "layer")
        table = [
            "  ".join(
                line[column].ljust(widths[column]) if column in left else line[column].rjust(widths[column])
                for column in widths
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *table, self.verdict])

    def __repr__(self) -> str:
        return f"<CoordinateCheck of {self.title}: {self.verdict}>"

    def _repr_html_(self) -> str:
        return table_of(self.rows(), [self.title, self.verdict])


Rule = Callable[[int], Parametrization]


def standard(width: int) -> Parametrization:
    """Return the standard parametrization: weights of std 1/sqrt(fan_in), and one learning rate for all.

    >>> standard(256).sizes
    [64, 256, 256, 256, 10]
    """
    return Parametrization([_INPUTS, *[width] * _HIDDEN, _OUTPUTS], "lecun_normal", _RATE)


def mup(width: int) -> Parametrization:
    """Return the maximal update parametrization for Adam, as Yang et al. 2022 (arXiv 2203.03466), table 3, have it.

    Hidden weights have std 1/sqrt(fan_in), the output's 1/fan_in; the learning rates of both are divided by fan_in.
    Equal to `standard` at a width of 64, but for the output.

    >>> mup(256).rate["layer2"]
    0.0025
    """
    names = [f"layer{number}" for number in range(1, _HIDDEN + 2)]
    last = f"{names[-1]}.weight"
    plan = Plan({"*.bias": Zeros(), last: Normal(std=_INPUTS**0.5 / width), "*.weight": LecunNormal()}, seed=0)
    rates = {name: _RATE if name == "layer1" else _RATE * _INPUTS / width for name in names}
    return Parametrization([_INPUTS, *[width] * _HIDDEN, _OUTPUTS], plan, rates)


_RULES: dict[str, Rule] = {"standard": standard, "mup": mup}


def coordinate_check(
    rule: Rule | Literal["standard", "mup"] = "standard",
    *,
    widths: Sequence[int] = (64, 128, 256, 512, 1024),
    steps: int = 4,
    seeds: int = 3,
    samples: int = 64,
    activation: str | Activation = "relu",
    optimizer: Literal["adam", "sgd"] = "adam",
    seed: int = 0,
    progress: Progress = None,
) -> CoordinateCheck:
    """Train networks of several widths for a few steps, and see whether their activations stay of one size.

    Where they do, a learning rate found on a small model suits a large one (Yang et al., "Tensor Programs V: Tuning
    large neural networks via zero-shot hyperparameter transfer", 2022, appendix D.1). Measured is the root mean square
    of what goes into each activation. The networks classify standard normal inputs into random classes.

    Args:
        rule: a function from a width to a `Parametrization`; or "standard" or "mup", which are such functions.
        widths: at least 2 different ones, each at least 1.
        steps: of training, at least 1.
        seeds: how many networks of each width, at least 1; the spread over them is shown.
        samples: of the one batch, at least 1.
        activation: of all layers but the last: a name, or an `Activation`.
        optimizer: "adam" or "sgd".
        seed: an integer, the first of the seeds, which are all in [0, 2**64). They take the place of a plan's own.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished
            trainings. An exception that it raises stops the work.

    >>> bool(coordinate_check("standard", widths=(32, 128), seeds=1).exponents[-1, 2] > 0.3)
    True

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: an argument is out of range, or networks of two widths have different numbers of layers.
    """
    chosen = _RULES[rule] if isinstance(rule, str) and rule in _RULES else rule
    if isinstance(chosen, str):
        check_choice(chosen, tuple(_RULES), "rule")
    if not callable(chosen):
        raise TypeError(f"rule must be a callable(width), 'standard' or 'mup', got {shown(rule)}")
    kind = as_activation(activation)
    check_choice(optimizer, ("adam", "sgd"), "optimizer")
    counts = {"steps": steps, "seeds": seeds, "samples": samples}
    counts = {name: as_integer(number, name) for name, number in counts.items()}
    seed = as_integer(seed, "seed")
    for name, number in counts.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if isinstance(widths, str) or not isinstance(widths, Sequence | np.ndarray):
        raise TypeError(f"widths must be a sequence of integers, got {shown(widths)}")
    different = sorted({as_integer(width, "widths") for width in widths})
    if len(different) < 2 or different[0] < 1:
        raise ValueError(f"widths must be at least 2 different ones, each at least 1, got {shown(widths)}")
    check_progress(progress)
    networks = [_checked(chosen(width), width) for width in different]
    stacks = [stack_of(one.sizes) for one in networks]
    if len({len(stack.layers) for stack in stacks}) > 1:
        raise ValueError("rule must give networks of one number of layers for all widths")
    names = tuple(layer.name for layer in stacks[0].layers)
    sizes = np.empty((counts["seeds"], counts["steps"] + 1, len(names), len(different)))
    with ticking(progress, counts["seeds"] * len(different)) as tick, np.errstate(all="ignore"):
        for number in range(counts["seeds"]):
            for at, (stack, one) in enumerate(zip(stacks, networks, strict=True)):
                init = (
                    Plan(one.init.rules, seed=(one.init.seed or 0) + seed + number)
                    if isinstance(one.init, Plan)
                    else one.init
                )
                network = Network(stack, weights_of(stack, init, Zeros(), seed + number), kind)
                batch = create((counts["samples"], *stack.input_shape), Normal(), seed=seed + number, stream="batch")
                outputs = math.prod(stack.layers[-1].output_shape)
                drawn = create((counts["samples"], outputs), Normal(), seed=seed + number, stream="classes").argmax(1)
                rates = [one.rate if isinstance(one.rate, int | float) else one.rate[name] for name in names]
                sizes[number, :, :, at] = _measured(network, batch, drawn, rates, optimizer, counts["steps"])
                if tick:
                    tick(number * len(different) + at + 1)
        mean = sizes.mean(0)
        spread = np.divide(sizes.std(0), mean, out=np.zeros_like(mean), where=mean > 0)
    title = f"{stacks[0].text} to {stacks[-1].text} {kind.name}, {counts['steps']} steps of {optimizer}"
    return CoordinateCheck(title, tuple(different), names, mean, spread)


def _measured(
    network: Network, batch: Array, classes: Array, rates: Sequence[float], optimizer: str, steps: int
) -> Array:
    """Return the root mean square of each layer's outputs, before the activation, of shape (steps + 1, layers)."""
    adams = [(_Adam(), _Adam()) for _ in rates]
    found = []
    for step in range(steps + 1):
        found.append([math.sqrt(np.square(one.before, dtype=np.float64).mean()) for one in network.forward(batch)])
        if step == steps:
            break
        for number, gradient in enumerate(network.gradients(batch, classes)):
            change, bias_change = gradient
            if optimizer == "adam":
                of_weight, of_bias = adams[number]
                change, bias_change = of_weight.step(gradient.weight), of_bias.step(gradient.bias)
            network.weights[number] -= rates[number] * change
            network.biases[number] -= rates[number] * bias_change
    return np.array(found)


class _Adam:
    """Adam for one array (Kingma and Ba, "Adam: A method for stochastic optimization", ICLR 2015, algorithm 1)."""

    def __init__(self) -> None:
        self.first: Array | float = 0.0
        self.second: Array | float = 0.0
        self.steps = 0

    def step(self, gradient: Array) -> Array:
        """Return the change for a learning rate of 1."""
        self.steps += 1
        self.first = _FIRST_MOMENT * self.first + (1 - _FIRST_MOMENT) * gradient
        self.second = _SECOND_MOMENT * self.second + (1 - _SECOND_MOMENT) * gradient**2
        first = self.first / (1 - _FIRST_MOMENT**self.steps)
        second = self.second / (1 - _SECOND_MOMENT**self.steps)
        return np.asarray(first / (np.sqrt(second) + _SMALLEST))


def _checked(given: object, width: int) -> Parametrization:
    if not isinstance(given, tuple) or len(given) != 3:
        raise TypeError(f"rule must return a Parametrization, got {shown(given)} for a width of {width}")
    one = Parametrization(*given)
    names = [layer.name for layer in stack_of(one.sizes).layers]
    rates = one.rate if isinstance(one.rate, Mapping) else dict.fromkeys(names, one.rate)
    for name in names:
        if name not in rates:
            raise ValueError(f"rate must have one for each of {', '.join(names)}, got none for {name}")
        rate = rates[name]
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError(f"rate must be a number, got {shown(rate)}")
        if not 0 <= rate < math.inf:
            raise ValueError(f"rate must be finite and at least 0, got {rate}")
    return one


def _power(exponent: float) -> str:
    return f"width^{round(float(exponent), 2) + 0.0:.2f}"  # + 0.0, as there is no width^-0.00


def _finite(values: Array) -> object:
    objects = values.astype(object)
    objects[~np.isfinite(values)] = None
    return objects.tolist()
