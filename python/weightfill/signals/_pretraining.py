"""Layer-wise unsupervised pre-training: a stack of restricted Boltzmann machines, one trained after the other."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from weightfill._arguments.integers import as_integer
from weightfill._arguments.messages import shown
from weightfill._arguments.signatures import explained
from weightfill._arguments.streams import checked_seed
from weightfill._bit_generator import PhiloxBitGenerator
from weightfill._fill import create
from weightfill._initializers.laws import Normal
from weightfill._run.progress import TICK_SECONDS, Progress, Tick, check_progress, ticking
from weightfill.signals._networks import Sizes, stack_of
from weightfill.signals._pretrained import Pretrained, PretrainedLayer

Samples = npt.NDArray[np.float64]

_INIT = Normal(std=0.01)
_SCORED = 1000  # samples at most that the history looks at


@explained
def pretrain(
    sizes: Sizes,
    data: npt.ArrayLike,
    *,
    seed: int,
    epochs: int = 10,
    rate: float = 0.06,
    batch: int = 10,
    progress: Progress = None,
) -> Pretrained:
    """Train a stack of sigmoid layers without labels, one layer after the other; return its weights and biases.

    Each layer is a restricted Boltzmann machine (RBM) with binary units. The first is trained on the data. Then the
    probabilities of its hidden units are the data of the next one, and so on. The trained weights are a start for
    fine-tuning with labels, in any framework.

    The RBM is scikit-learn's `BernoulliRBM`. It is trained by persistent contrastive divergence (PCD, also called
    stochastic maximum likelihood): `batch` Markov chains go on from batch to batch. So it is not CD-1 of the papers. It
    has no momentum and no weight decay.

    Weights begin as `Normal(std=0.01)` of the stream of their name, "0.weight" for example, and biases as zeros. The
    order of the samples and the states of the chains come from a stream of each layer, "0.sampling" for example. Each
    epoch takes the samples in a new order, and leaves out the last ones if they do not fill a batch.

    The same arguments give the same bits on the same machine with the same versions of NumPy, SciPy and scikit-learn,
    for any number of threads: BLAS is held to one thread meanwhile, in the whole process. Another CPU or BLAS may round
    the sums of a matrix product differently. Then some samples differ, and so do the weights.

    It takes memory for the data in float64, and for the features of each layer.

    Args:
        sizes: the number of units of the data and of each layer: (784, 500, 250) has two layers. Or as text: "64,100x3"
            has three layers of 100 units.
        data: numbers in [0, 1], or booleans, of shape (samples, sizes[0]). Divide grey values of 0 to 255 by 255. Other
            data, such as standardized ones, must be scaled into [0, 1] first: the visible units are binary, and there
            are no Gaussian ones. Columns may be constant.
        seed: an integer in [0, 2**64).
        epochs: passes over the data for each layer; 0 gives the initial values.
        rate: the learning rate, above 0.
        batch: samples for one update, and number of Markov chains; at least 2 and at most the number of samples.
        progress: True for a progress bar, or a callable(done, total) that is called with the number of samples used so
            far, over all epochs and layers, at most every 50 ms and once at the end. An exception that it raises stops
            the work.

    Sources: Hinton and Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 313 (2006),
    pages 504-507. For PCD: Tieleman, Training restricted Boltzmann machines using approximations to the likelihood
    gradient, ICML 2008. For the initial values: Hinton, A practical guide to training restricted Boltzmann machines,
    UTML TR 2010-003, section 8.

    >>> from sklearn.datasets import load_digits
    >>> found = pretrain((64, 32, 16), load_digits().data[:500] / 16, seed=42, epochs=5)
    >>> {name: array.shape for name, array in found.items()}
    {'0.weight': (32, 64), '0.bias': (32,), '2.weight': (16, 32), '2.bias': (16,)}
    >>> first, *_, last = found.layers[0].reconstruction_error
    >>> last < first
    True

    Raises:
        ImportError: scikit-learn is not installed.
        TypeError: an argument has a wrong type.
        ValueError: `sizes` has fewer than two numbers, one below 1 or a convolution, `data` has another shape or values
            outside of [0, 1], or another argument is out of range.
        FloatingPointError: `rate` is so large that the weights become infinite.
    """
    widths = _checked_sizes(sizes)
    samples = _checked_data(data, widths[0])
    seed = checked_seed(seed, _INIT)
    epochs = _checked_count(epochs, "epochs", 0)
    rate = _checked_rate(rate)
    batch = _checked_count(batch, "batch", 2)
    if batch > len(samples):
        raise ValueError(f"batch must be at most the number of samples, {len(samples):,}, got {shown(batch)}")
    check_progress(progress)
    check_installed()
    from sklearn import config_context  # an extra

    total = (len(widths) - 1) * epochs * (len(samples) // batch) * batch
    layers: list[PretrainedLayer] = []
    with (
        _one_thread,
        config_context(assume_finite=True, skip_parameter_validation=True),  # checked above, not for each batch
        np.errstate(over="ignore", invalid="ignore"),  # found after each epoch
        ticking(progress, total, "training") as tick,
    ):
        used = _at_intervals(tick, total)
        for number, (visible, hidden) in enumerate(pairwise(widths)):
            machine = _Machine(f"{2 * number}", visible, hidden, seed, rate, batch)
            layers.append(machine.train(samples, epochs, used))
            if len(layers) < len(widths) - 1:
                samples = machine.features(samples)
    return Pretrained(tuple(layers), seed)


class _Machine:
    """One restricted Boltzmann machine, with its initial values and its sources of random numbers."""

    def __init__(self, name: str, visible: int, hidden: int, seed: int, rate: float, batch: int) -> None:
        from sklearn.neural_network import BernoulliRBM  # an extra

        self.name, self.seed, self.batch = name, seed, batch
        self.random = self._source("sampling")
        self.rbm = BernoulliRBM(hidden, learning_rate=rate, batch_size=batch)
        # `fit` would draw weights of its own; `partial_fit` goes on from what it finds.
        weight = create((hidden, visible), _INIT, seed=seed, stream=f"{name}.weight")
        self.rbm.n_features_in_ = visible
        self.rbm.components_ = np.asarray(weight, np.float64, order="F")
        self.rbm.intercept_hidden_ = np.zeros(hidden)
        self.rbm.intercept_visible_ = np.zeros(visible)
        self.rbm.random_state_ = self.random

    def _source(self, purpose: str) -> np.random.RandomState:
        # Its distributions are frozen for ever, those of NumPy's Generator may change.
        return np.random.RandomState(PhiloxBitGenerator(self.seed, f"{self.name}.{purpose}"))

    def train(self, samples: Samples, epochs: int, used: Callable[[int], object]) -> PretrainedLayer:
        """Train on these samples; `used` hears how many of them a batch has used."""
        scored = samples[:: -(-len(samples) // _SCORED)]
        history = [self._scores(scored)]
        # A short batch would be weighed against all the chains: the model's part of the update would exceed the data's.
        last = len(samples) // self.batch * self.batch
        for _ in range(epochs):
            order = self.random.permutation(len(samples))
            for begin in range(0, last, self.batch):
                self.rbm.partial_fit(samples[order[begin : begin + self.batch]])
                used(self.batch)
            self._check_finite()
            history.append(self._scores(scored))
        errors, likelihoods = zip(*history, strict=True)
        weight, bias, visible_bias = (np.ascontiguousarray(array, np.float32) for array in self._parameters())
        return PretrainedLayer(self.name, weight, bias, visible_bias, errors, likelihoods)

    def features(self, samples: Samples) -> Samples:
        """Return the probabilities of the hidden units."""
        found: Samples = self.rbm.transform(samples)
        return found

    def _scores(self, samples: Samples) -> tuple[float, float]:
        """Return the reconstruction error and the pseudo-likelihood, which corrupts the same units at each call."""
        from scipy.special import expit  # takes a while

        back = expit(self.features(samples) @ self.rbm.components_ + self.rbm.intercept_visible_)
        self.rbm.set_params(random_state=self._source("scoring"))
        return float(np.sqrt(np.mean((samples - back) ** 2))), float(np.mean(self.rbm.score_samples(samples)))

    def _parameters(self) -> tuple[Samples, Samples, Samples]:
        return self.rbm.components_, self.rbm.intercept_hidden_, self.rbm.intercept_visible_

    def _check_finite(self) -> None:
        if not all(np.abs(array).max() <= np.finfo(np.float32).max for array in self._parameters()):
            raise FloatingPointError(
                f"rate must be smaller, got {self.rbm.learning_rate}: the weights of layer {self.name!r} are infinite"
            )


class _OneThread:
    """Holds BLAS to one thread while any call runs: its threads share the sums of a product in orders of their own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0
        self.limits: Any = None

    def __enter__(self) -> None:
        from threadpoolctl import threadpool_limits  # comes with scikit-learn, an extra

        with self.lock:
            if self.running == 0:
                self.limits = threadpool_limits(1, "blas")
            self.running += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.running -= 1
            if self.running == 0:
                self.limits.restore_original_limits()


