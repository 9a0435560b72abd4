"""Modules whose own initialization is recorded, and what is said of it, for several files of tests."""

import pytest
import torch
from torch import nn

import weightfill.torch as wt


def recorded_plan(build, **options):
    with wt.recording() as recorded:
        module = build()
    return module, recorded.plan(module, seed=42, **options)


def inits(build, **options):
    """Return what is said of each parameter."""
    module, plan = recorded_plan(build, **options)
    return {name: plan.rule(name).init for name, _ in module.named_parameters()}


def law(init, shape):
    return init.law(tuple(shape))


def refusal(build, **options):
    with pytest.raises(ValueError, match="module must have parameters") as caught:
        recorded_plan(build, **options)
    return str(caught.value)


def own(make):
    """Return a function that builds a module with one parameter, `weight`."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            made = make()
            self.weight = made if isinstance(made, nn.Parameter) else nn.Parameter(made)

    return Own


class After(nn.Module):
    """A parameter that is initialized after it is registered."""

    def __init__(self, change, shape=(6, 4)):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        with torch.no_grad():
            change(self.weight)


def after(change, shape=(6, 4)):
    return inits(lambda: After(change, shape))["weight"]
