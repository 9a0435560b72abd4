"""Small models of a family in examples/: as their library initializes them, and by their recorded plan."""

import math

import numpy as np
import torch
from scipy import stats

import weightfill as wf
import weightfill.torch as wt
from examples.families import FAMILIES, tiny
from examples.record import recorded

# How many models of each kind are taken together, so that an error of 5 % shows in every distribution.
ROUNDS = {
    "criteo": 64,
    "dlrm": 16,
    "mamba-130m": 16,
    "resnet-50": 16,
    "siglip-b16": 16,
    "unet-sd1.5": 24,
    "vit-b16": 16,
}
MOST = 100_000  # elements of a sample
STANDARD_ERRORS = 5
LEAST_P = 1e-8


def tensors(module):
    """Return copies of all parameters and buffers."""
    named = dict(module.named_parameters()) | dict(module.named_buffers())
    return {name: tensor.detach().numpy().copy() for name, tensor in named.items()}


def together(models):
    """Return the values of each tensor in several models, a row for each."""
    return {name: np.stack([model[name].ravel() for model in models]) for name in models[0]}


class Samples:
    """The values of every tensor in several models, a row for each model.

    Attributes:
        ours: by the recorded plan with several seeds.
        plain: as the library initializes them with several seeds of torch.
        drawn: by distribution, the names of the parameters that have it.
    """

    def __init__(self, name):
        family, config = FAMILIES[name], tiny(name)
        module, plan = recorded(name, config)
        wt.materialize(module, plan)
        ours, plain = [], []
        for seed in range(ROUNDS.get(name, 4)):
            ours.append(tensors(wt.initialize(module, wf.Plan(plan.rules, seed=seed))))
            torch.manual_seed(seed)
            plain.append(tensors(family.build(config)))
        self.ours, self.plain = together(ours), together(plain)
        self.drawn = {}
        for parameter in wt.explain(module, plan):
            if not self.fixed(parameter.name).all():
                self.drawn.setdefault(repr(parameter.law), []).append(parameter.name)

    def fixed(self, name):
        """Return which elements of a tensor are equal whatever the seed: constants, tables and padding."""
        values = self.ours[name]
        return (values == values[0]).all(axis=0)

    def of(self, names):
        """Return what was drawn for some parameters: by their plan, and by their library."""
        drawn = [(name, ~self.fixed(name)) for name in names]
        step = math.ceil(sum(part.sum() for _, part in drawn) * len(self.ours[names[0]]) / MOST)
        return tuple(
            np.concatenate([values[name][:, part].ravel() for name, part in drawn])[::step].astype(np.float64)
            for values in (self.ours, self.plain)
        )


def differences(ours, plain, *, shape=True):
    """Return in what two samples differ by more than samples of one distribution do."""
    found = []
    if abs(ours.mean() - plain.mean()) > STANDARD_ERRORS * math.hypot(stats.sem(ours), stats.sem(plain)):
        found.append(f"means {ours.mean():.6g} and {plain.mean():.6g}")
    squares = [(sample - sample.mean()) ** 2 for sample in (ours, plain)]
    errors = math.hypot(*(stats.sem(square) for square in squares))
    if abs(squares[0].mean() - squares[1].mean()) > STANDARD_ERRORS * errors:
        found.append(f"std {ours.std():.6g} and {plain.std():.6g}")
    if shape and stats.ks_2samp(ours, plain, method="asymp").pvalue < LEAST_P:
        found.append("distributions")
    return found