_one_thread = _OneThread()


def _at_intervals(tick: Tick | None, total: int) -> Callable[[int], None]:
    """Return what counts samples, and tells the sum so far from time to time and at the end."""
    done, told = 0, time.monotonic()

    def used(more: int) -> None:
        nonlocal done, told
        done += more
        now = time.monotonic()
        if tick is not None and (done == total or now - told >= TICK_SECONDS):
            told = now
            tick(done)

    return used


def check_installed() -> None:
    """Raise ImportError without scikit-learn."""
    try:
        import sklearn  # noqa: F401  # an extra
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        raise ImportError("pretrain needs scikit-learn: pip install 'weightfill[signals]'") from None


def _checked_sizes(sizes: Sizes) -> tuple[int, ...]:
    stack = stack_of(sizes)
    if any(len(shape) != 1 for layer in stack.layers for shape in (layer.input_shape, layer.output_shape)):
        raise ValueError(f"sizes must have dense layers only, got {stack.text}")
    return (*stack.input_shape, *(layer.fan_out for layer in stack.layers))


def _checked_data(data: npt.ArrayLike, units: int) -> Samples:
    if hasattr(data, "toarray"):
        raise TypeError(f"data must be a dense array, got a {type(data).__name__}; pass data.toarray()")
    try:
        array = np.asarray(data)
        if not (array.dtype.kind in "biuf" or array.dtype.isbuiltin == 2):  # 2: of ml_dtypes
            raise TypeError
    except (TypeError, ValueError, RuntimeError):  # the last of a torch tensor with a gradient
        raise TypeError(f"data must be an array of numbers on the CPU, got {shown(data)}") from None
    if array.ndim != 2:
        way_out = "; pass data.reshape(len(data), -1)" if array.ndim > 2 else ""
        raise ValueError(f"data must have 2 dimensions, samples and units, got the shape {array.shape}{way_out}")
    if array.shape[1] != units:
        raise ValueError(
            f"data must have the shape (samples, {units}), as the layers begin with {units} units, got {array.shape}"
        )
    if len(array) < 2:
        raise ValueError(f"data must have at least 2 samples, got {len(array)}")
    samples = array.astype(np.float64, copy=False)
    if not np.isfinite(samples).all():
        row, column = (int(index) for index in np.argwhere(~np.isfinite(samples))[0])
        raise ValueError(f"data must be finite, got {samples[row, column]} at [{row}, {column}]")
    low, high = float(samples.min()), float(samples.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"data must be in [0, 1], got values from {low:g} to {high:g}, as the visible units are binary; "
            "pass (data - data.min()) / (data.max() - data.min())"
        )
    return samples


def _checked_count(value: int, argument: str, least: int) -> int:
    number = as_integer(value, argument)
    if number < least:
        raise ValueError(f"{argument} must be at least {least}, got {shown(value)}")
    return number


def _checked_rate(rate: float) -> float:
    try:
        if isinstance(rate, bool | str):
            raise TypeError
        number = float(rate)
    except (TypeError, ValueError):
        raise TypeError(f"rate must be a number, got {shown(rate)}") from None
    if not 0 < number < math.inf:
        raise ValueError(f"rate must be above 0 and finite, got {shown(rate)}")
    return number
