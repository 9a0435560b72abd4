"""Small torch models and batches for tests of what data does to them."""

import torch
from torch import nn

import weightfill as wf
from weightfill.torch import initialize, verify

SMALL = wf.Plan({"*bias": wf.Zeros(), "*": wf.Normal(std=0.01)}, seed=42)
ORTHOGONAL = wf.Plan({"*bias": wf.Zeros(), "*norm*weight": wf.Ones(), "*": wf.Orthogonal()}, seed=42)


def batch(*shape, dtype=torch.float32, stream="batch"):
    return torch.from_numpy(wf.create(shape, wf.Normal(), seed=1, stream=stream)).to(dtype)


def deep(layers=5, width=60, bias=True):
    parts = [part for _ in range(layers) for part in (nn.Linear(width, width, bias=bias), nn.ReLU())]
    return nn.Sequential(*parts)


def output_stds(model, given, kinds):
    """The std of the output of every layer of these kinds, by its name."""
    found, handles = {}, []
    for name, part in model.named_modules():
        if isinstance(part, kinds):

            def hook(_module, _args, output, name=name):
                first = output[0] if isinstance(output, tuple) else output
                found.setdefault(name, float(first.double().std(correction=0)))

            handles.append(part.register_forward_hook(hook))
    with torch.no_grad():
        model(*given) if isinstance(given, tuple) else model(given)
    for handle in handles:
        handle.remove()
    return found


def assert_reproduced(model, plan, build):
    """The model has exactly the values of the plan, also of the one that TOML keeps."""
    assert verify(model, plan)
    other = initialize(build(), wf.Plan.from_toml(plan.to_toml()))
    for (name, param), (_, expected) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(param, expected), name
