"""The symmetry trap, shown by training: units that begin equal stay equal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._bit_generator import PhiloxBitGenerator
from weightfill._initializers.base import Initializer, InitializerLike, as_initializer
from weightfill._initializers.laws import Constant, Normal, Zeros
from weightfill._initializers.schemes import XavierNormal
from weightfill._reading.html import table_of
from weightfill._run.progress import Progress, check_progress, following, ticking
from weightfill._tensor import Tensor
from weightfill.signals._activations import Activation, as_activation
from weightfill.signals._digits import digits
from weightfill.signals._measures import Array
from weightfill.signals._networks import Stack, Weights, stack_of
from weightfill.signals._training import Case, Network
from weightfill.signals._training_pictures import draw_symmetry

_INITS = (Zeros(), Constant(0.1), Normal(std=0.01), XavierNormal())
_BIASES = (Zeros(), Constant(0.01))
_SAME = 1e-9  # of the largest weight: units closer than that are counted as one; rounding keeps them within 1e-13
_LOOKS = 24  # at which is measured, spread evenly over the logarithm of steps
_TRAINED = 0.8  # of the samples; the others are held out


@dataclass(frozen=True, repr=False)
class Symmetry:
    """What `symmetry` found; print it to see a table.

    Attributes:
        cases: by label, as "Zeros(), bias 0".
        title: what was trained, in a line.
        hidden: the units of the first hidden layer.
        majority: the accuracy of always naming the most frequent class.
    """

    cases: Mapping[str, Case]
    title: str
    hidden: int
    majority: float

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """The cases whose units stayed equal."""
        return tuple(
            f"{label}: {case.units[-1]} of {self.hidden} units differ after {case.steps[-1]} steps"
            for label, case in self.cases.items()
            if case.units[-1] < self.hidden
        )

    def rows(self) -> list[dict[str, str]]:
        """Return the cells of the table, one mapping from column to text for each case."""
        return [
            {
                "weights, biases": label,
                "distinct units": f"{case.units[0]}, then {case.units[-1]} of {self.hidden}",
                "rank of gradient": f"{case.rank[0]}, then {case.rank[-1]}",
                "accuracy": f"{case.accuracy[-1]:.1%}",
            }
            for label, case in self.cases.items()
        ]

    def notes(self) -> list[str]:
        """Return what is said below the table."""
        return [f"always naming the most frequent class: {self.majority:.1%}"]

    def to_json(self) -> str:
        """Return what was found as JSON, without the weights."""
        cases = {
            label: {
                "init": repr(case.init),
                "bias": repr(case.bias),
                "steps": case.steps.tolist(),
                "units": case.units.tolist(),
                "rank": case.rank.tolist(),
                "accuracy": case.accuracy.tolist(),
            }
            for label, case in self.cases.items()
        }
        return json.dumps({"title": self.title, "hidden": self.hidden, "majority": self.majority, "cases": cases})

    def png(self, path: str | os.PathLike[str], *, replace: bool = False) -> None:
        """Draw distinct units, rank and accuracy by step, and the first weight after training, a unit a row.

        Args:
            path: of the PNG file.
            replace: whether an existing file may be replaced.

        Raises:
            ImportError: matplotlib is not installed.
            TypeError: `path` is no path.
            ValueError: `path` does not end in .png.
            OSError: the file cannot be written, or exists and `replace` is false.
        """
        draw_symmetry(self.title, self.hidden, self.cases, path, replace)

    def __str__(self) -> str:
        rows = self.rows()
        lines = [{column: column for column in rows[0]}, *rows]
        widths = {column: max(len(line[column]) for line in lines) for column in rows[0]}
        table = ["  ".join(line[column].ljust(widths[column]) for column in widths).rstrip() for line in lines]
        return "\n".join([self.title, *table, *self.notes()])

    def __repr__(self) -> str:
        return f"<Symmetry of {self.title}: {'; '.join(self.problems) or 'all units differ'}>"

    def _repr_html_(self) -> str:
        return table_of(self.rows(), [self.title, *self.notes()])


def symmetry(
    cases: Mapping[str, InitializerLike | tuple[InitializerLike, InitializerLike]] | None = None,
    *,
    data: tuple[Array, Array] | None = None,
    hidden: str | int = 32,
    activation: str | Activation = "tanh",
    steps: int = 300,
    rate: float = 0.5,
    batch: int = 100,
    seed: int = 0,
    progress: Progress = None,
) -> Symmetry:
    """Train a small network from several initializations, and count by step how many of its hidden units differ.

    Units of equal weights compute the same and get the same gradient. So they stay equal, however long one trains: a
    network of 32 equal units is one of 1 unit. The network is trained in float64 by plain gradient descent on the cross
    entropy of its softmax. It classifies scikit-learn's handwritten digits, unless there are `data`.

    Args:
        cases: from labels to initializers of the weights, or to pairs with one of the biases. The default is each of
            Zeros(), Constant(0.1), Normal(std=0.01) and XavierNormal() with biases of 0 and of 0.01.
        data: samples of shape (samples, inputs), finite, and their classes, integers from 0; a fifth is held out.
        hidden: the number of hidden units, or as text of several layers: "32,16".
        activation: of hidden units: a name, or an `Activation`.
        steps: of gradient descent, at least 1.
        rate: the learning rate, greater than 0.
        batch: samples of each step, at least 1.
        seed: an integer in [0, 2**64), of weights, of the samples held out and the order of the others.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of finished steps.
            An exception that it raises stops the work.

    >>> found = symmetry({"equal": Constant(0.1), "random": XavierNormal()}, steps=20)
    >>> [int(case.units[-1]) for case in found.cases.values()]
    [1, 32]

    Raises:
        ImportError: there are no `data`, and scikit-learn, which has the digits, is not installed.
        TypeError: an argument has a wrong type.
        ValueError: an argument is out of range, or samples and classes do not fit each other.
        FloatingPointError: `rate` is so large that the weights overflow.
    """
    kind = as_activation(activation)
    given = _default_cases() if cases is None else {label: _case(label, case) for label, case in cases.items()}
    if not given:
        raise ValueError("cases must have at least one initializer, got none")
    count, size = (as_integer(number, name) for number, name in ((steps, "steps"), (batch, "batch")))
    for number, name in ((count, "steps"), (size, "batch")):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.integer | np.floating):
        raise TypeError(f"rate must be a number, got {shown(rate)}")
    if not 0 < rate < np.inf:
        raise ValueError(f"rate must be finite and greater than 0, got {rate}")
    if isinstance(hidden, bool) or not isinstance(hidden, str | int | np.integer):
        raise TypeError(f"hidden must be a number of units, or text such as '32,16', got {shown(hidden)}")
    check_progress(progress)
    samples, classes = _given_digits() if data is None else _checked_data(data)
    kinds = int(classes.max()) + 1
    stack = stack_of(f"{samples.shape[1]},{hidden},{kinds}")
    tensors = {label: _tensors(stack, label, init, bias, seed) for label, (init, bias) in given.items()}
    chance = np.random.Generator(PhiloxBitGenerator(seed, "samples"))
    order = chance.permutation(len(samples))
    trained, held = np.split(order, [int(_TRAINED * len(order))])
    if not len(trained) or not len(held):
        raise ValueError(f"data must have at least 2 samples, got {len(samples)}")
    batches = np.concatenate([chance.permutation(trained) for _ in range(-(-count * size // len(trained)))])
    picks = batches[: count * size].reshape(count, size)
    found = {}
    with ticking(progress, count * len(given)) as tick, np.errstate(all="ignore"):
        for number, (label, (init, bias)) in enumerate(given.items()):
            network = Network(stack, tensors[label], kind)
            curves = _trained(network, samples, classes, picks, held, rate, following(tick, number * count))
            found[label] = Case(init, bias, *curves, weight=network.weights[0])
    majority = float((classes[held] == np.bincount(classes[trained]).argmax()).mean())
    title = f"{stack.text} {kind.name}, {count:,} steps of {size} samples, rate {rate:g}"
    return Symmetry(found, title, stack.layers[0].weight_shape[0], majority)


def _trained(
    network: Network, samples: Array, classes: Array, picks: Array, held: Array, rate: float, progress: Any
) -> tuple[Array, Array, Array, Array]:
    """Train, and return the steps at which was measured, with distinct units, rank of gradient and accuracy."""
    looks = {0, len(picks), *(int(step) for step in np.geomspace(1, len(picks), _LOOKS))}
    found = []
    for step in range(len(picks) + 1):
        pick = picks[min(step, len(picks) - 1)]
        gradients = network.gradients(samples[pick], classes[pick])
        if step in looks:
            if not np.isfinite(gradients[0].weight).all():
                raise FloatingPointError(f"rate must be smaller, got {rate}: the weights overflow by step {step}")
            accuracy = float((network.forward(samples[held])[-1].after.argmax(1) == classes[held]).mean())
            units = distinct_units(network.weights[0], network.biases[0])
            found.append((step, units, _rank(gradients[0].weight), accuracy))
        if step == len(picks):
            break
        for number, gradient in enumerate(gradients):
            network.weights[number] -= rate * gradient.weight
            network.biases[number] -= rate * gradient.bias
        if progress:
            progress(step + 1, len(picks))
    steps, units_by_step, ranks, accuracies = zip(*found, strict=True)
    return np.array(steps), np.array(units_by_step), np.array(ranks), np.array(accuracies)


def distinct_units(weight: Array, bias: Array) -> int:
    """Return how many units differ in their weights or bias by more than rounding.

    >>> distinct_units(np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 2.0]]), np.zeros(3))
    2
    """
    units = np.column_stack([weight.reshape(len(weight), -1), bias])
    left = np.ones(len(units), bool)
    within = _SAME * max(float(np.abs(units).max(initial=0)), 1e-300)
    count = 0
    while left.any():
        one = units[left.argmax()]
        left &= (np.abs(units - one) > within).any(1)
        count += 1
    return count


def _rank(gradient: Array) -> int:
    return int(np.linalg.matrix_rank(gradient, rtol=_SAME))


def _default_cases() -> dict[str, tuple[Initializer, Initializer]]:
    return {f"{_word(init)}, bias {_value(bias):g}": (init, bias) for init in _INITS for bias in _BIASES}


def _word(init: Initializer) -> str:
    match init:
        case Constant(value):
            return f"Constant({value:g})"
        case Normal(_, std):
            return f"Normal(std={std:g})"
    return f"{type(init).__name__}()"


def _value(init: Initializer) -> float:
    return init.value if isinstance(init, Constant) else 0.0


def _case(label: str, case: Any) -> tuple[Initializer, Initializer]:
    if isinstance(case, tuple):
        if len(case) != 2:
            raise ValueError(f"cases[{shown(label)}] must be an initializer or a pair of them, got {shown(case)}")
        return as_initializer(case[0], f"cases[{shown(label)}]"), as_initializer(case[1], f"cases[{shown(label)}]")
    return as_initializer(case, f"cases[{shown(label)}]"), Zeros()


def _tensors(stack: Stack, label: str, init: Initializer, bias: Initializer, seed: int) -> list[Weights]:
    def tensor(shape: tuple[int, ...], of: Initializer, name: str) -> Tensor:
        try:
            return Tensor(shape, of, seed=seed, stream=name, dtype=np.float64)
        except ValueError as error:
            raise ValueError(f"cases[{shown(label)}], {name}: {error}") from error

    return [
        Weights(
            tensor(layer.weight_shape, init, f"{layer.name}.weight"),
            tensor(layer.weight_shape[:1], bias, f"{layer.name}.bias"),
        )
        for layer in stack.layers
    ]


def _given_digits() -> tuple[Array, Array]:
    try:
        return digits()
    except ModuleNotFoundError as error:
        raise ImportError(
            "data must be given without scikit-learn, which has the digits; pip install 'weightfill[signals]' gives it"
        ) from error


def _checked_data(data: tuple[Array, Array]) -> tuple[Array, Array]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise TypeError(f"data must be a pair (samples, classes), got {shown(data)}")
    samples, classes = np.asarray(data[0], np.float64), np.asarray(data[1])
    if samples.ndim != 2 or classes.shape != samples.shape[:1]:
        raise ValueError(
            f"data must be of shapes (samples, inputs) and (samples,), got {samples.shape} and {classes.shape}"
        )
    if not samples.size:
        raise ValueError(f"data must have samples, got {samples.shape}")
    if classes.dtype.kind not in "iu":
        raise TypeError(f"data must have classes as integers, got {classes.dtype}")
    if not np.isfinite(samples).all():
        raise ValueError("data must be finite, got NaN or infinity among the samples")
    if classes.min() < 0 or classes.max() > 10_000:
        raise ValueError(f"data must have classes from 0 to 10,000, got {classes.min()} to {classes.max()}")
    return samples, classes
