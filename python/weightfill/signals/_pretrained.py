"""What layer-wise pre-training gives: weights and biases by name, and how each layer was trained."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weightfill._arguments.messages import shown
from weightfill._checkpoints.arrays import write_arrays
from weightfill._reading.html import table_of

Array = npt.NDArray[np.float32]
_ROWS = 4096  # that `transform` widens at a time


@dataclass(frozen=True, eq=False, repr=False)
class PretrainedLayer:
    """One restricted Boltzmann machine, all arrays in float32.

    Its history is that of at most 1,000 samples, evenly taken from the data.

    Attributes:
        name: of the linear layer in the stack: "0", "2", "4" and so on.
        weight: of shape (hidden units, visible units), as torch's `Linear` has it.
        bias: of the hidden units.
        visible_bias: of the visible units; needed to go back from features to data, as in a deep autoencoder.
        reconstruction_error: root of the mean squared difference between data and their reconstruction, before training
            and after each epoch.
        pseudo_likelihood: mean log of it for a sample (a proxy for the likelihood, larger is better), before training
            and after each epoch.
    """

    name: str
    weight: Array
    bias: Array
    visible_bias: Array
    reconstruction_error: tuple[float, ...]
    pseudo_likelihood: tuple[float, ...]

    def __repr__(self) -> str:
        hidden, visible = self.weight.shape
        return f"PretrainedLayer({self.name!r}, {visible} to {hidden} units)"

    def features(self, samples: npt.NDArray[np.floating]) -> Array:
        """Return the probabilities of the hidden units for data of shape (samples, visible units)."""
        from scipy.special import expit  # takes a while

        found: Array = expit(samples.astype(np.float32, copy=False) @ self.weight.T + self.bias)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Pretrained(Mapping[str, Array]):
    """Weights and biases of a stack of sigmoid layers, by the names of torch's `Sequential(Linear, Sigmoid, ...)`.

    The names are "0.weight", "0.bias", "2.weight", "2.bias" and so on. It is a mapping; printed, it is a table of the
    layers.

    Attributes:
        layers: a `PretrainedLayer` each, with the history of its training.
        seed: that it was trained with.
    """

    layers: tuple[PretrainedLayer, ...]
    seed: int

    def __getitem__(self, name: str) -> Array:
        for layer in self.layers:
            if name == f"{layer.name}.weight":
                return layer.weight
            if name == f"{layer.name}.bias":
                return layer.bias
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        for layer in self.layers:
            yield from (f"{layer.name}.weight", f"{layer.name}.bias")

    def __len__(self) -> int:
        return 2 * len(self.layers)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of units of the data and of each layer."""
        return (self.layers[0].weight.shape[1], *(len(layer.bias) for layer in self.layers))

    def transform(self, data: npt.ArrayLike) -> Array:
        """Return the features of data: what the last layer's units give, in float32, of shape (samples, units).

        Args:
            data: of shape (samples, units of the data).

        Raises:
            ValueError: `data` has another shape.
        """
        samples = np.asarray(data)
        if samples.ndim != 2 or samples.shape[1] != self.sizes[0]:
            raise ValueError(f"data must have the shape (samples, {self.sizes[0]}), got {samples.shape}")
        out = np.empty((len(samples), self.sizes[-1]), np.float32)
        for begin in range(0, len(samples), _ROWS):
            part = samples[begin : begin + _ROWS].astype(np.float32)
            for layer in self.layers:
                part = layer.features(part)
            out[begin : begin + _ROWS] = part
        return out

    def write(self, path: str | os.PathLike[str], *, replace: bool = False) -> Path:
        """Write weights and biases into a safetensors file, which appears whole or not at all; return its path.

        Args:
            path: of the file, ending in .safetensors.
            replace: whether an existing checkpoint of this name may be replaced.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: `path` does not end in .safetensors, or no file can have it.
            FileExistsError: the file exists, and is not to be replaced.
            OSError: as the system says; nothing is left behind.
        """
        return write_arrays(path, self, replace=replace)

    def to_json(self) -> str:
        """Return the sizes, the seed and the history of every layer as JSON, without the weights."""
        layers = [
            {
                "name": layer.name,
                "shape": layer.weight.shape,
                "weight_std": float(layer.weight.std(dtype=np.float64)),
                "reconstruction_error": layer.reconstruction_error,
                "pseudo_likelihood": layer.pseudo_likelihood,
            }
            for layer in self.layers
        ]
        return json.dumps({"sizes": self.sizes, "seed": self.seed, "layers": layers})

    def rows(self) -> list[dict[str, str]]:
        """Return the cells of the table, one mapping from column to text for each layer."""
        return [
            {
                "layer": layer.name,
                "visible": f"{layer.weight.shape[1]:,}",
                "hidden": f"{layer.weight.shape[0]:,}",
                "weight std": f"{layer.weight.std(dtype=np.float64):.3g}",
                "reconstruction error": _change(layer.reconstruction_error),
                "pseudo-likelihood": _change(layer.pseudo_likelihood),
            }
            for layer in self.layers
        ]

    def __str__(self) -> str:
        rows = self.rows()
        lines = [{column: column for column in rows[0]}, *rows]
        widths = {column: max(len(line[column]) for line in lines) for column in rows[0]}
        return "\n".join("  ".join(line[column].rjust(widths[column]) for column in widths).rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"Pretrained(sizes={self.sizes}, seed={shown(self.seed)})"

    def _repr_html_(self) -> str:
        return table_of(self.rows())


def _change(history: tuple[float, ...]) -> str:
    return f"{history[0]:.4g} -> {history[-1]:.4g}"
